package archtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// References is who refers to whom among the functions of the house: an edge from a declaration to each function that its
// body names, called or not, closures counted to the declaration they stand in, and from a use of an interface's method to
// that method of every type that implements the interface (class hierarchy analysis). A function that nobody refers to
// cannot run, so the graph misses no call but those through reflection, linkname and unsafe, which the house does not use to
// call its own.
type References struct {
	from  map[string]map[string]token.Pos // callee -> referrer -> first use
	funcs map[string]*types.Func
	fset  *token.FileSet
}

// listed is what the go command says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// goList compiles what the house needs and lists it, dependencies first.
var goList = sync.OnceValues(func() ([]listed, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles", "./...")
	cmd.Dir = repository
	var fault bytes.Buffer
	cmd.Stderr = &fault
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, fault.Bytes())
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

// house type-checks the house from source, the rest from compiled packages.
type house struct {
	fset    *token.FileSet
	own     map[string]*types.Package
	outside types.Importer
}

func (h *house) Import(path string) (*types.Package, error) {
	if p := h.own[path]; p != nil {
		return p, nil
	}
	return h.outside.Import(path)
}

// loadReferences reads the house. plants are further files by folder, which is how the check is checked.
func loadReferences(plants map[string]string) (*References, error) {
	all, err := goList()
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for _, p := range all {
		exports[p.ImportPath] = p.Export
	}
	h := &house{fset: token.NewFileSet(), own: map[string]*types.Package{}}
	h.outside = importer.ForCompiler(h.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	r := &References{from: map[string]map[string]token.Pos{}, funcs: map[string]*types.Func{}, fset: h.fset}
	dispatch := map[*types.Func]map[string]token.Pos{} // interface method -> who uses it
	for _, p := range all {
		dir, ours := room(p.ImportPath)
		if !ours {
			continue
		}
		files, err := h.parse(p, plants[dir])
		if err != nil {
			return nil, err
		}
		info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
		if h.own[p.ImportPath], err = (&types.Config{Importer: h}).Check(p.ImportPath, h.fset, files, info); err != nil {
			return nil, err
		}
		for _, f := range files {
			r.file(f, info, h.own[p.ImportPath], dispatch)
		}
	}
	r.dispatch(h.own, dispatch)
	return r, nil
}

func (h *house) parse(p listed, plant string) (files []*ast.File, err error) {
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(h.fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	if plant != "" {
		f, err := parser.ParseFile(h.fset, "planted.go", plant, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// file adds the edges of one file.
func (r *References) file(f *ast.File, info *types.Info, pkg *types.Package, dispatch map[*types.Func]map[string]token.Pos) {
	for _, decl := range f.Decls {
		by := funcName(pkg, "var", "")
		if fd, ok := decl.(*ast.FuncDecl); ok {
			if fn, ok := info.Defs[fd.Name].(*types.Func); ok {
				by = nameOf(fn)
				r.funcs[by] = fn
			}
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				fn, ok := info.Uses[n].(*types.Func)
				if !ok || fn.Pkg() == nil {
					return true
				}
				fn = fn.Origin()
				if recv := fn.Signature().Recv(); recv != nil && types.IsInterface(recv.Type()) {
					note(dispatch, fn, by, n.Pos())
				}
				if _, ours := room(fn.Pkg().Path()); ours {
					note(r.from, nameOf(fn), by, n.Pos())
				}
			case *ast.CallExpr: // a call of a function kept in a field counts as one of the field
				if s, ok := n.Fun.(*ast.SelectorExpr); ok {
					if sel := info.Selections[s]; sel != nil && sel.Kind() == types.FieldVal && sel.Obj().Pkg() == pkg {
						note(r.from, fieldName(sel), by, n.Pos())
					}
				}
			}
			return true
		})
	}
}

func note[K comparable](m map[K]map[string]token.Pos, key K, by string, at token.Pos) {
	if m[key] == nil {
		m[key] = map[string]token.Pos{}
	}
	if _, ok := m[key][by]; !ok {
		m[key][by] = at
	}
}

// dispatch lets whoever uses an interface's method refer to that method of each type that implements the interface. For an
// interface with type parameters the method's name decides, which is more than can be called, never less.
func (r *References) dispatch(own map[string]*types.Package, uses map[*types.Func]map[string]token.Pos) {
	for _, pkg := range own {
		for _, name := range pkg.Scope().Names() {
			tn, ok := pkg.Scope().Lookup(name).(*types.TypeName)
			if !ok || tn.IsAlias() || types.IsInterface(tn.Type()) {
				continue
			}
			set := types.NewMethodSet(types.NewPointer(tn.Type()))
			for i := range set.Len() {
				method, ok := set.At(i).Obj().(*types.Func)
				if !ok {
					continue
				}
				for m, by := range uses {
					if m.Name() != method.Name() || !mayBe(tn.Type(), m) {
						continue
					}
					for who, at := range by {
						note(r.from, nameOf(method.Origin()), who, at)
					}
				}
			}
		}
	}
}

func mayBe(t types.Type, method *types.Func) bool {
	recv := method.Signature().Recv().Type()
	if named, ok := recv.(*types.Named); ok && named.TypeParams().Len() > 0 {
		return true
	}
	if named, ok := t.(*types.Named); ok && named.TypeParams().Len() > 0 {
		return true
	}
	i, ok := recv.Underlying().(*types.Interface)
	return ok && types.Implements(types.NewPointer(t), i)
}

// nameOf writes a function as "engine/slicing.Fabric.change".
func nameOf(fn *types.Func) string {
	recv := ""
	if v := fn.Signature().Recv(); v != nil {
		t := v.Type()
		if p, ok := t.(*types.Pointer); ok {
			t = p.Elem()
		}
		if named, ok := t.(*types.Named); ok {
			recv = named.Obj().Name()
		}
	}
	return funcName(fn.Pkg(), fn.Name(), recv)
}

func fieldName(sel *types.Selection) string {
	t := sel.Recv()
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	recv := "struct"
	if named, ok := t.(*types.Named); ok {
		recv = named.Obj().Name()
	}
	return funcName(sel.Obj().Pkg(), sel.Obj().Name()+"()", recv)
}

func funcName(pkg *types.Package, name, recv string) string {
	dir := strings.TrimPrefix(strings.TrimPrefix(pkg.Path(), module), "/")
	if recv != "" {
		name = recv + "." + name
	}
	return dir + "." + name
}
