package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster/consensus"
	"github.com/BobbyBlanco400/nexus-cos/cluster/witness"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal/keys"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/badgerstore"
)

// Names under the data directory.
const (
	LedgerDir = "ledger" // Badger's files
	RaftDir   = "raft"   // replicated log, its meta files and the head file
)

// Config says what an engine runs on. All fields are required unless stated.
type Config struct {
	DataDir     string
	NodeName    string
	Cluster     nexus.ID
	Node        nexus.Signer // the node's key: signs evidence, checkpoints and the node's own actions
	Genesis     *GenesisAct  // the first command; used only when the ledger is empty
	Bus         *bus.Bus
	Logger      *slog.Logger
	Capacity    Capacity
	ReserveDisk int64            // bytes kept free; 0: the store's default
	Clock       func() time.Time // nil: time.Now
	Gates       *gates.Sets      // nil: those of gates/rules

	Witnesses   []witness.Target // outside parties that are asked to cosign; none of them the node's own key
	WitnessPace witness.Pace     // zero: the defaults

	// Log has sizes, thresholds and the Watch of the replicated log, for tests of faults; zero: the defaults. The Watch sees the
	// engine's own steps too. Dir, NodeID and Logger are set by Open.
	Log       consensus.Config
	SaveEvery int // commands after which the state is stored; 0: 4096
	// IndexSegment is how many entries one part of the index by unit covers; 0: 262,144.
	IndexSegment uint64
}

// GenesisAct is the signed first action.
type GenesisAct struct{ Action nexus.Action }

// Capacity is what this node offers, measured at start.
type Capacity struct {
	CPUMilli    int64
	MemoryBytes int64
	NetworkBps  int64 // of the gateway, bits per second
}

// Engine is the door. Do and every read are safe for concurrent use.
type Engine struct {
	cfg      Config
	sets     *gates.Sets
	store    ledger.Store
	files    *badgerstore.Store // the same, for what only files can tell
	head     *consensus.HeadFile
	compared atomic.Bool // what the head file said at the start fits what stands: it is written from then on
	group    *consensus.Group
	personal *keys.Store // keys of personal texts
	mint     *gates.Minter
	clock    func() time.Time

	// mu guards state: ApplyBatch holds it to write, readers to read, by rlock.
	mu      sync.RWMutex
	state   *state.State
	storing atomic.Pointer[storing] // the newest batch applied, stored or on its way; set under mu

	// Owned by ApplyBatch's goroutine.
	sinceSnapshot int    // commands
	sinceEntries  uint64 // ledger entries

	checkpoint    atomic.Pointer[signedHead]
	feeder        *witness.Feeder // nil without witnesses
	version       atomic.Uint64   // grows with each applied batch
	seen          state.Seen      // commands of this node on their way, with signatures checked
	refusals      refusalCounter
	floods        floodGuard
	replaying     sync.Mutex // one replay of the log at a time
	recent        *recentDecisions
	refused       chan struct{} // capacity 1
	days          moneyDays
	units         unitIndex
	statementLock sync.Mutex // one statement is checked at a time
	exitBook      exitBook
	opened        time.Time
	closed        atomic.Bool
	stopRun       context.CancelFunc
	running       sync.WaitGroup
}

type signedHead struct {
	cp   ledger.Checkpoint
	text string
	at   time.Time

	cosigners int // whose lines text has beside the node's; 0 in what the engine itself keeps

	units *ledger.UnitMap // what cp.Units is the root of
}

