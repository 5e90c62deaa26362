package control

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// stage is a node whose pictures the test shows.
type stage struct {
	Node
	mu      sync.Mutex
	now     *wire.Overview
	changed chan struct{}
	pressed chan struct{}
}

func (s *stage) Overview() *wire.Overview {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *stage) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *stage) Pressed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pressed
}

// show puts the next picture on, with everything but what change does to it as before. The one before is not touched.
func (s *stage) show(change func(*wire.Overview)) *wire.Overview {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := *s.now
	next.Seq++
	change(&next)
	if next.DecisionsDenied > s.now.DecisionsDenied {
		close(s.pressed)
		s.pressed = make(chan struct{})
	}
	s.now = &next
	close(s.changed)
	s.changed = make(chan struct{})
	return &next
}

// staged is a crowd whose node shows a picture of eve's unit and of another's.
func staged(t *testing.T) (*crowd, *stage) {
	t.Helper()
	c := newCrowd(t)
	mine, foreign := c.unit.String(), nexus.ID{9}.String()
	o := &wire.Overview{Seq: 1, Cluster: []wire.MemberRow{{Name: "one"}}, Edges: []wire.EdgeRow{{Name: "foreign figures"}}, Totals: []wire.TotalRow{{Gross: 7}},
		Ledger: wire.LedgerInfo{Witnesses: []wire.WitnessRow{{Name: "w", URL: "https://foreign"}}}}
	for i, u := range []struct{ id, label, owner string }{{mine, "IMVU-001", c.eve.Public().String()}, {foreign, "IMVU-002", "foreign"}} {
		o.Units = append(o.Units, wire.UnitRow{ID: u.id, Label: u.label, Owner: u.owner})
		o.Tallies = append(o.Tallies, wire.TallyRow{UnitID: u.id, Unit: u.label, Gross: int64(i + 1), Rule: "55/45", Currency: "USD"})
		o.Slices = append(o.Slices, wire.SliceRow{Unit: u.id, Label: u.label})
		o.Alerts = append(o.Alerts, wire.Alert{Unit: u.label, Text: u.label})
		o.Decisions = append(o.Decisions, wire.DecisionRow{Index: uint64(i + 1), Unit: u.id, UnitLabel: u.label, Actor: u.owner})
	}
	for i := range 17 {
		o.Gates = append(o.Gates, wire.GateRow{Gate: i + 1, LastReason: "foreign"})
	}
	s := &stage{Node: c, now: o, changed: make(chan struct{}), pressed: make(chan struct{})}
	c.server.node = s
	return c, s
}

// watching keeps what a session over SSH was shown.
type watching struct {
	c     *crowd
	mu    sync.Mutex
	got   []*wire.Overview
	ended chan error // of the watch, once
	close func()     // the session, as the SSH server does
}

// session opens a session and watches in it until the test ends. Held, when not nil, is what its first picture is held up by.
func (c *crowd) session(key nexus.PublicKey, held <-chan struct{}) *watching {
	c.t.Helper()
	w := &watching{c: c, ended: make(chan error, 1)}
	token, end := c.server.OpenSession("0102030405", key, true)
	w.close = end
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.ended <- c.server.WatchSession(ctx, token, func(o *wire.Overview) {
			w.mu.Lock()
			w.got = append(w.got, o)
			w.mu.Unlock()
			if held != nil {
				<-held
			}
		})
	}()
	c.t.Cleanup(func() { cancel(); <-done; end() })
	return w
}

func (w *watching) all() []*wire.Overview {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*wire.Overview(nil), w.got...)
}

// at waits for a picture of at least this number and gives the newest.
func (w *watching) at(seq uint64) *wire.Overview {
	w.c.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if got := w.all(); len(got) > 0 && got[len(got)-1].Seq >= seq {
			return got[len(got)-1]
		}
		select {
		case err := <-w.ended:
			w.c.t.Fatalf("the watch ended before picture %d: %v", seq, err)
		default:
		}
	}
	w.c.t.Fatalf("picture %d did not come", seq)
	return nil
}

