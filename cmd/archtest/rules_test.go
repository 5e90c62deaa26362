package archtest

import (
	"fmt"
	"io/fs"
	"regexp"
	"sort"
	"strings"
)

// rule is one thing that must hold, with the reason a reader of its failure needs.
type rule struct {
	name   string
	reason string
	check  func(*Tree) []Finding
}

// rules in the order of reading: the house, its doors, what comes from outside, then how the code reads.
// Each has a planted tree of its name under testdata/plants.
var rules = []rule{
	{"top-level", "a newcomer must know every name at the root", checkTopLevel},
	{"rooms", "a new folder is a decision: name it in model_test.go and docs/ARCHITECTURE.md", checkRooms},
	{"imports", "root < siblings < engine < cmd (docs/ARCHITECTURE.md)", checkImports},
	{"apart", "a checker that shares code with what it checks shares its mistakes", checkApart},
	{"libraries", "each outside library has one home (docs/decisions/0005-dependencies.md)", checkLibraries},
	{"root-size", "the root package is shared words, not a drawer", checkRootSize},
	{"package-comment", "one comment per package: its job, its promises, what it must not import", checkPackageComment},
	{"pure", "replicas and replays must agree: no clock, no I/O, no floats", checkPure},
	{"environment", "only cmd reads the environment (STYLE, habit 9)", checkEnvironment},
	{"picture", "docs/ARCHITECTURE.md has a row for each folder with Go files", checkPicture},
	{"links", "a link in the documentation leads somewhere", checkLinks},

	{"function-length", "what does not fit a screen is not read", checkFunctionLength},
	{"file-length", "the one file into which everything grows", checkFileLength},
	{"line-length", "a line that wraps is read twice", checkLineLength},
	{"markers", "what is missing is said in words and in an issue, not left as a marker", checkMarkers},
	{"no-init", "what happens at start stands in plain lists, not in the order of imports", checkNoInit},
	{"no-skip", "a skipped test proves nothing", checkNoSkip},
	{"can-fail", "a test that never asks its t for anything cannot fail", checkCanFail},
	{"import-names", `"slices" means ours, and nothing is imported for effect or by dot`, checkImportNames},
	{"log", "slog with attributes only", checkLog},
}

func checkTopLevel(t *Tree) (found []Finding) {
	entries, err := fs.ReadDir(t.FS, ".")
	if err != nil {
		return []Finding{{".", err.Error()}}
	}
	ignored := ignoredNames(t.FS)
	for _, e := range entries {
		goFile := !e.IsDir() && strings.HasSuffix(e.Name(), ".go")
		if !goFile && !topLevel[e.Name()] && !ignored(e.Name()) {
			found = append(found, Finding{e.Name(), "is not part of the plan"})
		}
	}
	return found
}

func ruleOf(dir string) (roomRule, bool) {
	for _, r := range rooms {
		if r.dir == dir {
			return r, true
		}
	}
	return roomRule{}, false
}

func checkRooms(t *Tree) (found []Finding) {
	for _, p := range t.packages() {
		if _, known := ruleOf(p.Dir); !known {
			found = append(found, Finding{p.Dir, "is a folder that the plan does not name"})
		}
	}
	return found
}

// matches reports whether dir is the pattern, or lies below a pattern that ends in "/...".
func matches(pattern, dir string) bool {
	base, below := strings.CutSuffix(pattern, "/...")
	return dir == base || below && (base == "." || strings.HasPrefix(dir, base+"/"))
}

func matchesAny(patterns []string, dir string) bool {
	for _, p := range patterns {
		if matches(p, dir) {
			return true
		}
	}
	return false
}

// layer orders the house for tests, which may look sideways inside their layer but never up and never at a sibling.
func layer(dir string) int {
	switch top, _, _ := strings.Cut(dir, "/"); top {
	case ".":
		return 0
	case "engine", "tui":
		return 2
	case "cmd":
		return 3
	default:
		return 1
	}
}

func checkImports(t *Tree) (found []Finding) {
	t.files(func(p *Package, f *File) {
		r, _ := ruleOf(p.Dir)
		for _, i := range t.imports(f) {
			dir, ours := room(i.Path)
			switch {
			case !ours || dir == p.Dir || matchesAny(r.may, dir):
				continue
			case f.Test && testMay(p.Dir, dir):
				continue
			}
			found = append(found, Finding{fmt.Sprintf("%s:%d", f.Path, i.Line), p.Dir + " may not import " + dir})
		}
	})
	return found
}

// testMay: a test may use its layer's helpers, and everything else of its own top-level folder.
func testMay(from, to string) bool {
	fromTop, _, _ := strings.Cut(from, "/")
	toTop, _, _ := strings.Cut(to, "/")
	if matchesAny(helpers, to) {
		return layer(to) < layer(from) || fromTop == toTop
	}
	return fromTop == toTop || fromTop == "engine" && layer(to) < layer(from)
}

