package tui

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

func digest(t *testing.T, o *wire.Overview) [32]byte {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(b)
}

// The sessions of a node share what their pictures point at: whatever keys are pressed, in whatever view, a console reads it and changes
// nothing. The race detector sees a write that is undone.
func TestConsolesLeaveASharedPictureAlone(t *testing.T) {
	t.Parallel()
	shared := []*wire.Overview{tuitest.Overview(), tuitest.Overview()}
	shared[1].Seq++
	shared[1].Units, shared[1].Tallies, shared[1].Decisions = shared[0].Units, shared[0].Tallies, shared[0].Decisions // as what did not change is
	before := [][32]byte{digest(t, shared[0]), digest(t, shared[1])}
	var group sync.WaitGroup
	pressed := make([]int, 4)
	for i, size := range [][2]int{{80, 24}, {160, 48}, {100, 30}, {80, 24}} {
		d := drive(t, theme.Options{Color: theme.Color(i % 3), ASCII: i == 2}, size[0], size[1], nil)
		group.Go(func() {
			for view := range keymap.ViewCount {
				for _, b := range d.keys.List(view) {
					own := *shared[pressed[i]%2] // each session has the Overview itself, with its own identity
					own.Identity.Name = fmt.Sprintf("session-%d", i)
					d.show1(&own)
					d.goTo(view)
					d.press(b.Keys[0], "a", "down", "enter")
					_ = d.View()
					d.press("esc", "esc", "esc")
					pressed[i]++
				}
			}
		})
	}
	group.Wait()
	for i, n := range pressed {
		if n < 100 {
			t.Errorf("console %d pressed %d keys", i, n)
		}
	}
	for i, o := range shared {
		if digest(t, o) != before[i] {
			t.Errorf("picture %d was changed", i)
		}
	}
}