// end waits for the end of the watch.
func (w *watching) end() error {
	w.c.t.Helper()
	select {
	case err := <-w.ended:
		return err
	case <-time.After(time.Minute):
		w.c.t.Fatal("the watch goes on")
		return nil
	}
}

// remote watches over the socket, as a console of another process does.
func (c *crowd) remote(s nexus.Signer) *watching {
	c.t.Helper()
	w := &watching{c: c, ended: make(chan error, 1)}
	client := NewClient(c.server.socket.Addr().String(), c.eng.Cluster(), s)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.ended <- client.Watch(ctx, func(o *wire.Overview) {
			w.mu.Lock()
			w.got = append(w.got, o)
			w.mu.Unlock()
		})
	}()
	c.t.Cleanup(func() { cancel(); <-done; client.Close() })
	return w
}

func sum(t *testing.T, v any) [32]byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(b)
}

// Sessions that see the same hold the same picture, each with its own identity; it is what any other client is sent; and what did not change
// stays where it was in memory.
func TestSessionsOfOneAudienceShareAPicture(t *testing.T) {
	t.Parallel()
	c, s := staged(t)
	one, two := c.operator(2), c.operator(3)
	first, second, far := c.session(one.Public(), nil), c.session(two.Public(), nil), c.remote(two)
	before := sum(t, s.Overview())
	a, b, r := first.at(1), second.at(1), far.at(1)
	if &a.Decisions[0] != &b.Decisions[0] || &a.Gates[0] != &b.Gates[0] || a == b {
		t.Error("two sessions of operators hold a picture each")
	}
	if a.Identity.Key != one.Public().String() || b.Identity.Key != two.Public().String() || a.Identity.Name == b.Identity.Name {
		t.Errorf("identities: %+v and %+v", a.Identity, b.Identity)
	}
	if !reflect.DeepEqual(b, r) {
		t.Errorf("a session holds %+v, another client is sent %+v", b, r)
	}
	if &a.Decisions[0] == &s.Overview().Decisions[0] {
		t.Error("a session holds the node's own picture")
	}
	shown := sum(t, a)
	a.Identity.Source = "here" // as the console does
	s.show(func(o *wire.Overview) { o.Launch.Status, o.Launch.Log = wire.StatusFailed, "three" })
	later, other := first.at(2), second.at(2)
	if later.Launch.Log != "three" || a.Launch.Log != "" {
		t.Errorf("the launch before and after: %+v, %+v", a.Launch, later.Launch)
	}
	if &later.Decisions[0] != &a.Decisions[0] || &later.Units[0] != &a.Units[0] || later.Identity.Source != "" || &other.Decisions[0] != &a.Decisions[0] {
		t.Error("what did not change is another copy, or something of the session before it")
	}
	a.Identity.Source = ""
	if sum(t, a) != shown {
		t.Error("the first picture was changed after it was shown")
	}
	if o := *s.Overview(); func() bool { o.Seq, o.Launch = 1, wire.Launch{}; return sum(t, &o) != before }() {
		t.Error("the node's own picture was changed")
	}
}

// foreignTo lists what stands in a picture that is not eve's.
func (c *crowd) foreignTo(key nexus.PublicKey, o *wire.Overview) (out []string) {
	b, err := json.Marshal(o)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, word := range []string{"foreign", "IMVU-002", nexus.ID{9}.String()} {
		if strings.Contains(string(b), word) {
			out = append(out, word)
		}
	}
	if o.Identity.Key != key.String() {
		out = append(out, "the identity of "+o.Identity.Name)
	}
	return out
}

