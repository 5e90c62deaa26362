package satellite

import (
	"crypto/sha256"
	"fmt"
	stdslices "slices"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// The kinds of refusals of a table, in the words of reports and metrics.
const (
	RefusedStranger = "stranger" // the socket is another user's: nothing was read
	RefusedDamaged  = "damaged"  // cut short, changed on its way, or sealed by nobody
	RefusedForeign  = "foreign"  // of another home or cluster
	RefusedOld      = "old"      // this edge has had a newer one
	RefusedForked   = "forked"   // two tables of one number
	RefusedUnfit    = "unfit"    // the home's own, but it cannot be served: a host claimed twice, more promised than there is
)

// runsKept bounds the runs of the home that are remembered as over.
const runsKept = 64

// refusal says why a table is not served.
type refusal struct {
	kind string
	err  error
}

// ends reports whether the link ends with it: who speaks has not shown to be the home.
func (r *refusal) ends() bool { return r.kind != RefusedOld && r.kind != RefusedUnfit }

// guard judges which tables an edge serves. It belongs to the one goroutine that reads the link.
type guard struct {
	cluster nexus.ID        // zero: that of the first table
	home    nexus.PublicKey // zero: that of the first table

	run           nexus.ID // of the table in force, zero before the first
	index, number uint64
	digest        [sha256.Size]byte
	over          []nexus.ID // runs before it, the newest last
}

// judge opens a table. It gives nil for a table to serve, and same for the one in force come again, as it does with each new link.
func (g *guard) judge(b []byte) (f tableFile, same bool, no *refusal) {
	refuse := func(kind string, code nexus.Code, subject, hint, format string, args ...any) (tableFile, bool, *refusal) {
		return tableFile{}, false, &refusal{kind, nexus.Errf("edge table", code, subject, hint, format, args...)}
	}
	f, err := openTable(b)
	if err != nil {
		return tableFile{}, false, &refusal{RefusedDamaged, err}
	}
	const another = "another process stands at the home's socket; if the node was set up anew, start this edge again"
	if !g.home.IsZero() && f.Home != g.home {
		return refuse(RefusedForeign, nexus.CodeConflict, "home "+f.Home.Short(), another, "this edge's home is %s", g.home.Short())
	}
	if !g.cluster.IsZero() && f.Cluster != g.cluster {
		return refuse(RefusedForeign, nexus.CodeConflict, "cluster "+f.Cluster.String(), another, "this edge is of cluster %s", g.cluster)
	}
	subject := fmt.Sprintf("table %d at index %d", f.Number, f.Index)
	const restored = "if the node was restored from a backup, start this edge again; else somebody repeats what the home once sent"
	switch {
	case stdslices.Contains(g.over, f.Run):
		return refuse(RefusedOld, nexus.CodeConflict, subject, restored, "of a run of the home that is over")
	case f.Index < g.index || f.Run == g.run && f.Number < g.number:
		return refuse(RefusedOld, nexus.CodeConflict, subject, restored, "this edge has had table %d at index %d", g.number, g.index)
	case f.Run == g.run && f.Number == g.number:
		if sha256.Sum256(b) != g.digest {
			return refuse(RefusedForked, nexus.CodeConflict, subject, "look at who has the node's key", "another of this number is in force")
		}
		return f, true, nil
	}
	return f, false, nil
}

// serves takes note of the table that is in force from now on.
func (g *guard) serves(f *tableFile, b []byte) {
	if f.Run != g.run && !g.run.IsZero() {
		g.over = append(g.over, g.run)
		g.over = g.over[max(0, len(g.over)-runsKept):]
	}
	g.cluster, g.home, g.run, g.index, g.number, g.digest = f.Cluster, f.Home, f.Run, f.Index, f.Number, sha256.Sum256(b)
}

// TableState is what an edge says of its tables.
type TableState struct {
	Index  uint64 `json:"index"`  // of the ledger, that the table in force was made at
	Number uint64 `json:"number"` // of that table among those of the home's run; 0: none is in force
	// Refused counts what was not served since the start of the process, by kind; nil: nothing.
	Refused map[string]uint64 `json:"refused,omitempty"`
	// Kind, Why and At are of the newest refusal; Standing until a table was taken after it.
	Kind     string    `json:"kind,omitempty"`
	Why      string    `json:"why,omitempty"`
	At       time.Time `json:"at,omitzero"`
	Standing bool      `json:"standing,omitempty"`
}

// Refusals is their number.
func (t *TableState) Refusals() (n uint64) {
	for _, k := range t.Refused {
		n += k
	}
	return n
}

// logEvery is the least time between two log lines of refusals of one kind: a process that repeats itself ten times a second fills no disk.
const logEvery = 10 * time.Second

// tables is what is told of tables. Safe for concurrent use.
type tables struct {
	mu     sync.Mutex
	state  TableState
	told   uint64               // refusals that the home has heard of
	logged map[string]time.Time // by kind
	wake   chan struct{}        // capacity 1: there is something to tell
}

// took notes the table in force. It asks for a report when there are refusals that the home has not heard of, as those of a link that has ended.
func (t *tables) took(g *guard) {
	t.mu.Lock()
	defer t.mu.Unlock()
	changed := t.state.Standing || t.told != t.state.Refusals()
	t.state.Index, t.state.Number, t.state.Standing = g.index, g.number, false
	if changed {
		t.ask()
	}
}

// refused notes a refusal, asks for a report, and says whether a line of the log is due.
func (t *tables) refused(no *refusal, now time.Time) (log bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state.Refused == nil {
		t.state.Refused, t.logged = map[string]uint64{}, map[string]time.Time{}
	}
	t.state.Refused[no.kind]++
	t.state.Kind, t.state.Why, t.state.At, t.state.Standing = no.kind, no.err.Error(), now.UTC(), true
	t.ask()
	if last, ok := t.logged[no.kind]; ok && now.Sub(last) < logEvery {
		return false
	}
	t.logged[no.kind] = now
	return true
}

func (t *tables) ask() {
	select {
	case t.wake <- struct{}{}:
	default: // asked already
	}
}

// now gives what is to be told.
func (t *tables) now() TableState {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.state
	out.Refused = make(map[string]uint64, len(t.state.Refused))
	for kind, n := range t.state.Refused {
		out.Refused[kind] = n
	}
	return out
}

// heard notes that the home has a state.
func (t *tables) heard(s *TableState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.told = max(t.told, s.Refusals())
}
