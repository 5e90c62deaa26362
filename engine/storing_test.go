package engine_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster/consensus"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// gatekeeper holds the writing to the store while it is shut.
type gatekeeper struct {
	mu      sync.Mutex
	shut    chan struct{} // nil: open
	applied chan struct{} // a value for each batch that is about to be applied while it is shut
}

func (g *gatekeeper) watch(op consensus.Op) error {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut != nil && op.Step == engine.StepApply {
		g.applied <- struct{}{}
	}
	if shut != nil && op.Step == engine.StepCommit {
		<-shut
	}
	return nil
}

func (g *gatekeeper) close() (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	shut := make(chan struct{})
	g.shut = shut
	return func() {
		g.mu.Lock()
		g.shut = nil
		g.mu.Unlock()
		close(shut)
	}
}

func (r *rig) sale(unit nexus.ID, id string, minor int64) nexus.Action {
	r.t.Helper()
	post := state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{{Unit: unit, EventID: id, Kind: "sale", Currency: "USD",
		Minor: minor, TimeMs: 1}}}
	a, err := engine.NewAction(r.operator(), r.gen.Cluster, state.KindRevenuePost, nexus.ID{}, post, time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// While one batch is being stored the next is applied on top of it, and sees its event ids and action ids; nobody is answered and no reader
// sees either before it is durable.
func TestAppliedWhileTheLastIsStored(t *testing.T) {
	t.Parallel()
	gate := &gatekeeper{applied: make(chan struct{}, 100)}
	r := newRigWith(t, time.Now, func(c *engine.Config) { c.Log.Watch = gate.watch })
	unit := r.create("First", "owner", testKey(1).Public())
	open := gate.close()
	first, again, other := r.sale(unit, "a", 100), r.sale(unit, "a", 100), r.sale(unit, "a", 7)
	type answer struct {
		rec nexus.Receipt
		err error
	}
	send := func(a nexus.Action) chan answer {
		out := make(chan answer, 1)
		go func() {
			rec, err := r.eng.Do(context.Background(), a)
			out <- answer{rec, err}
		}()
		return out
	}
	one := send(first)
	<-gate.applied
	two := send(again)
	<-gate.applied // on top of the first, which is not stored
	three, four := send(other), send(first)
	seen := make(chan uint64, 1)
	go func() { r.eng.View(func(s *state.State) { seen <- s.Counters.Events }) }()
	select {
	case a := <-one:
		t.Errorf("answered before it was stored: %+v", a)
	case a := <-two:
		t.Errorf("answered before it was stored: %+v", a)
	case n := <-seen:
		t.Errorf("a reader saw %d events before they were stored", n)
		seen <- n
	case <-time.After(200 * time.Millisecond):
	}
	open()
	a, b, c, d := <-one, <-two, <-three, <-four
	if a.err != nil || b.err != nil || nexus.CodeOf(c.err) != nexus.CodeRefused {
		t.Errorf("first %v, the same event again %v, its id with another amount %v", a.err, b.err, c.err)
	}
	if d.err != nil || d.rec.Index != a.rec.Index {
		t.Errorf("the first action again: %v, index %d, want %d", d.err, d.rec.Index, a.rec.Index)
	}
	if n := <-seen; n != 1 {
		t.Errorf("a reader saw %d events", n)
	}
	r.close()
	r.open()
	r.eng.View(func(s *state.State) {
		if s.Counters.Events != 1 {
			t.Errorf("%d events stand", s.Counters.Events)
		}
	})
}

// What is stored is shown: its events come to the bus, and whoever compares versions looks again.
func TestWhatIsStoredIsShown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	unit := r.create("First", "owner", testKey(1).Public())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	sub, err := r.bus.Subscribe(ctx, bus.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	before := r.eng.Version()
	rec, err := r.eng.Do(ctx, r.sale(unit, "a", 100))
	if err != nil {
		t.Fatal(err)
	}
	if r.eng.Version() == before {
		t.Error("the version is that of before")
	}
	for shown := false; !shown; {
		d, err := sub.Next(ctx)
		if err != nil {
			t.Fatalf("decision %d never came to the bus: %v", rec.Index, err)
		}
		shown = d.Event.Index == rec.Index
	}
}

// A batch that cannot be stored is answered to nobody as done, and what is shown stays what was stored.
func TestWhatIsNotStoredIsNotAnswered(t *testing.T) {
	t.Parallel()
	var armed atomic.Bool
	r := newRigWith(t, time.Now, func(c *engine.Config) {
		c.Log.Watch = func(op consensus.Op) error {
			if armed.Load() && op.Step == engine.StepCommit {
				return errors.New("the store is gone")
			}
			return nil
		}
	})
	unit := r.create("First", "owner", testKey(1).Public())
	cp, _, _ := r.eng.Head()
	size := r.eng.Store().Size()
	armed.Store(true)
	rec, err := r.eng.Do(context.Background(), r.sale(unit, "a", 100))
	if err == nil || rec.Allowed {
		t.Errorf("answered as done: %+v, %v", rec, err)
	}
	if now, _, _ := r.eng.Head(); now != cp || r.eng.Store().Size() != size {
		t.Errorf("a checkpoint of %d entries, the store has %d of %d", now.Size, r.eng.Store().Size(), size)
	}
	if _, err := r.eng.Do(context.Background(), r.sale(unit, "b", 100)); err == nil {
		t.Error("the machine went on over a batch that was not stored")
	}
}

// A store that hangs holds up the end of the engine no longer than the log's limit, and no state is saved over it: the log tells it all again.
func TestClosedWhileTheStoreHangs(t *testing.T) {
	t.Parallel()
	gate := &gatekeeper{applied: make(chan struct{}, 100)}
	r := newRigWith(t, time.Now, func(c *engine.Config) { c.Log.Watch, c.Log.LogStoreTimeout = gate.watch, 3*time.Second })
	unit := r.create("First", "owner", testKey(1).Public())
	open := gate.close()
	answered, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := r.eng.Do(context.Background(), r.sale(unit, "a", 100))
		answered <- err
	}()
	<-gate.applied
	go func() { closed <- r.eng.Close() }()
	select {
	case err := <-closed:
		if err != nil && nexus.CodeOf(err) != nexus.CodeUnavailable {
			t.Errorf("closed: %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits for ever")
	}
	open()
	if err := <-answered; err == nil {
		t.Error("answered as done by an engine that had ended")
	}
	r.open()
	r.eng.View(func(s *state.State) {
		if s.Counters.Events != 1 {
			t.Errorf("%d events stand, one is in the log", s.Counters.Events)
		}
	})
}
