package gossip

import (
	"context"
	"crypto/ed25519"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster"
)

func signer(seed byte) nexus.KeySigner {
	raw := make([]byte, ed25519.SeedSize)
	raw[0] = seed
	return nexus.KeySigner(ed25519.NewKeyFromSeed(raw))
}

// team is a set of agents with the keys that the test admits.
type team struct {
	t     *testing.T
	token cluster.Token

	mu       sync.Mutex
	admitted map[nexus.PublicKey]bool
}

func newTeam(t *testing.T) *team {
	return &team{t: t, admitted: map[nexus.PublicKey]bool{},
		token: cluster.Token{Cluster: nexus.ID{3}, GossipKey: [32]byte{9}, ExpiresMs: time.Now().Add(time.Hour).UnixMilli()}}
}

func (m *team) admit(key nexus.PublicKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := map[nexus.PublicKey]bool{key: true}
	for k := range m.admitted {
		next[k] = true
	}
	m.admitted = next
}

func (m *team) admissions() map[nexus.PublicKey]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.admitted
}

type running struct {
	*Agent
	cancel context.CancelFunc
	done   chan error
}

func (r *running) stop() error {
	r.cancel()
	return errors.Join(<-r.done, r.Shutdown())
}

// join starts an agent the way a node does: from the printed line of a token, if there are seeds in it.
func (m *team) join(seed byte, change func(*Config)) *running {
	m.t.Helper()
	key := signer(seed).Public()
	cfg := Config{Cluster: m.token.Cluster, GossipKey: m.token.GossipKey, Key: key, Label: string('a' + rune(seed)),
		APIAddr: "127.0.0.1:9", Record: nexus.Hash{seed}, Admitted: m.admissions, SyncInterval: 100 * time.Millisecond}
	if len(m.token.Seeds) > 0 {
		signed, err := cluster.SignToken(signer(100), m.token)
		if err != nil {
			m.t.Fatal(err)
		}
		read, err := cluster.ParseToken(cluster.EncodeToken(signed))
		if err != nil {
			m.t.Fatal(err)
		}
		if err := read.Verify(time.Now()); err != nil {
			m.t.Fatal(err)
		}
		cfg.Cluster, cfg.GossipKey, cfg.Seeds = read.Cluster, read.GossipKey, read.Seeds
	}
	if change != nil {
		change(&cfg)
	}
	a, err := Start(cfg)
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Agent: a, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- a.Run(ctx) }()
	if len(m.token.Seeds) < cluster.MaxSeeds {
		m.token.Seeds = append(m.token.Seeds, a.Addr())
	}
	return r
}

func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > limit {
			t.Fatalf("not within %s: %s", limit, what)
		}
		runtime.Gosched()
		time.Sleep(5 * time.Millisecond)
	}
	t.Logf("%s: %s", what, time.Since(start))
	return time.Since(start)
}

func states(a *Agent) string {
	var out []string
	for _, n := range a.Members().Nodes() {
		out = append(out, n.Label+"="+n.Status())
	}
	return strings.Join(out, " ")
}

// collect gathers the kinds of events about one label until it has the wanted one.
func collect(t *testing.T, a *Agent, label string, want cluster.EventKind) cluster.MemberEvent {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		select {
		case e := <-a.Events():
			if e.Node.Label == label && e.Kind == want {
				return e
			}
		case <-timeout:
			t.Fatalf("no event %s about %s; members %s", want, label, states(a))
		}
	}
}

func TestThreeAgentsJoinFailRecoverAndLeave(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	for seed := byte(1); seed <= 3; seed++ {
		m.admit(signer(seed).Public())
	}
	a, b, c := m.join(1, nil), m.join(2, nil), m.join(3, nil)
	for _, x := range []*running{a, b, c} {
		eventually(t, time.Minute, "all see three", func() bool { return states(x.Agent) == "b=alive c=alive d=alive" })
	}
	collect(t, a.Agent, "d", cluster.EventJoin)
	n, ok := a.Members().Get(c.Name())
	if !ok || n.Key != signer(3).Public() || n.Record != (nexus.Hash{3}) || n.APIAddr != "127.0.0.1:9" ||
		n.Role != cluster.RoleEdge || n.Addr != c.Addr() || !n.Routable() || n.Name != cluster.NodeName(n.Key) {
		t.Errorf("member %+v", n)
	}
	eventually(t, time.Minute, "round trips are measured", func() bool {
		n, _ := a.Members().Get(b.Name())
		return n.RTTSource == cluster.RTTPing && n.RTT > 0 && n.RTT < time.Second
	})

	// A killed member: everything stops without goodbye.
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	for _, x := range []*running{a, b} {
		took := eventually(t, time.Minute, "death is noticed", func() bool {
			return states(x.Agent) == "b=alive c=alive d=failed"
		})
		if took > 3*time.Second { // a machine that is short of processors says nothing of the program
			t.Logf("death noticed after %s, the aim is 3 s", took)
		}
	}
	collect(t, a.Agent, "d", cluster.EventFailed)

	// It comes back under its name from another port.
	c = m.join(3, nil)
	eventually(t, time.Minute, "it is alive again", func() bool { return states(a.Agent) == "b=alive c=alive d=alive" })
	collect(t, a.Agent, "d", cluster.EventRecovered)

	if err := b.Leave(); err != nil {
		t.Fatal(err)
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "goodbye is heard", func() bool { return states(a.Agent) == "b=alive c=left d=alive" })
	collect(t, a.Agent, "c", cluster.EventLeave)
	if err := errors.Join(a.stop(), c.stop()); err != nil {
		t.Fatal(err)
	}
}

