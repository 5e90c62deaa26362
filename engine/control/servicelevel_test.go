package control

import (
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// A slice's record holds what is not posted at the moment of its row; a unit that the state does not know has none.
func TestARecordHasWhatIsNotPosted(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	waits := wire.MinuteCounts{Kept: 3, Broken: 1, Void: 2}
	if got := c.server.recordOf(&wire.SliceRow{Unit: c.unit.String(), MinutesSincePost: waits}); got == nil || got.SincePost != waits || len(got.Months) != 0 {
		t.Errorf("%+v", got)
	}
	if got := c.server.recordOf(&wire.SliceRow{Unit: nexus.ID{77}.String(), MinutesSincePost: waits}); got != nil {
		t.Errorf("of no unit: %+v", got)
	}
}