// Open opens or founds the ledger in cfg.DataDir and starts consensus. It returns when the state stands at the last
// acknowledged command. Errors: CodeCorrupt names the file or record; CodeConflict when another process holds the
// directory; CodeUnfit when the data was written by a newer version.
func Open(cfg Config) (*Engine, error) {
	sets := cfg.Gates
	if sets == nil {
		var err error
		if sets, err = rules.Sets(); err != nil {
			return nil, err
		}
	}
	if cfg.SaveEvery == 0 {
		cfg.SaveEvery = snapshotEvery
	}
	e := &Engine{cfg: cfg, sets: sets, clock: cfg.Clock, recent: newRecentDecisions(), refused: make(chan struct{}, 1)}
	if e.clock == nil {
		e.clock = time.Now
	}
	e.opened = e.clock()
	if err := refuseUnfinished(cfg.DataDir); err != nil {
		return nil, err
	}
	for _, d := range []string{LedgerDir, RaftDir} {
		if err := os.MkdirAll(filepath.Join(cfg.DataDir, d), 0o700); err != nil {
			return nil, fmt.Errorf("open engine: %w", err)
		}
	}
	if err := e.open(); err != nil {
		return nil, errors.Join(err, e.release())
	}
	if err := e.openFeeder(); err != nil {
		return nil, errors.Join(err, e.release())
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.stopRun = cancel
	if e.feeder != nil {
		e.running.Go(func() { _ = e.feeder.Run(ctx) }) // always nil
	}
	e.running.Go(func() { e.rollupLoop(ctx) })
	e.running.Go(func() { e.sweepLoop(ctx) })
	return e, nil
}

func (e *Engine) open() (err error) {
	if e.files, err = badgerstore.Open(filepath.Join(e.cfg.DataDir, LedgerDir), badgerstore.Options{
		Logger: e.cfg.Logger, ReserveBytes: e.cfg.ReserveDisk}); err != nil {
		return err
	}
	e.store = e.files
	if got, want := e.store.MaxBatchBytes()*9/10, state.MaxRecordBytes; got < want {
		return nexus.Errf("open engine", nexus.CodeInternal, "store", "", "takes %d bytes at once, a batch may need %d", got, want)
	}
	if e.head, err = consensus.OpenHead(consensus.HeadPath(filepath.Join(e.cfg.DataDir, RaftDir))); err != nil {
		return err
	}
	if err = e.loadState(); err != nil {
		return err
	}
	e.mint = gates.NewMinter(e.NodeID(), e.committedDecision)
	e.head.Watch(e.cfg.Log.Watch)
	log := e.cfg.Log
	log.Dir, log.NodeID, log.Logger = filepath.Join(e.cfg.DataDir, RaftDir), e.NodeID(), e.cfg.Logger
	if e.group, err = consensus.Open(log, e); err != nil {
		return err
	}
	if err = e.checkHead(); err != nil {
		return err
	}
	e.compared.Store(true)
	if err = e.openPersonal(); err != nil {
		return err
	}
	if e.state.Cluster.IsZero() {
		if _, founded, err := readFounded(e.cfg.DataDir); err != nil || founded {
			return errors.Join(err, nexus.Errf("open engine", nexus.CodeCorrupt, "ledger in "+e.cfg.DataDir,
				"restore it: nexus ledger restore; a new cluster needs another directory", "it is empty, though this cluster was founded"))
		}
		if err := e.found(); err != nil {
			return err
		}
		return markFounded(e.cfg.DataDir, e.cfg.Cluster)
	}
	if err = e.lastDecisions(wire.DecisionRowsMax); err != nil {
		return err
	}
	if e.state.Cluster != e.cfg.Cluster {
		return nexus.Errf("open engine", nexus.CodeCorrupt, "cluster "+e.state.Cluster.String(), "restore the genesis file that belongs to this ledger",
			"genesis file says %s", e.cfg.Cluster)
	}
	if err = markFounded(e.cfg.DataDir, e.cfg.Cluster); err != nil {
		return err
	}
	if err = e.openIndex(); err != nil {
		return err
	}
	return e.signHead()
}

// NodeID names this node to consensus and permits: the short hash of its key.
func (e *Engine) NodeID() string { return e.cfg.Node.Public().Short() }

// Minter mints permits over this engine's committed decisions.
func (e *Engine) Minter() *gates.Minter { return e.mint }

// found applies the genesis action as the first command.
func (e *Engine) found() error {
	if e.cfg.Genesis == nil {
		return nexus.Errf("open engine", nexus.CodeCorrupt, "ledger in "+e.cfg.DataDir, "restore it from a backup",
			"the genesis file exists but the ledger is empty")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := e.propose(ctx, e.cfg.Genesis.Action, e.cfg.Genesis.Action.Digest(), false); err != nil {
		return err
	}
	if err := e.openIndex(); err != nil {
		return err
	}
	if err := e.raiseRules(ctx); err != nil {
		return err
	}
	return e.switchGates(ctx)
}

// Failed is closed when the log store or the machine has stopped for good.
func (e *Engine) Failed() <-chan error { return e.group.Failed() }

// Status is consensus' own picture.
func (e *Engine) Status() consensus.Status { return e.group.Status() }

// Close stops consensus, stores the state as it stands and closes the files. Nothing is lost when it is not reached.
func (e *Engine) Close() error {
	if e.closed.Swap(true) {
		return nil
	}
	if e.stopRun != nil {
		e.stopRun()
		e.running.Wait()
	}
	var errs []error
	if e.group != nil {
		e.flushRefusals()
		errs = append(errs, e.group.Close())
		// What a machine that hangs applies or stores still is not saved, here or in saveState: the log tells it all again.
		e.settle(cmp.Or(e.cfg.Log.LogStoreTimeout, consensus.DefaultLogStoreTimeout))
		if e.mu.TryLock() {
			if e.state != nil && e.state.Index > 0 {
				if err := e.saveState(); nexus.CodeOf(err) != nexus.CodeUnavailable { // a full disk: the log tells it all again
					errs = append(errs, err)
				}
				errs = append(errs, e.store.Sync())
			}
			e.mu.Unlock()
		}
	}
	return errors.Join(append(errs, e.release())...)
}

// release closes whatever open has opened.
func (e *Engine) release() error {
	var errs []error
	if e.group != nil && !e.closed.Load() {
		errs = append(errs, e.group.Close())
	}
	if e.personal != nil {
		e.personal.Close()
	}
	if e.head != nil {
		errs = append(errs, e.head.Close())
	}
	if e.store != nil {
		errs = append(errs, e.store.Close())
	}
	return errors.Join(errs...)
}
