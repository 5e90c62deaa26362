package gossip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	stdslices "slices"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster"
)

// Limits of the pace at which keys are fetched and rotated.
const (
	fetchPauseMax = 5 * time.Second // between two tries of a member that gets no keys
	resumedTicks  = 20              // that a keeper which restarts in the midst of a rotation waits for its members to be there
)

// keyState is what an agent has of the gossip keys.
type keyState struct {
	used    *memberlist.Keyring // the library's own, which has a lock of its own
	telling sync.Mutex          // held while tags are set

	mu      sync.Mutex // guards what follows
	ring    cluster.Keyring
	pending cluster.GossipKey // at the keeper: decided and not begun; generation 0 is none
	since   time.Time         // when the ring's step began
	token   cluster.GossipKey // at a member that has kept keys: that of its join token; generation 0, empty when there is none
	record  nexus.Hash
	apiAddr string

	// Owned by runKeys, after Start.
	pause time.Duration // before the next try
	after time.Time     // no try before
}

// keeper reports whether this node makes the keys.
func (a *Agent) keeper() bool { return !a.cfg.Keys.Keeper.IsZero() && a.cfg.Keys.Keeper == a.cfg.Key }

// openKeys decides with which keys the agent starts: those that it kept, or the one it was given.
func (a *Agent) openKeys() error {
	k := &a.cfg.Keys
	given := cluster.GossipKey{Secret: a.cfg.GossipKey}
	if a.keeper() {
		given.Generation = k.Generation
	}
	a.keys.ring, a.keys.since = cluster.SettledKeyring(given), time.Now()
	if !k.Keeper.IsZero() && k.Store != "" {
		kept, err := loadKeys(k.Store, a.cfg.Cluster, k.Keeper)
		switch code := nexus.CodeOf(err); {
		case err == nil:
			a.takeKept(kept, given)
		case code == nexus.CodeCorrupt: // a copy: what it held is made or fetched again
			a.cfg.Logger.Warn("kept gossip keys are of no use", "component", "gossip", "error", err)
		case code != nexus.CodeNotFound:
			return err
		}
	}
	if a.keeper() {
		if err := a.save(a.keys.ring); err != nil {
			return err
		}
	}
	used := a.keys.ring.Used()
	keyring, err := memberlist.NewKeyring(nil, used.Secret[:])
	if err != nil {
		return err
	}
	a.keys.used = keyring
	a.enforce(a.keys.ring)
	return nil
}

// takeKept chooses between kept keys and the given one. At the keeper the replicated state is what counts: a file from before goes on to what was decided,
// one that knows more (the ledger was restored) or another key of that generation is none of ours.
func (a *Agent) takeKept(kept cluster.Keyring, given cluster.GossipKey) {
	switch newest := kept.Newest(); {
	case !a.keeper():
		a.keys.ring, a.keys.token = kept, given
	case newest.Generation < given.Generation:
		a.keys.ring, a.keys.pending = kept, given
	case newest == given:
		a.keys.ring = kept
	}
	if a.keys.ring.Step() != cluster.KeysSettled {
		a.keys.since = time.Now().Add(resumedTicks * a.cfg.Keys.tick)
	}
}

func (a *Agent) save(ring cluster.Keyring) error {
	k := &a.cfg.Keys
	if k.Store == "" || ring.Version == 0 {
		return nil
	}
	return saveKeys(k.Store, keyFile{Cluster: a.cfg.Cluster, Keeper: k.Keeper, Ring: ring.Encode()})
}

var errStopped = errors.New("stopped by the test")

// adopt makes a ring this node's: first in its file, then in use, then told to the others. A crash between leaves a file that is ahead by one step, which is
// what the node starts with; steps next to each other understand each other.
func (a *Agent) adopt(ring cluster.Keyring) error {
	a.keys.mu.Lock()
	defer a.tellLate()
	defer a.keys.mu.Unlock()
	if bytes.Equal(ring.Encode(), a.keys.ring.Encode()) {
		return nil
	}
	if err := a.save(ring); err != nil {
		return err
	}
	if crash := a.cfg.Keys.crash; crash != nil && crash(ring) {
		return errStopped
	}
	a.keys.ring, a.keys.since = ring, time.Now()
	a.enforce(ring)
	a.cfg.Logger.Info("gossip keys changed", "component", "gossip", "version", ring.Version, "step", ring.Step().String(), "used", ring.Used().ID())
	return nil
}

// tellLate tells the version when it is not the one told, without a verdict: the next turn tries again.
func (a *Agent) tellLate() {
	if a.serf == nil || a.serf.LocalMember().Tags[tagKeys] == a.tags()[tagKeys] {
		return
	}
	if err := a.tell(); err != nil {
		a.cfg.Logger.Info("version of gossip keys not told", "component", "gossip", "error", err)
	}
}

