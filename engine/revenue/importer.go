package revenue

import (
	"context"
	"crypto/sha256"
	"io"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// Limits of a batch: the state machine takes 4,096 events and 512 KiB; smaller ones keep the progress moving and the
// loss of an interruption small.
const (
	BatchEvents = 1000
	BatchBytes  = 384 << 10 // of the encoded events
)

// Node is what an import needs of a node; the client of engine/control satisfies it. Errors are the node's own:
// CodeRefused by a gate, CodeNoNode when it is gone.
type Node interface {
	// Units lists every unit, probes too.
	Units(ctx context.Context) ([]wire.UnitRow, error)
	// Unit finds one by id, label or slug; CodeNotFound.
	Unit(ctx context.Context, word string) (wire.UnitRow, error)
	// Do applies a signed action. The same action again is answered from the ledger.
	Do(ctx context.Context, a nexus.Action) (nexus.Receipt, error)
	// Try asks the 17 gates without any effect.
	Try(ctx context.Context, a nexus.Action) ([]wire.Verdict, error)
}

// Config says what to import and how. File must give the same bytes each time it is opened.
type Config struct {
	Node    Node
	Signer  nexus.Signer
	Cluster nexus.ID
	Source  string // revenue source whose key signs; "" is the operator's own
	Open    func() (io.ReadCloser, error)
	Options Options

	CreateMissing bool
	CreateAs      nexus.UnitKind // KindIMVU or KindPlatform
	Owner         string         // of created units; "" is the platform's custodial identity
	// OwnerKey is asked for the key of an owner the cluster does not know; nil: the owner must exist.
	OwnerKey func(name string) (nexus.PublicKey, error)
	Continue bool // post the good lines although there are bad ones

	Bad      func(*LineError) // each bad line, at most MaxBadLines of them; may be nil
	Progress func(Progress)   // may be nil
	Now      func() time.Time // may be nil
}

// MaxBadLines bounds how many bad lines are reported one by one; all are counted.
const MaxBadLines = 1000

// Stages of an import.
const (
	StageCheck  = "check"
	StageCreate = "create"
	StagePost   = "post"
)

// Progress is how far a stage is. Total is 0 while it is not known.
type Progress struct {
	Stage string
	Done  int
	Total int
}

// Result is what an import came to; after an error, how far it came.
type Result struct {
	Lines       int      `json:"lines"`        // events read
	BadLines    int      `json:"bad_lines"`    // refused by form or by the ledger
	UnitsMade   int      `json:"units_made"`   // created now
	Posted      uint64   `json:"posted"`       // events posted now
	Duplicates  uint64   `json:"duplicates"`   // events the ledger had already
	Batches     int      `json:"batches"`      // sent now
	FirstErrors []string `json:"first_errors"` // the first bad lines, as reported
}

// Import checks the whole file, then creates the missing units, then posts. When a line is bad and Continue is not set it
// posts nothing and the error is CodeMalformed, or CodeRefused when a gate refused the line. With Continue the good lines
// are posted and that same error is returned afterwards.
//
// A crash of either side leaves whole batches: the same call again completes the import.
func Import(ctx context.Context, c Config) (Result, error) {
	im := &importer{c: c, units: map[string]target{}, made: map[string]nexus.ID{}}
	if im.c.Now == nil {
		im.c.Now = time.Now
	}
	if im.c.Source == "" {
		im.c.Source = state.OperatorSource
	}
	if err := im.loadUnits(ctx); err != nil {
		return im.res, err
	}
	if err := im.check(ctx); err != nil {
		return im.res, err
	}
	bad := im.badLines()
	if bad != nil && !c.Continue {
		return im.res, bad
	}
	if err := im.create(ctx); err != nil {
		return im.res, err
	}
	if err := im.post(ctx); err != nil {
		return im.res, err
	}
	return im.res, bad
}

// importer is one import under way. It is used by one goroutine.
type importer struct {
	c       Config
	res     Result
	refused bool // a gate refused a line

	byName  map[string][]wire.UnitRow
	byWord  map[string]wire.UnitRow // id and label
	units   map[string]target       // by the word in the file
	missing []string                // words to create, in order of the file
	made    map[string]nexus.ID     // created now, by word

	seen    map[[16]byte][8]byte // (unit word, event id) -> digest of the content
	left    map[[16]byte]int64   // what is left of a sale of a unit that is yet to be made
	sales   map[[16]byte]bool    // sales that the file refunds, in it or before it
	skip    map[int]bool         // bad lines
	digests [][sha256.Size]byte  // of each batch of good events, to notice a file that changes
}

// target is what a unit word of the file means.
type target struct {
	id      nexus.ID
	create  bool
	problem error // the word cannot be used; every line with it is bad
}

func (im *importer) progress(stage string, done, total int) {
	if im.c.Progress != nil {
		im.c.Progress(Progress{stage, done, total})
	}
}

// bad counts and reports a bad line.
func (im *importer) bad(e *LineError) error {
	if im.skip[e.Line] {
		return nil
	}
	im.skip[e.Line] = true
	im.res.BadLines++
	im.refused = im.refused || nexus.CodeOf(e.Err) == nexus.CodeRefused
	if im.res.BadLines <= 10 {
		im.res.FirstErrors = append(im.res.FirstErrors, e.Error())
	}
	if im.c.Bad != nil && im.res.BadLines <= MaxBadLines {
		im.c.Bad(e)
	}
	return nil
}

// badLines is the error for the bad lines found; nil when there are none.
func (im *importer) badLines() error {
	if im.res.BadLines == 0 {
		return nil
	}
	code, hint := nexus.CodeMalformed, "mend them, or post the others with --continue"
	if im.refused {
		code = nexus.CodeRefused
	}
	what := "nothing was posted"
	if im.c.Continue {
		what, hint = "they were left out", "mend them and import the file again: what is posted counts once"
	}
	return nexus.Errf("revenue import", code, plural(im.res.BadLines, "bad line"), hint, "%s", what)
}

// each streams the good events in batches. A batch never mixes what the check pass saw in two.
func (im *importer) each(fn func(batch []Event) error) error {
	f, err := im.c.Open()
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var batch []Event
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := fn(batch)
		batch, size = batch[:0], 0
		return err
	}
	err = Read(f, im.c.Options, func(e Event) error {
		if im.skip[e.Line] {
			return nil
		}
		n := 96 + len(e.ID) + len(e.Kind) + len(e.Memo) + len(e.RefundOf)
		if len(batch) == BatchEvents || size+n > BatchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		batch, size = append(batch, e), size+n
		return nil
	}, func(*LineError) error { return nil })
	if err != nil {
		return err
	}
	return flush()
}

func digestOf(batch []Event) [sha256.Size]byte {
	h := sha256.New()
	for i := range batch {
		e := &batch[i]
		h.Write(nexus.Encode(struct {
			Line                     int
			ID, Unit, Kind, Currency string
			Minor, TimeMs            int64
			Memo                     []byte
			RefundOf                 string
		}{e.Line, e.ID, e.Unit, e.Kind, e.Currency, e.Minor, e.TimeMs, e.Memo, e.RefundOf}))
	}
	return [sha256.Size]byte(h.Sum(nil))
}