func TestUnadmittedMembersAreListedAndCarryNothing(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.admit(signer(1).Public())
	a, b := m.join(1, nil), m.join(2, nil)
	eventually(t, time.Minute, "unadmitted is listed", func() bool { return states(a.Agent) == "b=alive c=unadmitted" })
	if n, _ := a.Members().Get(b.Name()); n.Routable() {
		t.Error("an unadmitted member is routable")
	}
	m.admit(signer(2).Public())
	eventually(t, time.Minute, "admission shows", func() bool { return states(a.Agent) == "b=alive c=alive" })
	if err := errors.Join(a.stop(), b.stop()); err != nil {
		t.Fatal(err)
	}
}

func TestWrongKeyOrClusterIsRefused(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	a := m.join(1, nil)
	for name, change := range map[string]func(*Config){
		"key":     func(c *Config) { c.GossipKey[0] ^= 1 },
		"cluster": func(c *Config) { c.Cluster[0] ^= 1 },
	} {
		cfg := Config{Cluster: m.token.Cluster, GossipKey: m.token.GossipKey, Key: signer(7).Public(), Seeds: m.token.Seeds}
		change(&cfg)
		if _, err := Start(cfg); nexus.CodeOf(err) != nexus.CodeNoNode {
			t.Errorf("wrong %s: %v", name, err)
		}
	}
	if a.Members().Len() != 1 {
		t.Errorf("members %s", states(a.Agent))
	}
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestConflictIsAnEvent(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	a, b := m.join(1, nil), m.join(2, nil)
	eventually(t, time.Minute, "both are there", func() bool { return a.Members().Alive() == 2 })
	twin := m.join(2, nil) // the same node key at a second address
	e := collect(t, a.Agent, "c", cluster.EventConflict)
	if e.Detail == "" || e.Node.Name != b.Name() {
		t.Errorf("event %+v", e)
	}
	if err := errors.Join(twin.stop(), b.stop(), a.stop()); err != nil {
		t.Fatal(err)
	}
}

func TestCheckpointsSpread(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	a, b := m.join(1, nil), m.join(2, nil)
	eventually(t, time.Minute, "both are there", func() bool {
		return a.Members().Alive() == 2 && b.Members().Alive() == 2
	})
	want := cluster.Checkpoint{Origin: "nexus.example/log", Size: 1 << 40, Root: nexus.Hash{1, 2}}
	if err := a.Announce(want); err != nil {
		t.Fatal(err)
	}
	want.From = a.Name()
	select {
	case got := <-b.Checkpoints():
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	case <-time.After(time.Minute):
		t.Fatal("checkpoint did not arrive")
	}
	if err := a.Announce(cluster.Checkpoint{Origin: strings.Repeat("x", 500)}); nexus.CodeOf(err) != nexus.CodeMalformed {
		t.Errorf("long origin: %v", err)
	}
	if err := a.SetRecord(nexus.Hash{77}, "127.0.0.1:10"); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "new record shows", func() bool {
		n, _ := b.Members().Get(a.Name())
		return n.Record == nexus.Hash{77} && n.APIAddr == "127.0.0.1:10"
	})
	if err := errors.Join(a.stop(), b.stop()); err != nil {
		t.Fatal(err)
	}
}

// TestUnreadEventsAreDroppedAndCounted: nobody reads Events, the View stays right and Serf is not blocked.
func TestUnreadEventsAreDroppedAndCounted(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	a := m.join(1, func(c *Config) { c.EventBuffer = 1 })
	b, c := m.join(2, nil), m.join(3, nil)
	eventually(t, time.Minute, "view is right", func() bool { return a.Members().Alive() == 3 })
	eventually(t, time.Minute, "drops are counted", func() bool { return a.Dropped() > 0 })
	if err := errors.Join(a.stop(), b.stop(), c.stop()); err != nil {
		t.Fatal(err)
	}
}

func TestConfigLimits(t *testing.T) {
	t.Parallel()
	good := Config{Cluster: nexus.ID{1}, Key: signer(1).Public(), GossipKey: [32]byte{1}}
	for name, change := range map[string]func(*Config){
		"cluster": func(c *Config) { c.Cluster = nexus.ID{} }, "key": func(c *Config) { c.Key = nexus.PublicKey{} },
		"gossip key": func(c *Config) { c.GossipKey = [32]byte{} },
		"label":      func(c *Config) { c.Label = strings.Repeat("x", 41) },
		"profile":    func(c *Config) { c.Profile = "wan" }, "address": func(c *Config) { c.BindAddr = "here" },
		"port": func(c *Config) { c.BindAddr = "127.0.0.1:99999" }, "sync": func(c *Config) { c.SyncInterval = 1 },
		"buffer": func(c *Config) { c.EventBuffer = -1 }, "api": func(c *Config) { c.APIAddr = strings.Repeat("x", 65) },
	} {
		cfg := good
		change(&cfg)
		if _, err := Start(cfg); nexus.CodeOf(err) != nexus.CodeUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNothingLeaks is not parallel: it counts goroutines.
func TestNothingLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	m := newTeam(t)
	a, b := m.join(1, nil), m.join(2, func(c *Config) { c.Profile = LAN })
	eventually(t, time.Minute, "both are there", func() bool { return a.Members().Alive() == 2 })
	if err := b.Leave(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.stop(), b.stop()); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "all goroutines ended", func() bool { return runtime.NumGoroutine() <= before })
}