// apart lists pairs that must not meet, not even through a third package.
var apart = []struct{ from, mustNotReach string }{
	{"ledger/verify", "ledger"},
	{"ledger/verify", "ledger/badgerstore"},
	{"tui", "engine"},
	{"tui", "engine/control"},
	{"engine/control/wire", "gates"},
	{"engine/state", "ledger/badgerstore"},
	{"cmd/nexus-verify", "ledger"},
	{"cmd/nexus-verify", "engine"},
}

func checkApart(t *Tree) (found []Finding) {
	for _, pair := range apart {
		if chain := t.reach(pair.from)[pair.mustNotReach]; chain != nil {
			found = append(found, Finding{pair.from, strings.Join(chain, " -> ")})
		}
	}
	return found
}

func checkLibraries(t *Tree) (found []Finding) {
	t.files(func(p *Package, f *File) {
		for _, i := range t.imports(f) {
			if !outside(i.Path) {
				continue
			}
			where := fmt.Sprintf("%s:%d", f.Path, i.Line)
			lib, known := libraryOf(i.Path)
			switch {
			case !known:
				found = append(found, Finding{where, i.Path + " has no home in the plan"})
			case !matchesAny(lib.homes, p.Dir) && !(f.Test && matchesAny(lib.homes, "tests")):
				found = append(found, Finding{where,
					fmt.Sprintf("%s lives in %s, not in %s", lib.prefix, strings.Join(lib.homes, ", "), p.Dir)})
			}
		}
	})
	return found
}

// libraryOf finds the entry with the longest prefix of whole path elements.
func libraryOf(importPath string) (best library, known bool) {
	for _, lib := range libraries {
		match := importPath == lib.prefix || strings.HasPrefix(importPath, lib.prefix+"/")
		if match && len(lib.prefix) > len(best.prefix) {
			best, known = lib, true
		}
	}
	return best, known
}

func checkRootSize(t *Tree) (found []Finding) {
	files, lines := 0, 0
	if root := t.Packages["."]; root != nil {
		for _, f := range root.Files {
			if !f.Test {
				files++
				lines += strings.Count(f.Text, "\n")
			}
		}
	}
	if files > rootFilesMax {
		found = append(found, Finding{".", fmt.Sprintf("%d files, at most %d", files, rootFilesMax)})
	}
	if lines > rootLinesMax {
		found = append(found, Finding{".", fmt.Sprintf("%d lines, at most %d", lines, rootLinesMax)})
	}
	return found
}

func checkPackageComment(t *Tree) (found []Finding) {
	for _, p := range t.packages() {
		comments := map[string]int{} // by package name: an external test package may have none
		name := p.Files[0].AST.Name.Name
		for _, f := range p.Files {
			if !f.Test {
				name = f.AST.Name.Name
			}
			if f.AST.Doc != nil {
				comments[f.AST.Name.Name]++
				opening := "Package " + f.AST.Name.Name
				if f.AST.Name.Name == "main" {
					opening = "Command"
				}
				if !strings.HasPrefix(f.AST.Doc.Text(), opening+" ") {
					found = append(found, Finding{f.Path, "the package comment does not begin with " + opening})
				}
			}
		}
		if comments[name] != 1 {
			found = append(found, Finding{p.Dir, fmt.Sprintf("%d package comments, must be one", comments[name])})
		}
	}
	return found
}

func checkEnvironment(t *Tree) (found []Finding) {
	t.files(func(p *Package, f *File) {
		if f.Test || strings.HasPrefix(p.Dir, "cmd/") {
			return
		}
		for _, name := range []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"} {
			for _, line := range linesUsing(t, f, "os."+name) {
				found = append(found, Finding{line, "os." + name})
			}
		}
	})
	return found
}

var rowFolder = regexp.MustCompile("(?m)^\\| `([^`]+)`")

func checkPicture(t *Tree) (found []Finding) {
	text, err := fs.ReadFile(t.FS, "docs/ARCHITECTURE.md")
	if err != nil {
		return []Finding{{"docs/ARCHITECTURE.md", err.Error()}}
	}
	named := map[string]bool{}
	for _, m := range rowFolder.FindAllStringSubmatch(string(text), -1) {
		named[m[1]] = true
	}
	for _, p := range t.packages() {
		if p.Dir != "." && !named[p.Dir] {
			found = append(found, Finding{p.Dir, "has no row in docs/ARCHITECTURE.md"})
		}
	}
	return found
}

var markdownLink = regexp.MustCompile(`\]\(([^)#:\s]+)(#[^)]*)?\)`)

func checkLinks(t *Tree) (found []Finding) {
	for _, page := range t.Pages {
		text, err := fs.ReadFile(t.FS, page)
		if err != nil {
			return append(found, Finding{page, err.Error()})
		}
		for _, m := range markdownLink.FindAllStringSubmatch(string(text), -1) {
			if _, err := fs.Stat(t.FS, resolve(page, m[1])); err != nil {
				found = append(found, Finding{page, "links to " + m[1] + ", which is not there"})
			}
		}
	}
	return found
}

// sorted gives the findings as text, in order.
func sorted(found []Finding) []string {
	var lines []string
	for _, f := range found {
		lines = append(lines, f.String())
	}
	sort.Strings(lines)
	return lines
}
