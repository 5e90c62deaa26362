package gates_test

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
)

// committed is a log of decisions: an allowed one at 1, a refused one at 2, another allowed one at 3.
func committed(t testing.TB) map[uint64]gates.Decision {
	t.Helper()
	c := ruleChain(t)
	log := map[uint64]gates.Decision{
		1: decideSample(c, rules.All()[0].Good(), 1),
		2: decideSample(c, rules.All()[0].Bad(), 2),
		3: decideSample(c, rules.All()[0].Good(), 3),
	}
	d := log[3]
	d.Digest = nexus.Hash{3}
	log[3] = d
	return log
}

func minter(t testing.TB, node string, log map[uint64]gates.Decision) *gates.Minter {
	t.Helper()
	return gates.NewMinter(node, func(index uint64) (gates.Decision, bool) { d, ok := log[index]; return d, ok })
}

func mint(t *testing.T, m *gates.Minter, index uint64, resource string, generation uint64) gates.Permit {
	t.Helper()
	p, err := m.Mint(index, resource, generation)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wantCode(t *testing.T, what string, err error, code nexus.Code, word string) {
	t.Helper()
	if nexus.CodeOf(err) != code || !strings.Contains(err.Error(), word) {
		t.Errorf("%s: got %v, want %s with %q", what, err, code, word)
	}
}

func TestPermitIsUsedOnce(t *testing.T) {
	t.Parallel()
	m := minter(t, "node-1", committed(t))
	p := mint(t, m, 1, "slice/a", 4)
	if p.Index() != 1 || p.Digest() != (nexus.Hash{2}) || p.Node() != "node-1" || p.Resource() != "slice/a" ||
		p.Generation() != 4 {
		t.Errorf("permit says %d %s %s %s %d", p.Index(), p.Digest(), p.Node(), p.Resource(), p.Generation())
	}
	copied := p
	for range 2 { // checking does not use it up
		if err := p.Check("node-1", "slice/a", p.Digest()); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Use(p, "slice/a", p.Digest()); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "again", m.Use(p, "slice/a", p.Digest()), nexus.CodeRefused, "used before")
	wantCode(t, "its copy", copied.Use("node-1", "slice/a", p.Digest()), nexus.CodeRefused, "used before")
	wantCode(t, "check after use", p.Check("node-1", "slice/a", p.Digest()), nexus.CodeRefused, "used before")
	// The reconciler asks again after a restart or a repair, for the same generation.
	if err := mint(t, m, 1, "slice/a", 4).Use("node-1", "slice/a", p.Digest()); err != nil {
		t.Error(err)
	}
}

func TestPermitIsBound(t *testing.T) {
	t.Parallel()
	log := committed(t)
	m, other := minter(t, "node-1", log), minter(t, "node-1", log)
	elsewhere := minter(t, "node-2", log)
	p := mint(t, m, 1, "slice/a", 1)
	digest := p.Digest()
	var zero gates.Permit
	if !zero.IsZero() || p.IsZero() {
		t.Error("IsZero")
	}
	wantCode(t, "zero", m.Use(zero, "slice/a", digest), nexus.CodeRefused, "zero permit")
	wantCode(t, "zero by itself", zero.Use("", "", nexus.Hash{}), nexus.CodeRefused, "zero permit")
	wantCode(t, "zero check", zero.Check("", "", nexus.Hash{}), nexus.CodeRefused, "zero permit")
	wantCode(t, "resource", m.Use(p, "slice/b", digest), nexus.CodeRefused, "foreign")
	wantCode(t, "action", m.Use(p, "slice/a", nexus.Hash{9}), nexus.CodeRefused, "foreign")
	wantCode(t, "minter", other.Use(p, "slice/a", digest), nexus.CodeRefused, "foreign minter")
	wantCode(t, "node", elsewhere.Use(p, "slice/a", digest), nexus.CodeRefused, "foreign")
	wantCode(t, "node of a fabric", p.Use("node-2", "slice/a", digest), nexus.CodeRefused, "foreign")
	if err := m.Use(p, "slice/a", digest); err != nil {
		t.Errorf("refusals used the permit up: %v", err)
	}
}

func TestMintNeedsACommittedAllow(t *testing.T) {
	t.Parallel()
	log := committed(t)
	for i, change := range []func(*gates.Decision){
		func(d *gates.Decision) { d.Index = 8 },
		func(d *gates.Decision) { d.Verdicts = d.Verdicts[:16] },
		func(d *gates.Decision) {
			d.Verdicts = append([]gates.Verdict(nil), d.Verdicts...)
			d.Verdicts[0].Gate = 2
		},
		func(d *gates.Decision) { d.Allow = false },
	} {
		d := log[1]
		d.Index = uint64(10 + i)
		change(&d)
		log[uint64(10+i)] = d
	}
	forged := log[2]
	forged.Allow, forged.Index = true, 20
	log[20] = forged
	m := minter(t, "node-1", log)
	for _, x := range []struct {
		index uint64
		code  nexus.Code
		word  string
	}{
		{2, nexus.CodeRefused, "gate 1 refused"},
		{7, nexus.CodeNotFound, "no committed decision"},
		{10, nexus.CodeCorrupt, "says 8"},
		{11, nexus.CodeCorrupt, "16 verdicts"},
		{12, nexus.CodeCorrupt, "of gate 2"},
		{13, nexus.CodeCorrupt, "its verdicts say true"},
		{20, nexus.CodeCorrupt, "its verdicts say false"},
	} {
		p, err := m.Mint(x.index, "slice/a", 1)
		wantCode(t, "mint", err, x.code, x.word)
		if !p.IsZero() {
			t.Errorf("decision %d gave a permit", x.index)
		}
	}
	_, err := m.Mint(1, "", 1)
	wantCode(t, "no resource", err, nexus.CodeUsage, "resource")
	_, err = minter(t, "", log).Mint(1, "slice/a", 1)
	wantCode(t, "no node", err, nexus.CodeUsage, "node")
}

func TestNewerGenerationSupersedes(t *testing.T) {
	t.Parallel()
	m := minter(t, "node-1", committed(t))
	old, unrelated := mint(t, m, 1, "slice/a", 1), mint(t, m, 1, "slice/b", 1)
	newer := mint(t, m, 3, "slice/a", 2)
	wantCode(t, "old", m.Use(old, "slice/a", old.Digest()), nexus.CodeConflict, "superseded by generation 2")
	_, err := m.Mint(1, "slice/a", 1)
	wantCode(t, "mint old", err, nexus.CodeConflict, "superseded by 2")
	for _, p := range []gates.Permit{newer, unrelated} {
		if err := m.Use(p, p.Resource(), p.Digest()); err != nil {
			t.Error(err)
		}
	}
	_, err = m.Mint(1, "slice/a", 1)
	wantCode(t, "mint old after use", err, nexus.CodeConflict, "superseded by 2")
}

// TestPermitsUnderConcurrency: of many uses of one permit exactly one succeeds, whatever else is minted meanwhile.
func TestPermitsUnderConcurrency(t *testing.T) {
	t.Parallel()
	m := minter(t, "node-1", committed(t))
	for range 50 {
		p := mint(t, m, 1, "slice/a", 1)
		var used atomic.Int32
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if m.Use(p, "slice/a", p.Digest()) == nil {
					used.Add(1)
				}
				if _, err := m.Mint(1, "slice/"+string(rune('b'+i)), 1); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := used.Load(); n != 1 {
			t.Fatalf("used %d times", n)
		}
	}
}

// TestPermitIsNotWrittenOutside type-checks programs of another package: the only permit that one can write is the zero
// one, and the fields that make it good are out of reach.
func TestPermitIsNotWrittenOutside(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "source", nil)
	check := func(body string) error {
		src := "package p\nimport \"github.com/BobbyBlanco400/nexus-cos/gates\"\n" + body
		file, err := parser.ParseFile(fset, "p.go", src, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = (&types.Config{Importer: imports}).Check("p", fset, []*ast.File{file}, nil)
		return err
	}
	for _, body := range []string{
		"var P = gates.Permit{}",
		"func f(m *gates.Minter) (gates.Permit, error) { return m.Mint(1, \"a\", 1) }",
	} {
		if err := check(body); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
	}
	for body, word := range map[string]string{
		"var P = gates.Permit{index: 1}":                                  "unexported field",
		"var P = gates.Permit{nil, 1, 1, [32]byte{}, \"n\", \"r\", 1}":    "unexported field",
		"func f(p *gates.Permit) { p.serial = 2 }":                        "undefined",
		"func f(p gates.Permit, m *gates.Minter) { p.minter = m }":        "undefined",
		"var M = gates.Minter{limit: 1}":                                  "unexported field",
		"type mine struct{ index uint64 }; var P = gates.Permit(mine{1})": "cannot convert",
		"func f(m *gates.Minter) gates.Permit { return m.permit(1) }":     "undefined",
		"func f(m *gates.Minter) { m.records = nil }":                     "undefined",
	} {
		if err := check(body); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: got %v, want an error with %q", body, err, word)
		}
	}
}