// Whoever is no operator is shown the own, whatever was drawn for others before or at the same time (gate 16).
func TestACreatorIsShownItsOwnAlone(t *testing.T) {
	t.Parallel()
	c, s := staged(t)
	op, carl := c.operator(2), signer(4)
	c.must(c.keys.Operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "carl", Key: carl.Public(), Role: uint8(gates.RoleCreator)})
	boss := c.session(op.Public(), nil)
	boss.at(1)
	eves := []*watching{c.session(c.eve.Public(), nil), c.remote(c.eve), c.session(c.eve.Public(), nil)}
	carls := []*watching{c.session(carl.Public(), nil), c.remote(carl)}
	for range 5 {
		o := s.show(func(o *wire.Overview) {
			o.Decisions = append([]wire.DecisionRow{{Index: o.Seq, Unit: nexus.ID{9}.String(), Actor: "foreign"}}, o.Decisions...)
		})
		if got := boss.at(o.Seq); len(got.Units) != 2 || len(got.Edges) != 1 || len(got.Decisions) != len(o.Decisions) || got.Gates[0].LastReason != "foreign" {
			t.Fatalf("an operator is shown %+v", got)
		}
		for i, w := range append(eves, carls...) {
			w.at(o.Seq)
			own := 1
			key := c.eve.Public()
			if i >= len(eves) {
				own, key = 0, carl.Public()
			}
			for _, got := range w.all() {
				if words := c.foreignTo(key, got); len(words) > 0 {
					t.Fatalf("watch %d is shown %q in %+v", i, words, got)
				}
				if len(got.Units) != own || len(got.Tallies) != own || len(got.Slices) != own || len(got.Alerts) != own || len(got.Decisions) != own ||
					got.UnitsTotal != own || len(got.Totals) != own || len(got.Gates) != 17 || len(got.Cluster) != 1 {
					t.Fatalf("watch %d is shown %+v", i, got)
				}
			}
		}
	}
	if a, b := eves[0].at(s.Overview().Seq), eves[2].at(s.Overview().Seq); &a.Units[0] != &b.Units[0] {
		t.Error("two sessions of one creator hold a picture each")
	}
}

// Edges implements Node.
func (s *stage) Edges() []wire.EdgeRow { return s.Overview().Edges }

// Slices implements Node.
func (s *stage) Slices() []wire.SliceRow { return s.Overview().Slices }

// What an edge carries is of all units together: it is for whoever acts for the platform.
func TestEdgesAreForOperators(t *testing.T) {
	t.Parallel()
	c, _ := staged(t)
	op := c.operator(2)
	for _, s := range []struct {
		path    string
		by      nexus.Signer
		status  int
		foreign bool
	}{{"/v1/edges", op, http.StatusOK, true}, {"/v1/slices", op, http.StatusOK, true}, {"/v1/slices", c.eve, http.StatusOK, false},
		{"/v1/edges", c.eve, http.StatusForbidden, false}} {
		status, b := c.read(s.by, s.path, nil)
		if status != s.status || strings.Contains(string(b), "foreign figures") != s.foreign {
			t.Errorf("%s: %d %s", s.path, status, b)
		}
	}
}

