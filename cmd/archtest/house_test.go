package archtest

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the expected findings of the planted trees; read the diff")

const repository = "../.."

// TestHouse judges this repository, one subtest a rule.
func TestHouse(t *testing.T) {
	t.Parallel()
	tree, err := loadTree(os.DirFS(repository))
	if err != nil {
		t.Fatal(err)
	}
	if tree.Packages["."] == nil || tree.Packages["gates"] == nil {
		t.Fatal("the repository was not found above this folder")
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for _, line := range sorted(r.check(tree)) {
				t.Error(line)
			}
			if t.Failed() {
				t.Log("why: " + r.reason)
			}
		})
	}
}

// TestPlants proves each rule on a small tree that breaks it here and keeps it there: testdata/plants/RULE.txtar holds
// the expected findings, one a line, above the files.
func TestPlants(t *testing.T) {
	t.Parallel()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			name := filepath.Join("testdata", "plants", r.name+".txtar")
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			planted := fstest.MapFS{}
			for _, f := range archive.Files {
				planted[f.Name] = &fstest.MapFile{Data: f.Data}
			}
			tree, err := loadTree(planted)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(sorted(r.check(tree)), "\n") + "\n"
			if *rewrite {
				archive.Comment = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(archive.Comment); got != want || strings.TrimSpace(want) == "" {
				t.Errorf("the planted tree gives\n%swant\n%s", got, want)
			}
		})
	}
}

// TestPlantsHaveRules: a planted tree whose rule is gone proves nothing.
func TestPlantsHaveRules(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob(filepath.Join("testdata", "plants", "*"))
	if err != nil || len(names) != len(rules) {
		t.Errorf("%d planted trees for %d rules (%v)", len(names), len(rules), err)
	}
}

// TestLongPlants covers the limits whose plants would be long to write out.
func TestLongPlants(t *testing.T) {
	t.Parallel()
	line := "\tx++\n"
	function := func(lines int) string { return "func f(x int) {\n" + strings.Repeat(line, lines-2) + "}\n" }
	for name, tt := range map[string]struct {
		check func(*Tree) []Finding
		text  string
		want  bool
	}{
		"function at its limit": {checkFunctionLength, function(functionLinesMax), false},
		"function above it":     {checkFunctionLength, function(functionLinesMax + 1), true},
		"literal above it":      {checkFunctionLength, "var f = " + strings.Replace(function(71), "func f", "func", 1), true},
		"file at its limit":     {checkFileLength, strings.Repeat("\n", fileLinesMax-2), false},
		"file above it":         {checkFileLength, strings.Repeat("\n", fileLinesMax-1), true},
		"line at its limit":     {checkLineLength, "//" + strings.Repeat("é", lineCharsMax-2), false},
		"line above it":         {checkLineLength, "//" + strings.Repeat("é", lineCharsMax-1), true},
		"root at its limit":     {checkRootSize, strings.Repeat("\n", rootLinesMax-2), false},
		"root above it":         {checkRootSize, strings.Repeat("\n", rootLinesMax-1), true},
	} {
		tree, err := loadTree(fstest.MapFS{"a.go": {Data: []byte("package a\n\n" + tt.text)}})
		if err != nil {
			t.Fatal(err)
		}
		if found := tt.check(tree); (len(found) > 0) != tt.want {
			t.Errorf("%s: %v", name, found)
		}
	}
}

// TestTreeIsWhatGoBuilds: the tree read here and the packages that the go command sees are the same.
func TestTreeIsWhatGoBuilds(t *testing.T) {
	t.Parallel()
	tree, err := loadTree(os.DirFS(repository))
	if err != nil {
		t.Fatal(err)
	}
	list := exec.Command("go", "list", "-e", "-f", "{{.ImportPath}}", "./...")
	list.Dir = repository
	var stderr bytes.Buffer
	list.Stderr = &stderr
	output, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	listed := map[string]bool{}
	for _, importPath := range strings.Fields(string(output)) {
		dir, ours := room(importPath)
		listed[dir] = true
		if !ours || tree.Packages[dir] == nil {
			t.Errorf("go list names %s, which was not read", importPath)
		}
	}
	for dir := range tree.Packages {
		if !listed[dir] {
			t.Errorf("%s was read, but go list does not name it", dir)
		}
	}
}

// TestModelIsSound: a rule for a folder stands once, names no sibling of a sibling, and every home has a reason.
func TestModelIsSound(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range rooms {
		if seen[r.dir] {
			t.Errorf("two rules for %s", r.dir)
		}
		seen[r.dir] = true
		top, _, _ := strings.Cut(r.dir, "/")
		for _, other := range siblings {
			for _, may := range r.may {
				foreign := matchesAny(siblings, top) && other != top && (may == other || strings.HasPrefix(may, other+"/"))
				if foreign && r.dir != "cluster/witness" {
					t.Errorf("the plan lets %s import its sibling's %s", r.dir, may)
				}
			}
		}
	}
	reasons, err := os.ReadFile(filepath.Join(repository, "docs", "decisions", "0005-dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	used := usedLibraries(t)
	for _, lib := range libraries {
		if !used[lib.prefix] {
			t.Errorf("nothing imports %s: take its line out of the plan and the decision", lib.prefix)
		}
		if !strings.Contains(string(reasons), "`"+lib.prefix+"`") {
			t.Errorf("docs/decisions/0005-dependencies.md gives no reason for %s", lib.prefix)
		}
	}
}

func usedLibraries(t *testing.T) map[string]bool {
	t.Helper()
	tree, err := loadTree(os.DirFS(repository))
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	tree.files(func(_ *Package, f *File) {
		for _, i := range tree.imports(f) {
			if lib, known := libraryOf(i.Path); known {
				used[lib.prefix] = true
			}
		}
	})
	return used
}
