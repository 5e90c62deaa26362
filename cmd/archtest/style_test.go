package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

// resolve gives the path, from the root, of a link written on a page.
func resolve(page, link string) string { return path.Join(path.Dir(page), link) }

// linesUsing lists where a file uses a name of an imported package, written "package/path.Name".
func linesUsing(t *Tree, f *File, qualified string) (lines []string) {
	t.selectorUses(f, func(importPath, name string, pos token.Pos) {
		if importPath+"."+name == qualified {
			lines = append(lines, t.at(f, pos))
		}
	})
	return lines
}

func checkPure(t *Tree) (found []Finding) {
	for _, r := range pure {
		p := t.Packages[r.dir]
		if p == nil {
			continue
		}
		for _, f := range p.Files {
			if f.Test {
				continue
			}
			for _, i := range t.imports(f) {
				if matchesAny(r.imports, i.Path) {
					found = append(found, Finding{fmt.Sprintf("%s:%d", f.Path, i.Line), "imports " + i.Path})
				}
			}
			for _, name := range r.names {
				for _, line := range linesUsing(t, f, name) {
					found = append(found, Finding{line, "uses " + name})
				}
			}
			if r.floats {
				found = append(found, floats(t, f)...)
			}
		}
	}
	return found
}

func floats(t *Tree, f *File) (found []Finding) {
	ast.Inspect(f.AST, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			if n.Name == "float64" || n.Name == "float32" {
				found = append(found, Finding{t.at(f, n.Pos()), "uses " + n.Name})
			}
		case *ast.BasicLit:
			if n.Kind == token.FLOAT {
				found = append(found, Finding{t.at(f, n.Pos()), "holds the float " + n.Value})
			}
		}
		return true
	})
	return found
}

func checkFunctionLength(t *Tree) (found []Finding) {
	t.files(func(_ *Package, f *File) {
		ast.Inspect(f.AST, func(n ast.Node) bool {
			name := "function literal"
			switch n := n.(type) {
			case *ast.FuncDecl:
				name = n.Name.Name
			case *ast.FuncLit:
			default:
				return true
			}
			lines := t.Fset.Position(n.End()).Line - t.Fset.Position(n.Pos()).Line + 1
			if lines > functionLinesMax {
				found = append(found, Finding{t.at(f, n.Pos()),
					fmt.Sprintf("%s has %d lines, at most %d", name, lines, functionLinesMax)})
			}
			return true
		})
	})
	return found
}

func checkFileLength(t *Tree) (found []Finding) {
	t.files(func(_ *Package, f *File) {
		if lines := strings.Count(f.Text, "\n"); lines > fileLinesMax {
			found = append(found, Finding{f.Path, fmt.Sprintf("%d lines, at most %d", lines, fileLinesMax)})
		}
	})
	return found
}

func checkLineLength(t *Tree) (found []Finding) {
	t.files(func(_ *Package, f *File) {
		raw := rawLines(t, f)
		for n, line := range strings.Split(f.Text, "\n") {
			chars := utf8.RuneCountInString(line)
			text := strings.TrimSpace(line)
			drawn := strings.HasPrefix(text, "//") && (strings.Contains(text, "|") || strings.Contains(text, "://"))
			if chars > lineCharsMax && !drawn && !raw[n+1] {
				found = append(found, Finding{fmt.Sprintf("%s:%d", f.Path, n+1), fmt.Sprintf("%d characters", chars)})
			}
		}
	})
	return found
}

// rawLines are the lines inside raw strings: help texts and examples, where a fold would be seen by users.
func rawLines(t *Tree, f *File) map[int]bool {
	lines := map[int]bool{}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		if s, ok := n.(*ast.BasicLit); ok && strings.HasPrefix(s.Value, "`") {
			for line := t.Fset.Position(s.Pos()).Line; line <= t.Fset.Position(s.End()).Line; line++ {
				lines[line] = true
			}
		}
		return true
	})
	return lines
}