// A session that takes nothing, and a client that reads nothing, hold up nobody else.
func TestASlowSessionHoldsUpNobody(t *testing.T) {
	t.Parallel()
	c, s := staged(t)
	s.show(func(o *wire.Overview) { // more than a socket holds unread
		for range 4000 {
			o.Alerts = append(o.Alerts, wire.Alert{Text: strings.Repeat("x", 1000)})
		}
	})
	op, held := c.operator(2), make(chan struct{})
	stuck := c.session(op.Public(), held)
	defer close(held)
	stuck.at(1)
	resp, err := c.ask(context.Background(), op, "/v1/watch", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	quick, eve := c.session(op.Public(), nil), c.session(c.eve.Public(), nil)
	for range 3 {
		o := s.show(func(o *wire.Overview) { o.Dropped++ })
		if got := quick.at(o.Seq); got.Dropped != o.Dropped {
			t.Errorf("picture %d says %d", got.Seq, got.Dropped)
		}
		eve.at(o.Seq)
	}
	if n := len(stuck.all()); n != 1 {
		t.Errorf("the stuck session was shown %d pictures", n)
	}
}

// A key that no longer may, and a session that is over, are shown nothing more; who may see less, or more, does with the next picture.
func TestAWatchIsJudgedAnewForEachPicture(t *testing.T) {
	t.Parallel()
	c, s := staged(t)
	next := func() *wire.Overview { return s.show(func(o *wire.Overview) { o.Dropped++ }) }
	op, carl := c.operator(2), signer(4)
	c.must(c.keys.Operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "carl", Key: carl.Public(), Role: uint8(gates.RoleCreator)})
	boss, bossFar, over := c.session(op.Public(), nil), c.remote(op), c.session(c.eve.Public(), nil)
	leaver, leaverFar := c.session(carl.Public(), nil), c.remote(carl)
	for _, w := range []*watching{boss, bossFar, leaver, leaverFar, over} {
		w.at(1)
	}
	c.must(carl, state.KindIdentityRevoke, nexus.ID{}, state.IdentityChange{Old: carl.Public()})
	over.close()
	last := next()
	if err := leaver.end(); nexus.CodeOf(err) != nexus.CodeRefused || !strings.Contains(err.Error(), "gate 1") || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("the session of a revoked key ends with %v", err)
	}
	if err := over.end(); nexus.CodeOf(err) != nexus.CodeRefused || !strings.Contains(err.Error(), "over") {
		t.Errorf("the watch of a session that is over ends with %v", err)
	}
	_ = leaverFar.end() // the stream has a status already; whoever asks again is told
	again := NewClient(c.server.socket.Addr().String(), c.eng.Cluster(), carl)
	defer again.Close()
	if err := again.Watch(context.Background(), func(*wire.Overview) {}); nexus.CodeOf(err) != nexus.CodeRefused {
		t.Errorf("asked again: %v", err)
	}
	for i, w := range []*watching{leaver, leaverFar, over} {
		if got := w.all(); got[len(got)-1].Seq >= last.Seq {
			t.Errorf("watch %d was shown a picture after its end", i)
		}
	}
	if got := boss.at(last.Seq); len(got.Units) != 2 {
		t.Errorf("an operator is shown %+v", got.Units)
	}
	// An operator whom another one revoked may read on what is public, and acts for nobody.
	c.must(c.keys.Operator, state.KindIdentityRevoke, nexus.ID{}, state.IdentityChange{Old: op.Public()})
	last = next()
	for i, w := range []*watching{boss, bossFar} {
		if got := w.at(last.Seq); len(got.Units) != 0 || len(c.foreignTo(op.Public(), got)) != 0 {
			t.Errorf("a revoked operator's watch %d is shown %v", i, c.foreignTo(op.Public(), got))
		}
	}
	s.show(func(o *wire.Overview) { o.Dropped++ })
	s.show(func(o *wire.Overview) { o.Dropped++ })
	resp, err := c.ask(context.Background(), c.eve, "/v1/overview", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	c.server.pictures.mu.Lock()
	if _, kept := c.server.pictures.newest[audience{key: c.eve.Public()}]; kept {
		t.Error("who asks once has a frame kept")
	}
	c.server.pictures.mu.Unlock()
	if resp, err = c.ask(context.Background(), op, "/v1/overview", nil); err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var once wire.Overview
	if err := json.NewDecoder(resp.Body).Decode(&once); err != nil || len(once.Units) != 0 || len(c.foreignTo(op.Public(), &once)) != 0 {
		t.Errorf("a revoked operator asks once: %v %+v", err, once.Units)
	}
}

// Streams of events end with their reader's right to them, before the event that ended it.
func TestEventsEndWithTheirReadersRight(t *testing.T) {
	t.Parallel()
	c, _ := staged(t)
	op := c.operator(2)
	resp, err := c.ask(context.Background(), op, "/v1/events", nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	defer resp.Body.Close()
	dora := state.IdentityIssue{Name: "dora", Key: signer(5).Public(), Role: uint8(gates.RoleCreator)}
	seen := c.must(c.keys.Operator, state.KindIdentityIssue, nexus.ID{}, dora).Index
	lines := bufio.NewScanner(resp.Body)
	var ev wire.Event
	for ev.Index != seen {
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), &ev); err != nil {
			t.Fatal(err)
		}
	}
	gone := c.must(c.keys.Operator, state.KindIdentityRevoke, nexus.ID{}, state.IdentityChange{Old: op.Public()}).Index
	for lines.Scan() {
		if err := json.Unmarshal(lines.Bytes(), &ev); err != nil || ev.Index >= gone {
			t.Errorf("after the end: %s %v", lines.Text(), err)
		}
	}
	if lines.Err() != nil {
		t.Error(lines.Err())
	}
}

