package gates

import (
	"fmt"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// TestMinterMemoryIsBounded: past the limit the resource minted for longest ago is forgotten, and its permit with it.
func TestMinterMemoryIsBounded(t *testing.T) {
	t.Parallel()
	d := Decision{Index: 1, Digest: nexus.Hash{1}, Allow: true}
	for i := range Count {
		d.Verdicts = append(d.Verdicts, Verdict{Gate: uint8(i + 1), Allow: true})
	}
	m := NewMinter("node-1", func(uint64) (Decision, bool) { return d, true })
	m.limit = 3
	var permits []Permit
	for i := range 5 {
		p, err := m.Mint(1, fmt.Sprintf("slice/%d", i), 1)
		if err != nil {
			t.Fatal(err)
		}
		permits = append(permits, p)
		if len(m.records) > 3 || m.order.Len() != len(m.records) {
			t.Fatalf("%d records, %d in order", len(m.records), m.order.Len())
		}
	}
	for i, p := range permits {
		err := m.Use(p, p.Resource(), d.Digest)
		if forgotten := i < 2; (nexus.CodeOf(err) == nexus.CodeConflict) != forgotten || (err == nil) == forgotten {
			t.Errorf("permit %d: %v", i, err)
		}
	}
	if MaxResources != NewMinter("n", nil).limit {
		t.Error("the limit is not the stated one")
	}
}
