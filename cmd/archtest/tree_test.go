package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"
)

// module is the import path that every import of the house starts with.
const module = "github.com/BobbyBlanco400/nexus-cos"

// Tree is a parsed repository.
type Tree struct {
	FS       fs.FS
	Fset     *token.FileSet
	Packages map[string]*Package // by folder, "." for the root
	Pages    []string            // paths of Markdown files
}

// Package is one folder with Go files.
type Package struct {
	Dir   string
	Files []*File
}

// File is one Go file.
type File struct {
	Path string
	Test bool // name ends in _test.go
	Text string
	AST  *ast.File
}

// Import is one import of a file.
type Import struct {
	Path string // "fmt", "github.com/BobbyBlanco400/nexus-cos/ledger"
	Name string // "" when not renamed
	Line int
}

// Finding is one breach of a rule.
type Finding struct {
	Where string // file:line, file or folder
	Text  string
}

func (f Finding) String() string { return f.Where + ": " + f.Text }

// loadTree parses all Go files below the root except testdata, hidden and underscored folders, as the go command does,
// and what the repository's own ignore list names.
func loadTree(fsys fs.FS) (*Tree, error) {
	t := &Tree{FS: fsys, Fset: token.NewFileSet(), Packages: map[string]*Package{}}
	ignored := ignoredNames(fsys)
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			if name != "." && (base == "testdata" || base[0] == '.' || base[0] == '_' || ignored(name)) {
				return fs.SkipDir
			}
			return nil
		}
		switch path.Ext(base) {
		case ".go":
			return t.addFile(name)
		case ".md":
			t.Pages = append(t.Pages, name)
		}
		return nil
	})
	return t, err
}

func (t *Tree) addFile(name string) error {
	text, err := fs.ReadFile(t.FS, name)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(t.Fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	dir := path.Dir(name)
	if t.Packages[dir] == nil {
		t.Packages[dir] = &Package{Dir: dir}
	}
	f := &File{Path: name, Test: strings.HasSuffix(name, "_test.go"), Text: string(text), AST: parsed}
	t.Packages[dir].Files = append(t.Packages[dir].Files, f)
	return nil
}

// ignoredNames reads .gitignore's plain patterns (a folder or a file of the top level, or a glob on the name).
func ignoredNames(fsys fs.FS) func(name string) bool {
	text, _ := fs.ReadFile(fsys, ".gitignore") // a tree without one ignores nothing
	patterns := strings.Fields(string(text))
	return func(name string) bool {
		for _, pattern := range patterns {
			subject := path.Base(name)
			if strings.HasPrefix(pattern, "/") {
				subject = name
			}
			if match, _ := path.Match(strings.Trim(pattern, "/"), subject); match {
				return true
			}
		}
		return false
	}
}

// packages lists the tree's packages in order of folder.
func (t *Tree) packages() []*Package {
	var list []*Package
	for _, p := range t.Packages {
		list = append(list, p)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Dir < list[j].Dir })
	return list
}

// files calls visit for every Go file, in order.
func (t *Tree) files(visit func(*Package, *File)) {
	for _, p := range t.packages() {
		for _, f := range p.Files {
			visit(p, f)
		}
	}
}

// at names a position as path:line.
func (t *Tree) at(f *File, pos token.Pos) string {
	return f.Path + ":" + strconv.Itoa(t.Fset.Position(pos).Line)
}

func (t *Tree) imports(f *File) []Import {
	var list []Import
	for _, spec := range f.AST.Imports {
		i := Import{Line: t.Fset.Position(spec.Pos()).Line}
		i.Path, _ = strconv.Unquote(spec.Path.Value) // the parser has checked the literal
		if spec.Name != nil {
			i.Name = spec.Name.Name
		}
		list = append(list, i)
	}
	return list
}

// room turns an import path of the house into its folder; ok is false for anything from outside.
func room(importPath string) (dir string, ok bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// outside reports whether an import comes from another module: its first element has a dot.
func outside(importPath string) bool {
	if _, ours := room(importPath); ours {
		return false
	}
	first, _, _ := strings.Cut(importPath, "/")
	return strings.Contains(first, ".")
}

// reach gives, for every package of the house that dir's non-test files need, one chain that leads there.
func (t *Tree) reach(dir string) map[string][]string {
	chains := map[string][]string{dir: {dir}}
	for queue := []string{dir}; len(queue) > 0; queue = queue[1:] {
		p := t.Packages[queue[0]]
		if p == nil {
			continue
		}
		for _, f := range p.Files {
			if f.Test {
				continue
			}
			for _, i := range t.imports(f) {
				if next, ours := room(i.Path); ours && chains[next] == nil {
					chains[next] = append(append([]string(nil), chains[p.Dir]...), next)
					queue = append(queue, next)
				}
			}
		}
	}
	return chains
}

// selectorUses calls visit for each use of a name of an imported package: "time", "Now".
func (t *Tree) selectorUses(f *File, visit func(importPath, name string, pos token.Pos)) {
	byName := map[string]string{}
	for _, i := range t.imports(f) {
		name := i.Name
		if name == "" {
			name = path.Base(i.Path)
		}
		byName[name] = i.Path
	}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && byName[x.Name] != "" {
				visit(byName[x.Name], s.Sel.Name, s.Pos())
			}
		}
		return true
	})
}