// Words that were sealed are as erased as the state says, also in a picture that was drawn before.
func TestErasedWordsLeaveAPictureThatWasDrawn(t *testing.T) {
	t.Parallel()
	c, s := staged(t)
	sealed, err := c.eng.SealBody(state.KindPayoutSet, c.unit, nexus.Encode(state.PayoutSet{Schedule: state.ScheduleManual, Destination: `acct "one"`}))
	if err != nil {
		t.Fatal(err)
	}
	var body state.PayoutSet
	if err := nexus.Decode(sealed.Body, &body); err != nil {
		t.Fatal(err)
	}
	s.show(func(o *wire.Overview) {
		o.Alerts = append([]wire.Alert{{Unit: "IMVU-001", Text: body.Destination}}, o.Alerts...)
	})
	op, carl := c.operator(2), signer(4)
	c.must(c.keys.Operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "carl", Key: carl.Public(), Role: uint8(gates.RoleCreator)})
	s.show(func(o *wire.Overview) { // the same unit in carl's view, whom its words are not for
		o.Units = append([]wire.UnitRow{{ID: "c", Label: "IMVU-001", Owner: carl.Public().String()}}, o.Units...)
	})
	says := func(key nexus.PublicKey) string { return c.session(key, nil).at(3).Alerts[0].Text }
	for range 2 { // the second is given what was drawn for the first
		for who, want := range map[nexus.PublicKey]string{op.Public(): `acct "one"`, c.eve.Public(): `acct "one"`, carl.Public(): "(personal)"} {
			if got := says(who); got != want {
				t.Errorf("%s reads %q, want %q", who.Short(), got, want)
			}
		}
	}
	c.must(c.eve, state.KindIdentityErase, nexus.ID{}, state.IdentityErase{Subject: c.eve.Public()})
	for _, who := range []nexus.PublicKey{op.Public(), c.eve.Public()} {
		if got := says(who); strings.Contains(got, "acct") || got == body.Destination || got == "" {
			t.Errorf("%s reads %q after the erasure", who.Short(), got)
		}
	}
}

// Who began to watch before there was a ledger, under a key for this moment, sees on what is everybody's; a key of somebody is judged.
func TestAWatchFromBeforeTheLedger(t *testing.T) {
	t.Parallel()
	c, s := staged(t)
	carl, nobody := signer(4), signer(5)
	c.must(c.keys.Operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "carl", Key: carl.Public(), Role: uint8(gates.RoleCreator)})
	c.must(carl, state.KindIdentityRevoke, nexus.ID{}, state.IdentityChange{Old: carl.Public()})
	c.server.eng.Store(nil)
	known, unknown := c.remote(carl), c.remote(nobody)
	if got := unknown.at(1); len(got.Units) != 2 { // there is nobody yet whose they could be
		t.Errorf("before: %+v", got.Units)
	}
	known.at(1)
	c.server.Attach(c.eng)
	last := s.show(func(o *wire.Overview) { o.Dropped++ })
	if got := unknown.at(last.Seq); len(got.Units) != 0 || len(c.foreignTo(nobody.Public(), got)) != 0 {
		t.Errorf("after: %v", c.foreignTo(nobody.Public(), got))
	}
	_ = known.end()
	late := NewClient(c.server.socket.Addr().String(), c.eng.Cluster(), nobody)
	defer late.Close()
	if err := late.Watch(context.Background(), func(*wire.Overview) {}); nexus.CodeOf(err) != nexus.CodeRefused {
		t.Errorf("a stranger who comes later: %v", err)
	}
}

