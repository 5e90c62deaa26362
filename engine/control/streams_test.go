package control

import (
	stdslices "slices"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// A key reports through the open sources that are bound to it, and through no others.
func TestReportsOf(t *testing.T) {
	t.Parallel()
	ours, other := nexus.PublicKey{1}, nexus.PublicKey{2}
	st := &state.State{Sources: map[string]*state.Source{"shop": {Name: "shop", Key: ours, Active: true}, "bar": {Name: "bar", Key: ours, Active: true},
		"closed": {Name: "closed", Key: ours}, "theirs": {Name: "theirs", Key: other, Active: true}}}
	if got := reportsOf(st, ours); !stdslices.Equal(got, []string{"bar", "shop"}) {
		t.Errorf("reports through %q", got)
	}
	if got := reportsOf(st, nexus.PublicKey{3}); got == nil || len(got) != 0 {
		t.Errorf("a key of no source reports through %v", got)
	}
}
