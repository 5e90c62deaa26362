package gossip

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster"
)

// ringTeam is a keeper (seed 1) and members whose keys rotate. What it decides stands for the replicated state.
type ringTeam struct {
	*team
	dir     string
	decided uint64
	members map[byte]*running
	home    string // the keeper's address, kept over restarts
	started cluster.GossipKey
}

func newRingTeam(t *testing.T, agents byte) *ringTeam {
	r := &ringTeam{team: newTeam(t), dir: t.TempDir(), decided: 1, members: map[byte]*running{}, started: keyOf(1)}
	for seed := byte(1); seed <= agents; seed++ {
		r.admit(signer(seed).Public())
		r.start(seed, nil)
	}
	t.Cleanup(func() {
		for _, m := range r.members {
			if err := m.stop(); err != nil {
				t.Error(err)
			}
		}
	})
	r.whole("all see all")
	return r
}

func (r *ringTeam) store(seed byte) string { return filepath.Join(r.dir, fmt.Sprintf("keys-%d", seed)) }

func (r *ringTeam) config(seed byte) Config {
	c := Config{Cluster: r.token.Cluster, GossipKey: r.started.Secret, Key: signer(seed).Public(), Label: string('a' + rune(seed)),
		Admitted: r.admissions, SyncInterval: 100 * time.Millisecond, Keys: KeyConfig{Keeper: signer(1).Public(), Signer: signer(seed),
			Store: r.store(seed), tick: 20 * time.Millisecond, Grace: 30 * time.Second}}
	if seed == 1 {
		c.BindAddr, c.Keys.Generation, c.GossipKey = r.home, r.decided, keyOf(r.decided).Secret
		return c
	}
	c.Seeds = []string{r.home}
	return c
}

