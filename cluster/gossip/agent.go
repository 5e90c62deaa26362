package gossip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/serf/serf"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster"
)

// Agent is this node's membership. Safe for concurrent use.
type Agent struct {
	cfg  Config
	name string
	serf *serf.Serf
	wire *wire
	keys keyState

	raw         chan serf.Event // from Serf; drained by the pump goroutine at all times
	pump        chan serf.Event // bounded hand-over to the reducer
	events      chan cluster.MemberEvent
	checkpoints chan cluster.Checkpoint
	conflicts   chan conflict
	view        atomic.Pointer[cluster.View]
	dropped     atomic.Uint64

	pumpDone chan struct{} // closed when the pump goroutine has returned
	stop     chan struct{} // closed by Shutdown
	stopOne  sync.Once
	stopErr  error

	// Owned by the reducer goroutine.
	version  uint64
	known    map[string]cluster.Node
	pings    map[string]pinged
	reported map[string]time.Time // conflicts already told, by text
}

type pinged struct {
	rtt time.Duration
	at  time.Time
}

// Start binds the sockets, starts Serf and joins through the seeds. It fails when no seed answers (code no_node) or
// the address is taken; nothing is left running then. Events and View move once Run does.
func Start(cfg Config) (*Agent, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	a := &Agent{cfg: cfg, name: cluster.NodeName(cfg.Key), raw: make(chan serf.Event, 64),
		pump: make(chan serf.Event, serfQueue), events: make(chan cluster.MemberEvent, cfg.EventBuffer),
		checkpoints: make(chan cluster.Checkpoint, 64), conflicts: make(chan conflict, 64),
		pumpDone: make(chan struct{}), stop: make(chan struct{}), keys: keyState{record: cfg.Record, apiAddr: cfg.APIAddr},
		known: map[string]cluster.Node{}, pings: map[string]pinged{},
		reported: map[string]time.Time{}}
	empty := cluster.NewView(0, nil, nil)
	a.view.Store(&empty)
	if err := a.openKeys(); err != nil {
		return nil, err
	}
	serve := a.serveHandover
	if !a.keeper() {
		serve = nil
	}
	sc, w, err := a.cfg.serfConfig(serve)
	if err != nil {
		return nil, err
	}
	a.wire = w
	sc.EventCh, sc.Merge, sc.MemberlistConfig.Keyring, sc.Tags = a.raw, mergeWatcher{agent: a}, a.keys.used, a.tags()
	go a.runPump()
	s, err := serf.Create(sc)
	if err != nil {
		_ = w.Shutdown() // as the library did, if it came so far
		close(a.stop)
		<-a.pumpDone
		return nil, addressErr(cfg.BindAddr, err)
	}
	a.serf = s
	a.rebuild()
	if err := a.firstJoin(); err != nil {
		return nil, errors.Join(err, a.Shutdown())
	}
	return a, nil
}

// Join contacts the seeds and returns how many answered. Membership spreads from one, but joining through several
// repairs lost announcements sooner.
func (a *Agent) Join(seeds []string) (int, error) {
	n, err := a.serf.Join(seeds, true)
	if n > 0 {
		return n, nil
	}
	return 0, &nexus.Error{Op: "join", Code: nexus.CodeNoNode, Subject: fmt.Sprintf("seeds %v", seeds), Cause: err,
		Hint: "check that a seed runs and that the token is of this cluster and not outdated"}
}

// runPump takes events from Serf the moment they come. What the bounded queue does not hold is counted; the next full
// sync shows the result anyway. It lives from before Serf starts until Shutdown, so that Serf is never blocked.
func (a *Agent) runPump() {
	defer close(a.pumpDone)
	for {
		select {
		case e := <-a.raw:
			select {
			case a.pump <- e:
			default:
				a.dropped.Add(1)
			}
		case <-a.stop:
			return
		}
	}
}

