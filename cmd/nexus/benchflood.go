package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	nodes "github.com/BobbyBlanco400/nexus-cos/engine/node"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	consolebench "github.com/BobbyBlanco400/nexus-cos/tui/bench"
)

// partNode is a node in a process of its own that publishes on its bus when it is told to: a flood is measured where it is.
const partNode = "node"

// What is said to that process, one JSON value a line, each with one answer. It ends with its input.
type (
	nodeJob struct { // first
		DataDir string `json:"data_dir"`
	}
	nodeAsk struct { // after it; one of them
		Publish *publishing `json:"publish,omitempty"`
		Held    bool        `json:"held,omitempty"`
		Bus     bool        `json:"bus,omitempty"`
	}
	publishing struct {
		Rate   int   `json:"rate"` // events a second
		Millis int64 `json:"ms"`
	}
	nodeAnswer struct {
		Published int       `json:"published"` // events
		Bytes     float64   `json:"bytes"`
		Bus       bus.Stats `json:"bus"`
	}
)

// nodePart launches the node and does what it is told until its input ends.
func (a *app) nodePart(ctx context.Context) error {
	told := json.NewDecoder(a.in)
	var job nodeJob
	if err := told.Decode(&job); err != nil {
		return usage("bench-part "+partNode, "nexus bench console starts it", "no data directory on stdin: %w", err)
	}
	a.conf.values["data_dir"] = configValue{job.DataDir, "bench-part"}
	cfg, err := a.nodeConfig()
	if err != nil {
		return err
	}
	n, err := nodes.Start(cfg)
	if err != nil {
		return err
	}
	said := json.NewEncoder(a.out)
	if line := n.Launch(ctx); line.Status == wire.StatusFailed {
		err = nexus.Errf("bench console", nexus.CodeUnfit, "launch", "see "+line.Report, "failed")
	} else {
		err = said.Encode(nodeAnswer{})
	}
	for err == nil {
		var ask nodeAsk
		if err = told.Decode(&ask); err == nil {
			err = said.Encode(answerAsk(ctx, n, ask))
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, within(stopMax, n.Stop))
}

func answerAsk(ctx context.Context, n *nodes.Node, ask nodeAsk) (out nodeAnswer) {
	switch {
	case ask.Publish != nil:
		out.Published = publish(ctx, n.Bus(), n.Engine().RecentDecisions(), ask.Publish.Rate, time.Duration(ask.Publish.Millis)*time.Millisecond)
	case ask.Held:
		runtime.GC()
		runtime.GC() // what finalizers let go
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		out.Bytes = float64(m.HeapAlloc + m.StackInuse)
	case ask.Bus:
		out.Bus = n.Bus().Stats()
	}
	return out
}

// publishEvery is the pace at which a flood is published; each time as many events as are due, at most publishMost.
const (
	publishEvery = time.Millisecond
	publishMost  = 2000
)

// publish puts so many events a second on a bus, each with the row of a decision that was taken: what the engine publishes of an allowed one. It
// gives how many they were.
func publish(ctx context.Context, b *bus.Bus, rows []wire.DecisionRow, rate int, d time.Duration) (n int) {
	tick := time.NewTicker(publishEvery)
	defer tick.Stop()
	started := time.Now()
	for {
		since := min(time.Since(started), d)
		for due := min(int(since.Seconds()*float64(rate))-n, publishMost); due > 0; due-- {
			e := nexus.Event{Type: "gate.allowed"}
			if len(rows) > 0 {
				row := rows[n%len(rows)]
				e.Index, e.Data = row.Index, row
			}
			b.Publish(e)
			n++
		}
		if since == d {
			return n
		}
		select {
		case <-ctx.Done():
			return n
		case <-tick.C:
		}
	}
}

// floodNode is a scratch node that is such a process.
type floodNode struct {
	*benchNode

	asking sync.Mutex // one question at a time
	tell   *json.Encoder
	hear   *json.Decoder

	counted bus.Stats // at the last call of Counted, which one goroutine makes

	denying sync.Mutex // guards denier
	denied  int
	denier  nexus.Signer
	lanes   [consolebench.Lanes]struct { // a lane is used by one at a time
		source string
		next   uint64
	}
}

// floodNode launches it under dir.
func (a *app) floodNode(ctx context.Context, dir string) (*floodNode, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	data, err := os.MkdirTemp(dir, "flooded-")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "bench-part", partNode)
	cmd.Stderr = io.Discard
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	f := &floodNode{tell: json.NewEncoder(in), hear: json.NewDecoder(out)}
	stop := func() {
		_ = in.Close() // it ends with its input; how it ended says nothing about what was measured
		_ = cmd.Wait()
		_ = os.RemoveAll(data)
	}
	if _, err := f.ask(nodeJob{DataDir: data}); err != nil {
		stop()
		return nil, nexus.Errf("bench console", nexus.CodeUnavailable, "scratch node", "see whether nexus launch does", "did not come up: %w", err)
	}
	a.conf.values["data_dir"], a.conf.values["identity"] = configValue{data, partNode}, configValue{"", partNode}
	if f.benchNode, err = a.furnish(ctx, data, stop); err != nil {
		return nil, err
	}
	for i := range f.lanes {
		l := &f.lanes[i]
		l.source, l.next = fmt.Sprintf("producer-%d", i), 1
		reg := state.SourceRegister{Name: l.source, Class: state.ClassAttested, Key: f.Signer().Public()}
		if _, err := f.act(ctx, state.KindSourceRegister, nexus.ID{}, reg); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

func (f *floodNode) ask(question any) (out nodeAnswer, err error) {
	f.asking.Lock()
	defer f.asking.Unlock()
	if err := f.tell.Encode(question); err != nil {
		return out, err
	}
	err = f.hear.Decode(&out)
	return out, err
}

// Publish implements consolebench.FloodNode, as the methods after it.
func (f *floodNode) Publish(_ context.Context, rate int, d time.Duration) (int, error) {
	out, err := f.ask(nodeAsk{Publish: &publishing{Rate: rate, Millis: d.Milliseconds()}})
	return out.Published, err
}

// Held is after a collection of now, not one that happens.
func (f *floodNode) Held(context.Context) (float64, error) {
	out, err := f.ask(nodeAsk{Held: true})
	return out.Bytes, err
}

func (f *floodNode) Counted(context.Context) (consolebench.Counted, error) {
	out, err := f.ask(nodeAsk{Bus: true})
	if err != nil {
		return consolebench.Counted{}, err
	}
	now, before := out.Bus, f.counted
	f.counted = now
	must := now.TookMust.Less(before.TookMust)
	return consolebench.Counted{Subscribers: now.Subscribers, Published: now.Published - before.Published, CutOff: now.CutOff - before.CutOff,
		Dropped: now.Dropped, P99: must.Plus(now.TookLossy.Less(before.TookLossy)).Quantile(99), MustP99: must.Quantile(99)}, nil
}

func (f *floodNode) PostLane(ctx context.Context, lane, n int) error {
	l := &f.lanes[lane]
	body := state.RevenuePost{Source: l.source, FirstSeq: l.next, Events: make([]state.RevenueEvent, n)}
	for i := range body.Events {
		body.Events[i] = state.RevenueEvent{Unit: f.units[i%len(f.units)], Kind: "sale", Currency: consolebench.MarkCurrency, Minor: int64(i%9973) + 1,
			TimeMs: time.Now().UnixMilli()}
	}
	if _, err := f.act(ctx, state.KindRevenuePost, nexus.ID{}, body); err != nil {
		return err
	}
	l.next += uint64(n)
	return nil
}

// denialsEach is how many refusals one identity gets: after sixteen in a row for one reason they are counted and no entries any more.
const denialsEach = 12

func (f *floodNode) Deny(ctx context.Context) error {
	f.denying.Lock()
	defer f.denying.Unlock()
	if f.denied%denialsEach == 0 {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		f.denier = nexus.KeySigner(key)
		issue := state.IdentityIssue{Name: fmt.Sprintf("refused-%d", f.denied/denialsEach), Key: f.denier.Public(), Role: uint8(gates.RoleOperator)}
		if _, err := f.act(ctx, state.KindIdentityIssue, nexus.ID{}, issue); err != nil {
			return err
		}
	}
	a, err := engine.NewAction(f.denier, f.Cluster(), state.KindLedgerEdit, nexus.ID{}, state.LedgerEdit{Seq: 1}, time.Now())
	if err != nil {
		return err
	}
	r, err := f.Do(ctx, a)
	if nexus.CodeOf(err) != nexus.CodeRefused || r.Index == 0 {
		return fmt.Errorf("an edit of the ledger was to be an entry that says no, and gave index %d: %w", r.Index, err)
	}
	f.denied++
	return nil
}

func (f *floodNode) Listen(ctx context.Context, heard func(kind string) error) error {
	return f.Stream(ctx, "/v1/events", nil, func(line []byte) error {
		var e wire.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		return heard(e.Type)
	})
}