// Frames are kept for the newest picture and the one before, and nobody is given an older picture than somebody was before.
func TestFramesAreKeptForTwoPictures(t *testing.T) {
	t.Parallel()
	p, all := &pictures{}, audience{all: true}
	o := func(seq uint64) *wire.Overview { return &wire.Overview{Seq: seq} }
	one, two, three := o(1), o(2), o(3)
	f := p.frame(one, 1, all, true, nil)
	if p.frame(one, 2, all, true, nil) != f || p.frame(one, 2, audience{key: nexus.PublicKey{1}}, false, nil) == f {
		t.Error("an audience is given another frame of a picture, or that of another audience")
	}
	if g := p.frame(one, 2, all, true, f); g == f || p.frame(one, 2, all, true, f) != g {
		t.Error("a frame that no longer holds is given again, or its follower is not")
	}
	f = p.frame(two, 2, all, true, nil)
	if g := p.frame(one, 2, all, true, nil); g != f || g.of != two {
		t.Errorf("who comes with an older picture is given number %d", g.of.Seq)
	}
	for i := range 100 {
		p.frame(two, 2, audience{key: nexus.PublicKey{byte(i)}}, true, nil)
	}
	p.frame(two, 2, audience{key: nexus.PublicKey{200}}, false, nil)
	if len(p.newest) != 101 {
		t.Errorf("%d frames of the newest picture", len(p.newest))
	}
	p.frame(three, 3, all, true, nil)
	p.frame(o(4), 4, all, true, nil)
	if len(p.newest) != 1 || len(p.older) != 1 {
		t.Errorf("%d and %d frames are held", len(p.newest), len(p.older))
	}
}

// A text that looks like the place of the identity is none.
func TestAroundTheIdentity(t *testing.T) {
	t.Parallel()
	none, err := json.Marshal(wire.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	trap := fmt.Sprintf(`"identity":%s`, none)
	o := wire.Overview{Node: wire.NodeInfo{Name: trap, Addresses: map[string]string{trap: trap}}, Alerts: []wire.Alert{{Text: trap}}}
	line, err := json.Marshal(&o)
	if err != nil {
		t.Fatal(err)
	}
	head, tail, err := around(line, none)
	if err != nil {
		t.Fatal(err)
	}
	var got wire.Overview
	if err := json.Unmarshal([]byte(string(head)+`{"name":"eva"}`+string(tail)), &got); err != nil || got.Identity.Name != "eva" {
		t.Fatalf("%v %+v", err, got.Identity)
	}
	if o.Identity.Name = "eva"; !reflect.DeepEqual(&got, &o) {
		t.Errorf("%+v", got)
	}
	if _, _, err := around([]byte(`{}`), none); err == nil {
		t.Error("a line without an identity is taken")
	}
}

// Watching is public, and a stream of it has no status left when it ends: what was sent whole stays whole.
func TestAWatchSendsWholeLines(t *testing.T) {
	t.Parallel()
	c, s := staged(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	resp, err := c.ask(ctx, c.eve, "/v1/watch", nil)
	if err != nil || resp.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatal(resp, err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for seq := uint64(1); seq < 4; seq++ {
		line, err := lines.ReadBytes('\n')
		var o wire.Overview
		if err == nil {
			err = json.Unmarshal(line, &o)
		}
		if err != nil || o.Seq != seq || o.Identity.Name != "eve" {
			t.Fatalf("line %d: %v %s", seq, err, line)
		}
		s.show(func(o *wire.Overview) { o.Dropped++ })
	}
	c.must(c.eve, state.KindIdentityRevoke, nexus.ID{}, state.IdentityChange{Old: c.eve.Public()})
	s.show(func(o *wire.Overview) { o.Dropped++ })
	for err == nil {
		var line []byte
		if line, err = lines.ReadBytes('\n'); len(line) > 0 && !json.Valid(line) {
			t.Errorf("a broken line: %s", line)
		}
	}
	if err != io.EOF {
		t.Error(err)
	}
}