// tags are what the others are told of this node now.
func (a *Agent) tags() map[string]string {
	a.keys.mu.Lock()
	defer a.keys.mu.Unlock()
	tags := a.cfg.tags()
	tags[tagRecord], tags[tagAPI] = a.keys.record.String(), a.keys.apiAddr
	if v := a.keys.ring.Version; v > 0 {
		tags[tagKeys] = strconv.FormatUint(v, 10)
	}
	return tags
}

func (a *Agent) tell() error {
	a.keys.telling.Lock()
	defer a.keys.telling.Unlock()
	return a.serf.SetTags(a.tags())
}

// enforce makes the library use this ring and nothing else. Whoever holds a gossip key can change the library's ring by its own queries; a turn later it is
// ours again. Older keys are removed last first, so that the library moves none that another goroutine reads.
func (a *Agent) enforce(ring cluster.Keyring) (changed bool) {
	used := ring.Used()
	want := map[[32]byte]bool{}
	for _, key := range ring.Keys {
		want[key.Secret] = true
	}
	have := a.keys.used.GetKeys()
	changed = len(have) != len(want) || !bytes.Equal(have[0], used.Secret[:])
	for _, key := range have {
		changed = changed || !want[[32]byte(key)]
	}
	if !changed {
		return false
	}
	for _, key := range ring.Keys {
		_ = a.keys.used.AddKey(stdslices.Clone(key.Secret[:])) // 32 bytes
	}
	_ = a.keys.used.UseKey(used.Secret[:]) // was added
	for _, key := range stdslices.Backward(stdslices.Clone(a.keys.used.GetKeys())) {
		if len(key) != len(used.Secret) || !want[[32]byte(key)] {
			_ = a.keys.used.RemoveKey(key) // not the one in use
		}
	}
	return true
}

func (a *Agent) ring() cluster.Keyring {
	a.keys.mu.Lock()
	defer a.keys.mu.Unlock()
	return a.keys.ring
}

// Rotate has the keeper go on to a newer key that was decided. It returns at once: the steps are taken while Run runs, and a restart that is given the same
// generation goes on with them. A generation that is there already, or under way, is no error and changes nothing. CodeUsage elsewhere than at the keeper.
func (a *Agent) Rotate(key cluster.GossipKey) error {
	if !a.keeper() {
		return nexus.Errf("rotate gossip key", nexus.CodeUsage, "node "+a.name, "ask the node that holds the ledger", "is not the keeper of the keys")
	}
	if err := cluster.SettledKeyring(key).Validate(); err != nil {
		return err
	}
	a.keys.mu.Lock()
	defer a.keys.mu.Unlock()
	if key.Generation > max(a.keys.ring.Newest().Generation, a.keys.pending.Generation) {
		a.keys.pending = key
	}
	return nil
}

// KeyStatus is how this node stands with the gossip keys. It holds no secret.
type KeyStatus struct {
	Version  uint64
	Step     cluster.KeyStep
	Used     string       // ID of the key that messages are encrypted with
	Accepted []KeyName    // the older first
	Pending  uint64       // generation that was decided and waits for the rotation under way; 0 is none
	Behind   []string     // at the keeper: labels of admitted members that are alive and not at this version
	Keeper   cluster.Node // as this node sees it; zero when it does not
}

// KeyName is a key without its secret.
type KeyName struct {
	Generation uint64
	ID         string
}

// Keys is the present status.
func (a *Agent) Keys() KeyStatus {
	a.keys.mu.Lock()
	ring, pending := a.keys.ring, a.keys.pending.Generation
	a.keys.mu.Unlock()
	s := KeyStatus{Version: ring.Version, Step: ring.Step(), Used: ring.Used().ID()}
	for _, key := range ring.Keys {
		s.Accepted = append(s.Accepted, KeyName{Generation: key.Generation, ID: key.ID()})
	}
	if pending > ring.Newest().Generation {
		s.Pending = pending
	}
	view := a.Members()
	s.Keeper, _ = view.Get(cluster.NodeName(a.cfg.Keys.Keeper))
	if a.keeper() {
		s.Behind = behind(view, ring.Version)
	}
	return s
}

// TokenKey is the key that a join token carries: the newest that all accept.
func (a *Agent) TokenKey() [32]byte { return a.ring().Newest().Secret }

// behind lists admitted members that live and are not at a version.
func behind(view cluster.View, version uint64) []string {
	var out []string
	for _, n := range view.Nodes() {
		if !n.Self && n.Routable() && n.KeyVersion != version {
			out = append(out, n.Label)
		}
	}
	return out
}