// start starts an agent as its node would: a member knows the key of the token that it once had, and what it keeps.
func (r *ringTeam) start(seed byte, change func(*Config)) {
	r.t.Helper()
	c := r.config(seed)
	if change != nil {
		change(&c)
	}
	a, err := Start(c)
	if err != nil {
		r.t.Fatalf("agent %d: %v", seed, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	run := &running{Agent: a, cancel: cancel, done: make(chan error, 1)}
	go func() { run.done <- a.Run(ctx) }()
	r.members[seed] = run
	if seed == 1 {
		r.home = a.Addr()
	}
}

// end kills an agent. A member that comes back has another port, which nobody takes in before its death is known, so that is waited for.
func (r *ringTeam) end(seed byte) {
	r.t.Helper()
	name := r.members[seed].Name()
	must(r.t, r.members[seed].stop())
	delete(r.members, seed)
	if seed == 1 {
		return
	}
	eventually(r.t, 2*time.Minute, fmt.Sprintf("the death of agent %d is known", seed), func() bool {
		for _, m := range r.members {
			if n, ok := m.Members().Get(name); ok && n.State == cluster.StateAlive {
				return false
			}
		}
		return true
	})
}

func (r *ringTeam) running() []*running {
	var out []*running
	for _, m := range r.members {
		out = append(out, m)
	}
	return out
}

func (r *ringTeam) whole(what string) {
	r.t.Helper()
	eventually(r.t, 2*time.Minute, what, func() bool { return everybody(r.running(), func(i, j int) bool { return true }) })
}

// rotate decides for the next generation and waits until the keeper and all that run have nothing but it.
func (r *ringTeam) rotate() {
	r.t.Helper()
	r.decided++
	if err := r.members[1].Rotate(keyOf(r.decided)); err != nil {
		r.t.Fatal(err)
	}
	r.settled()
}

func (r *ringTeam) settled() {
	r.t.Helper()
	want := cluster.SettledKeyring(keyOf(r.decided)).Encode()
	eventually(r.t, 2*time.Minute, fmt.Sprintf("all have generation %d alone", r.decided), func() bool {
		for _, m := range r.members {
			if !bytes.Equal(m.ring().Encode(), want) {
				return false
			}
		}
		return true
	})
}

// intrude tries to get in by messages under a key. It understands all answers, so what fails is that the message is not taken.
func (r *ringTeam) intrude(key cluster.GossipKey) error {
	r.t.Helper()
	a, err := Start(Config{Cluster: r.token.Cluster, GossipKey: key.Secret, Key: signer(99).Public(), Label: "intruder"})
	must(r.t, err)
	present := keyOf(r.decided)
	must(r.t, a.keys.used.AddKey(present.Secret[:]))
	_, err = a.Join([]string{r.home})
	return errors.Join(err, a.Shutdown())
}

// traffic announces checkpoints from all agents until it is stopped, and says how many arrived.
func (r *ringTeam) traffic() (stop func() (sent, heard int)) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	var mu sync.Mutex
	sent, heard := 0, 0
	home := r.members[1]
	all.Go(func() {
		for n := uint64(1); ctx.Err() == nil; n++ {
			if err := home.Announce(cluster.Checkpoint{Origin: "traffic", Size: n}); err == nil {
				mu.Lock()
				sent++
				mu.Unlock()
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	for seed, m := range r.members {
		if seed == 1 {
			continue
		}
		all.Go(func() {
			for {
				select {
				case <-m.Checkpoints():
					mu.Lock()
					heard++
					mu.Unlock()
				case <-ctx.Done():
					return
				}
			}
		})
	}
	return func() (int, int) { cancel(); all.Wait(); return sent, heard }
}

func rotations() int {
	if os.Getenv("NEXUS_SOAK") == "" {
		return 10
	}
	return 100
}

// TestRotationsLeaveNoSplit is figure F18 of docs/edge-figures.md: rotation after rotation under announcements, of five agents one after the other is down for
// one, two or three of them, and comes back by itself, with its token of the first day and the keys that it kept. Each old key is refused once it is out.
func TestRotationsLeaveNoSplit(t *testing.T) { // alone: it counts on processor time
	const agents = 5
	r := newRingTeam(t, agents)
	down, missed := byte(0), 0
	for n := range rotations() {
		stop := r.traffic()
		if down == 0 {
			down, missed = byte(2+n%(agents-1)), 1+n%3
			r.end(down)
		}
		r.rotate()
		sent, heard := stop()
		if sent == 0 || heard == 0 {
			t.Fatalf("rotation %d: %d announcements, %d heard: no traffic", n+1, sent, heard)
		}
		if err := r.intrude(keyOf(r.decided - 1)); nexus.CodeOf(err) != nexus.CodeNoNode {
			t.Fatalf("rotation %d: the key before is taken: %v", n+1, err)
		}
		if missed--; missed == 0 {
			r.start(down, nil)
			down = 0
			r.settled()
			r.whole(fmt.Sprintf("rotation %d: all see all", n+1))
		}
	}
	if down != 0 {
		r.start(down, nil)
	}
	r.settled()
	r.whole("all see all at the end")
	if err := r.intrude(keyOf(r.decided)); err != nil { // so that the refusals above were for the key
		t.Errorf("the present key is refused: %v", err)
	}
}

// TestWithoutTheHandOverANodeSplits is the control of the test above: the same node, down for the same rotation, that cannot ask for keys stays alone.
func TestWithoutTheHandOverANodeSplits(t *testing.T) {
	t.Parallel()
	r := newRingTeam(t, 3)
	name := r.members[3].Name()
	r.end(3)
	r.rotate()
	c := r.config(3)
	c.Keys = KeyConfig{}
	if _, err := Start(c); nexus.CodeOf(err) != nexus.CodeNoNode {
		t.Fatalf("joined with a key that is out: %v", err)
	}
	seeds := c.Seeds
	c.Seeds = nil
	alone, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alone.Join(seeds); nexus.CodeOf(err) != nexus.CodeNoNode || alone.serf.NumNodes() != 1 {
		t.Errorf("%d members, join says %v", alone.serf.NumNodes(), err)
	}
	if err := alone.Shutdown(); err != nil {
		t.Fatal(err)
	}
	if n, ok := r.members[1].Members().Get(name); ok && n.State == cluster.StateAlive {
		t.Error("the keeper sees the node that split off")
	}
	r.start(3, nil)
	r.settled()
	r.whole("with the hand-over it is there again")
}

// TestAMemberThatLivesThroughAMissedRotation: cut off, not down, so it keeps what it sees of the others and mends itself when it is reached again.
func TestAMemberThatLivesThroughAMissedRotation(t *testing.T) {
	t.Parallel()
	n := &network{side: map[string]bool{}}
	r := &ringTeam{team: newTeam(t), dir: t.TempDir(), decided: 1, members: map[byte]*running{}, started: keyOf(1)}
	for seed := byte(1); seed <= 3; seed++ {
		r.admit(signer(seed).Public())
		r.start(seed, func(c *Config) {
			c.transport = n.join(seed == 3)
			if c.BindAddr == "" {
				c.BindAddr = "127.0.0.1:0"
			}
		})
	}
	r.whole("all see all")
	n.cut.Store(true)
	cut := r.members[3]
	delete(r.members, 3)
	eventually(t, time.Minute, "the cut shows", func() bool {
		m, _ := r.members[1].Members().Get(cut.Name())
		return m.Status() == "failed"
	})
	r.rotate()
	r.rotate()
	if cut.ring().Newest() != keyOf(1) {
		t.Fatal("the cut let keys through")
	}
	n.cut.Store(false)
	r.members[3] = cut
	r.settled()
	r.whole("all see all again")
	for _, m := range r.members {
		must(t, m.stop())
	}
}

// TestACrashInAnyStep stops the keeper, and a member, between the writing and the use of each ring of a rotation, and starts it again with what is on disk.
func TestACrashInAnyStep(t *testing.T) {
	t.Parallel()
	for _, victim := range []byte{1, 2} {
		for step := range cluster.KeysInUse + 1 {
			t.Run(fmt.Sprintf("agent %d, %s", victim, step), func(t *testing.T) {
				t.Parallel()
				r := newRingTeam(t, 3)
				crashed := make(chan struct{})
				var once sync.Once
				r.end(victim)
				r.start(victim, func(c *Config) {
					c.Keys.crash = func(ring cluster.Keyring) bool {
						if ring.Newest().Generation != 2 || ring.Step() != step {
							return false
						}
						once.Do(func() { close(crashed) })
						return true
					}
				})
				if victim == 1 {
					rejoin(t, r)
				}
				r.whole("all see all before")
				r.decided++
				if err := r.members[1].Rotate(keyOf(2)); err != nil {
					t.Fatal(err)
				}
				<-crashed
				r.end(victim)
				r.start(victim, nil)
				if victim == 1 {
					rejoin(t, r)
				}
				r.settled()
				r.whole("all see all afterwards")
				r.rotate()
				r.whole("and after one more")
			})
		}
	}
}

// rejoin waits until the members have found the keeper again by themselves.
func rejoin(t *testing.T, r *ringTeam) {
	t.Helper()
	eventually(t, time.Minute, "the keeper is found again", func() bool { return r.members[1].Members().Alive() == len(r.members) })
}

// TestTheKeeperGoesByWhatWasDecided: a file that is lost, one from before the decision, and one that knows more than a restored ledger.
func TestTheKeeperGoesByWhatWasDecided(t *testing.T) {
	t.Parallel()
	r := newRingTeam(t, 3)
	r.rotate()
	for what, prepare := range map[string]func(){
		"decided, then down":            func() { r.decided++ },
		"decided three times":           func() { r.decided += 3 },
		"decided, and the file is lost": func() { r.decided++; must(t, os.Remove(r.store(1))) },
		"decided, and the file is hurt": func() { r.decided++; must(t, os.WriteFile(r.store(1), []byte("x"), 0o600)) },
		"the ledger was restored":       func() { r.decided-- },
	} {
		r.end(1)
		prepare()
		r.start(1, nil)
		r.settled()
		r.whole(what)
	}
	if err := r.members[1].Rotate(keyOf(r.decided)); err != nil || r.members[1].Keys().Pending != 0 {
		t.Errorf("the same generation again: %v, pending %d", err, r.members[1].Keys().Pending)
	}
	if err := r.members[2].Rotate(keyOf(99)); nexus.CodeOf(err) != nexus.CodeUsage {
		t.Errorf("rotated at a member: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestANodeThatIsNotAdmittedGetsNoKeys: who was removed, or never admitted, hears nothing after a rotation; admitted again it comes back.
func TestANodeThatIsNotAdmittedGetsNoKeys(t *testing.T) {
	t.Parallel()
	r := newRingTeam(t, 3)
	r.mu.Lock()
	r.admitted = map[nexus.PublicKey]bool{signer(1).Public(): true, signer(2).Public(): true}
	r.mu.Unlock()
	gone := r.members[3]
	delete(r.members, 3)
	r.rotate()
	if gone.ring().Newest() != keyOf(1) {
		t.Fatal("a removed node has the new key")
	}
	eventually(t, time.Minute, "it is out", func() bool {
		n, _ := r.members[1].Members().Get(gone.Name())
		return n.State == cluster.StateFailed
	})
	r.members[3] = gone
	r.admit(signer(3).Public())
	r.settled()
	r.whole("admitted again it is in again")
}

// TestAHolderOfAGossipKeyNeitherLearnsNorChangesTheNextOne: the library's own key queries, sent by somebody who holds the key that is on its way out.
func TestAHolderOfAGossipKeyNeitherLearnsNorChangesTheNextOne(t *testing.T) {
	t.Parallel()
	r := newRingTeam(t, 2)
	r.admit(signer(3).Public())
	holder, err := Start(Config{Cluster: r.token.Cluster, GossipKey: keyOf(1).Secret, Key: signer(3).Public(), Label: "holder", Seeds: []string{r.home}})
	must(t, err)
	eventually(t, time.Minute, "it is seen", func() bool { return r.members[1].Members().Alive() == 3 })
	must(t, r.members[1].Rotate(keyOf(2))) // which waits for the holder, who takes no keys
	eventually(t, time.Minute, "the next key is installed", func() bool {
		return r.members[1].ring().Step() == cluster.KeysInstalled && r.members[2].ring().Step() == cluster.KeysInstalled
	})
	eventually(t, time.Minute, "the keeper waits for the holder alone", func() bool {
		got := r.members[1].Keys()
		return len(got.Behind) == 1 && got.Behind[0] == "holder" && got.Step == cluster.KeysInstalled && len(got.Accepted) == 2 && got.Used == keyOf(1).ID()
	})
	manager := holder.serf.KeyManager()
	listed, _ := manager.ListKeys() // an error: nobody answers
	if listed.NumNodes != 3 || len(listed.Keys) != 0 {
		t.Errorf("%d keys were told to the holder of an old one, %d members asked", len(listed.Keys), listed.NumNodes)
	}
	rogue := keyOf(77)
	_, _ = manager.InstallKey(base64.StdEncoding.EncodeToString(rogue.Secret[:]))
	_, _ = manager.UseKey(base64.StdEncoding.EncodeToString(rogue.Secret[:]))
	want := r.members[1].ring()
	eventually(t, time.Minute, "the ring is ours again", func() bool {
		have := r.members[1].keys.used.GetKeys()
		used, newest := want.Used(), want.Newest()
		return len(have) == 2 && bytes.Equal(have[0], used.Secret[:]) && bytes.Equal(have[1], newest.Secret[:])
	})
	must(t, holder.Shutdown())
	r.decided++
	r.settled() // a member that is gone holds nothing up
	if err := r.intrude(keyOf(1)); nexus.CodeOf(err) != nexus.CodeNoNode {
		t.Errorf("the old key is taken: %v", err)
	}
}

func TestKeyConfigLimits(t *testing.T) {
	t.Parallel()
	good := Config{Cluster: nexus.ID{1}, Key: signer(1).Public(), GossipKey: [32]byte{1},
		Keys: KeyConfig{Keeper: signer(1).Public(), Signer: signer(1), Generation: 1}}
	for name, change := range map[string]func(*KeyConfig){
		"no signer": func(k *KeyConfig) { k.Signer = nil }, "another's signer": func(k *KeyConfig) { k.Signer = signer(2) },
		"no generation": func(k *KeyConfig) { k.Generation = 0 }, "grace": func(k *KeyConfig) { k.Grace = -1 },
	} {
		c := good
		change(&c.Keys)
		if _, err := Start(c); nexus.CodeOf(err) != nexus.CodeUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
	a, err := Start(good)
	must(t, err)
	if err := errors.Join(a.Rotate(cluster.GossipKey{Generation: 2}), a.Shutdown()); nexus.CodeOf(err) != nexus.CodeMalformed {
		t.Errorf("an empty key: %v", err)
	}
}