// Run turns what Serf says into View and events until ctx ends or Shutdown is called, and returns then. It does not
// stop Serf: call Leave or Shutdown.
func (a *Agent) Run(ctx context.Context) error {
	ticker := time.NewTicker(a.cfg.SyncInterval)
	defer ticker.Stop()
	a.rebuild()
	pingCtx, cancel := context.WithCancel(ctx)
	results := make(chan pingResult, 16)
	pinger := make(chan struct{})
	go a.runPinger(pingCtx, results, pinger)
	resyncs := make(chan struct{})
	go a.runResyncs(pingCtx, resyncs)
	keys := make(chan struct{})
	go a.runKeys(pingCtx, keys)
	defer func() {
		cancel()
		<-pinger
		<-resyncs
		<-keys
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.stop:
			return nil
		case e := <-a.pump:
			a.reduceAll(e)
		case c := <-a.conflicts:
			a.reportConflict(c)
		case r := <-results:
			a.pings[r.name] = pinged{rtt: r.rtt, at: time.Now()}
		case <-ticker.C:
			a.rebuild()
		}
	}
}

// Members is the latest picture; admission is as of its last rebuild.
func (a *Agent) Members() cluster.View { return *a.view.Load() }

// Events are the changes of membership, best effort: when the caller is slow the oldest unread ones stay and new
// ones are dropped and counted. The channel is never closed.
func (a *Agent) Events() <-chan cluster.MemberEvent { return a.events }

// Checkpoints are what others announced, best effort, each at most a few times. Compare and fetch; never believe.
func (a *Agent) Checkpoints() <-chan cluster.Checkpoint { return a.checkpoints }

// Dropped counts events that found a full buffer, since Start.
func (a *Agent) Dropped() uint64 { return a.dropped.Load() }

// Name is this node's gossip name, the hash of its key.
func (a *Agent) Name() string { return a.name }

// Addr is the gossip address others can use as a seed, host:port.
func (a *Agent) Addr() string {
	n := a.serf.Memberlist().LocalNode()
	return net.JoinHostPort(n.Addr.String(), strconv.Itoa(int(n.Port)))
}

// SetRecord announces a new record digest and API address to the others.
func (a *Agent) SetRecord(record nexus.Hash, apiAddr string) error {
	if len(apiAddr) > maxTagBytes {
		return usage(fmt.Sprintf("API address %q", apiAddr), "host:port of at most 64 bytes", "too long")
	}
	a.keys.mu.Lock()
	a.keys.record, a.keys.apiAddr = record, apiAddr
	a.keys.mu.Unlock()
	if err := a.tell(); err != nil {
		return &nexus.Error{Op: "gossip", Code: nexus.CodeUnavailable, Subject: "node record", Cause: err,
			Hint: "try again"}
	}
	return nil
}

// checkpointEvent is the user event's name; its payload is the canonical encoding of a Checkpoint.
const checkpointEvent = "checkpoint-1"

// maxCheckpoint bounds its payload, bytes: Serf's limit of 512 for name and payload.
const maxCheckpoint = 480

// Announce spreads a checkpoint; returns when it is queued, not when it has arrived.
func (a *Agent) Announce(c cluster.Checkpoint) error {
	c.From = a.name
	payload := nexus.Encode(c)
	if len(payload) > maxCheckpoint {
		return nexus.Errf("announce checkpoint", nexus.CodeMalformed, fmt.Sprintf("origin of %d bytes", len(c.Origin)),
			"use a shorter origin", "announcement of %d bytes, at most %d", len(payload), maxCheckpoint)
	}
	if err := a.serf.UserEvent(checkpointEvent, payload, false); err != nil {
		return &nexus.Error{Op: "announce checkpoint", Code: nexus.CodeUnavailable, Subject: c.Origin, Cause: err,
			Hint: "try again"}
	}
	return nil
}

// Leave says goodbye, so that the others show this node as left and not as failed, and then shuts down. It takes well
// under a second among reachable members.
func (a *Agent) Leave() error {
	err := a.serf.Leave()
	if err != nil {
		err = &nexus.Error{Op: "leave", Code: nexus.CodeUnavailable, Subject: "node " + a.name, Cause: err,
			Hint: "the others will see this node as failed"}
	}
	return errors.Join(err, a.Shutdown())
}

// Shutdown stops at once, without goodbye: the others will notice a failure. Safe to call again.
func (a *Agent) Shutdown() error {
	a.stopOne.Do(func() {
		a.stopErr = a.serf.Shutdown()
		// Only after Serf has stopped may its events go unread.
		close(a.stop)
		<-a.pumpDone
	})
	return a.stopErr
}