// firstJoin fetches the present keys, if there may be any, and joins through the seeds. A node that kept keys of long ago and was given a new token gets in
// by the token's.
func (a *Agent) firstJoin() error {
	if len(a.cfg.Seeds) == 0 {
		return nil
	}
	if a.member() {
		if ring, _, err := a.fetchAny(a.cfg.Seeds); err != nil {
			a.cfg.Logger.Info("no gossip keys fetched", "component", "gossip", "error", err)
		} else if err := a.adopt(ring); err != nil {
			return err
		}
	}
	_, err := a.Join(a.cfg.Seeds)
	token := a.keys.token
	if err == nil || token.Secret == [32]byte{} {
		return err
	}
	if adopted := a.adopt(cluster.SettledKeyring(token)); adopted != nil { // version 0: the file stays
		return errors.Join(err, adopted)
	}
	_, err = a.Join(a.cfg.Seeds)
	return err
}

// member reports whether this node gets its keys from another.
func (a *Agent) member() bool { return !a.cfg.Keys.Keeper.IsZero() && !a.keeper() }

// fetchAny asks at each address until the keeper answers there.
func (a *Agent) fetchAny(addrs []string) (ring cluster.Keyring, from string, err error) {
	err = errors.New("nowhere to ask")
	for _, addr := range addrs {
		if ring, err = a.fetch(addr); err == nil || errors.Is(err, errNotAdmitted) {
			return ring, addr, err
		}
		err = fmt.Errorf("%s: %w", addr, err)
	}
	return cluster.Keyring{}, "", err
}

// runKeys takes the turns of a keeper or of a member until ctx ends or the agent is shut down.
func (a *Agent) runKeys(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	if a.cfg.Keys.Keeper.IsZero() {
		return
	}
	ticker := time.NewTicker(a.cfg.Keys.tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.stop:
			return
		case <-ticker.C:
		}
		if a.enforce(a.ring()) {
			a.cfg.Logger.Warn("somebody with a gossip key changed this node's keys; they are its own again", "component", "gossip")
		}
		a.tellLate()
		turn := a.memberTurn
		if a.keeper() {
			turn = a.keeperTurn
		}
		if err := turn(); errors.Is(err, errStopped) {
			return
		} else if err != nil {
			a.cfg.Logger.Warn("gossip keys not changed", "component", "gossip", "error", err)
		}
	}
}

// keeperTurn begins what was decided, and ends a step when all have it or the grace is over.
func (a *Agent) keeperTurn() error {
	a.keys.mu.Lock()
	ring, pending, since := a.keys.ring, a.keys.pending, a.keys.since
	a.keys.mu.Unlock()
	if ring.Step() == cluster.KeysSettled {
		if pending.Generation <= ring.Primary {
			return nil
		}
		next, err := ring.Install(pending)
		if err != nil {
			return err
		}
		return a.adopt(next)
	}
	took := time.Since(since)
	late := behind(a.Members(), ring.Version)
	if took < 2*a.cfg.Keys.tick || len(late) > 0 && took < a.cfg.Keys.Grace {
		return nil
	}
	if len(late) > 0 {
		a.cfg.Logger.Warn("members have not taken the gossip keys in time and will fetch them", "component", "gossip", "members", late)
	}
	return a.adopt(ring.Advance())
}

// memberTurn fetches the ring when the keeper says that it has another one, or cannot be heard: then the reason may be that it has.
func (a *Agent) memberTurn() error {
	keeper, known := a.Members().Get(cluster.NodeName(a.cfg.Keys.Keeper))
	heard := known && keeper.State == cluster.StateAlive
	k := &a.keys
	if heard && keeper.KeyVersion == a.ring().Version {
		k.pause, k.after = 0, time.Time{}
		return nil
	}
	if time.Now().Before(k.after) {
		return nil
	}
	addrs := stdslices.Clone(a.cfg.Seeds)
	if known {
		addrs = append([]string{keeper.Addr}, addrs...)
	}
	ring, from, err := a.fetchAny(addrs)
	if err == nil {
		err = a.adopt(ring)
	}
	if err == nil && !heard {
		_, err = a.Join([]string{from})
	}
	if errors.Is(err, errStopped) {
		return err
	}
	k.pause = min(max(2*k.pause, 2*a.cfg.Keys.tick), fetchPauseMax)
	if err == nil {
		k.pause = a.cfg.Keys.tick
	}
	k.after = time.Now().Add(k.pause)
	if err != nil {
		a.cfg.Logger.Info("no gossip keys fetched", "component", "gossip", "error", err)
	}
	return nil
}