// Written apart, so that this file does not hold what it looks for. Three X are also ISO 4217's code for no currency, so
// they count as a marker only alone in a comment, or before a colon or bracket.
var marker = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|HA` + `CK)\b|\bXX` + `X[:(]|^/[/*]\s*XX` + `X[\s*/]*$`)

func checkMarkers(t *Tree) (found []Finding) {
	t.files(func(_ *Package, f *File) {
		for _, group := range f.AST.Comments {
			for _, c := range group.List {
				if m := marker.FindString(c.Text); m != "" {
					found = append(found, Finding{t.at(f, c.Pos()), "left-over " + m})
				}
			}
		}
	})
	return found
}

func checkNoInit(t *Tree) (found []Finding) {
	t.files(func(_ *Package, f *File) {
		for _, d := range f.AST.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, Finding{t.at(f, d.Pos()), "func init"})
			}
		}
	})
	return found
}

func checkNoSkip(t *Tree) (found []Finding) {
	t.files(func(_ *Package, f *File) {
		ast.Inspect(f.AST, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			s, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !f.Test && !strings.HasSuffix(path.Dir(f.Path), "test") {
				return true
			}
			if name := s.Sel.Name; name == "SkipNow" || name == "Skip" || name == "Skipf" {
				if x, ok := s.X.(*ast.Ident); ok && (x.Name == "t" || x.Name == "b" || x.Name == "f" || x.Name == "tb") {
					found = append(found, Finding{t.at(f, n.Pos()), x.Name + "." + name})
				}
			}
			return true
		})
	})
	return found
}

// checkCanFail looks at each Test function: its testing.T must be used for more than running beside others and talking.
func checkCanFail(t *Tree) (found []Finding) {
	idle := map[string]bool{"Parallel": true, "Log": true, "Logf": true, "Helper": true, "Name": true, "TempDir": true,
		"Setenv": true, "Context": true, "Cleanup": true, "Chdir": true}
	t.files(func(_ *Package, f *File) {
		for _, d := range f.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !f.Test || fn.Recv != nil || !isTest(fn) {
				continue
			}
			var name string
			if names := fn.Type.Params.List[0].Names; len(names) == 1 {
				name = names[0].Name
			}
			serious, quiet := 0, 0
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == name && idle[n.Sel.Name] {
						quiet++
					}
				case *ast.Ident:
					if n.Name == name {
						serious++
					}
				}
				return true
			})
			if serious-quiet == 0 {
				found = append(found, Finding{t.at(f, fn.Pos()), fn.Name.Name + " asserts nothing"})
			}
		}
	})
	return found
}

func isTest(fn *ast.FuncDecl) bool {
	rest, ok := strings.CutPrefix(fn.Name.Name, "Test")
	if !ok || rest == "Main" || len(fn.Type.Params.List) != 1 || fn.Body == nil {
		return false
	}
	return rest == "" || rest[0] < 'a' || rest[0] > 'z'
}

// imported for effect: the pin must come before the console's libraries (docs/decisions/0004-early-terminal-pin.md).
var forEffect = map[string]bool{"embed": true, module + "/tui/aaterm": true}

func checkImportNames(t *Tree) (found []Finding) {
	t.files(func(_ *Package, f *File) {
		for _, i := range t.imports(f) {
			where := fmt.Sprintf("%s:%d", f.Path, i.Line)
			switch {
			case i.Path == "slices" && i.Name != "stdslices":
				found = append(found, Finding{where, `import the standard "slices" as stdslices`})
			case i.Path == module+"/slices" && i.Name != "":
				found = append(found, Finding{where, "our slices keeps its name"})
			case i.Name == ".":
				found = append(found, Finding{where, i.Path + " is imported by dot"})
			case i.Name == "_" && !forEffect[i.Path]:
				found = append(found, Finding{where, i.Path + " is imported for effect"})
			}
		}
	})
	return found
}

// checkLog lets a library be handed a log.Logger that leads into slog, and nobody print through package log.
func checkLog(t *Tree) (found []Finding) {
	t.files(func(_ *Package, f *File) {
		t.selectorUses(f, func(importPath, name string, pos token.Pos) {
			for _, verb := range []string{"Print", "Fatal", "Panic"} {
				if importPath == "log" && strings.HasPrefix(name, verb) {
					found = append(found, Finding{t.at(f, pos), "log." + name})
				}
			}
		})
	})
	return found
}
