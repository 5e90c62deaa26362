package gossip

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/serf/serf"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster"
)

// reduceAll handles a Serf event and those that wait behind it. Membership events only say that something changed: the View is rebuilt from Serf's list, once
// for all of them, and member events are the difference between two Views, so a dropped event loses nothing for long.
func (a *Agent) reduceAll(e serf.Event) {
	changed := false
	for {
		switch e := e.(type) {
		case serf.MemberEvent:
			changed = true
		case serf.UserEvent:
			a.checkpoint(e)
		}
		select {
		case e = <-a.pump:
			continue
		default:
		}
		break
	}
	if changed {
		a.rebuild()
	}
}

func (a *Agent) checkpoint(e serf.UserEvent) {
	if e.Name != checkpointEvent {
		return
	}
	var c cluster.Checkpoint
	if err := nexus.Decode(e.Payload, &c); err != nil {
		a.cfg.Logger.Info("checkpoint announcement does not read", "component", "gossip", "err", err)
		return
	}
	select {
	case a.checkpoints <- c:
	default:
		a.dropped.Add(1)
	}
}

// rebuild makes a new View from Serf's list and emits what changed.
func (a *Agent) rebuild() {
	now := time.Now()
	members := a.serf.Members()
	next := make(map[string]cluster.Node, len(members))
	nodes := make([]cluster.Node, 0, len(members))
	for _, m := range members {
		n := a.node(m)
		n.ChangedMs = now.UnixMilli()
		if old, ok := a.known[n.Name]; ok && old.State == n.State {
			n.ChangedMs = old.ChangedMs
		}
		next[n.Name] = n
		nodes = append(nodes, n)
	}
	a.version++
	view := cluster.NewView(a.version, nodes, a.cfg.Admitted())
	a.view.Store(&view)
	old := a.known
	a.known = next
	for name := range a.pings {
		if _, ok := next[name]; !ok {
			delete(a.pings, name)
		}
	}
	for _, n := range view.Nodes() {
		before, seen := old[n.Name]
		if kind := change(before, seen, n); kind != "" {
			a.emit(cluster.MemberEvent{Kind: kind, Node: n, TimeMs: now.UnixMilli()})
		}
	}
	for name, n := range old {
		// Reaped: gone from the list after a day. If it was not known to be gone, say so now.
		if _, ok := next[name]; !ok && (n.State == cluster.StateAlive || n.State == cluster.StateLeaving) {
			n.State = cluster.StateLeft
			a.emit(cluster.MemberEvent{Kind: cluster.EventLeave, Node: n, TimeMs: now.UnixMilli()})
		}
	}
}

// change names the difference between two sightings, "" for none worth an event.
func change(before cluster.Node, seen bool, n cluster.Node) cluster.EventKind {
	switch {
	case n.State == cluster.StateAlive && (!seen || before.State == cluster.StateLeft):
		return cluster.EventJoin
	case n.State == cluster.StateAlive && before.State == cluster.StateFailed:
		return cluster.EventRecovered
	case n.State == cluster.StateFailed && (!seen || before.State != cluster.StateFailed):
		return cluster.EventFailed
	case n.State == cluster.StateLeft && (!seen || before.State != cluster.StateLeft):
		return cluster.EventLeave
	case seen && (before.Addr != n.Addr || before.Record != n.Record || before.APIAddr != n.APIAddr ||
		before.Label != n.Label || before.Role != n.Role || before.Key != n.Key):
		return cluster.EventUpdate
	}
	return ""
}

func (a *Agent) emit(e cluster.MemberEvent) {
	select {
	case a.events <- e:
	default:
		a.dropped.Add(1)
	}
}

// node translates a Serf member. Tags are claims of whoever holds the gossip key: what does not parse stays zero,
// and a zero key is never admitted.
func (a *Agent) node(m serf.Member) cluster.Node {
	n := cluster.Node{Name: m.Name, Label: clip(m.Tags[tagLabel]), APIAddr: clip(m.Tags[tagAPI]),
		Role: cluster.Role(clip(m.Tags[tagRole])), Addr: net.JoinHostPort(m.Addr.String(), strconv.Itoa(int(m.Port))),
		State: stateOf(m.Status), Self: m.Name == a.name}
	if n.Key.UnmarshalText([]byte(m.Tags[tagKey])) != nil {
		n.Key = nexus.PublicKey{}
	}
	if n.Record.UnmarshalText([]byte(m.Tags[tagRecord])) != nil {
		n.Record = nexus.Hash{}
	}
	if version, err := strconv.ParseUint(clip(m.Tags[tagKeys]), 10, 64); err == nil {
		n.KeyVersion = version
	}
	if n.Self || n.State != cluster.StateAlive {
		return n
	}
	if p, ok := a.pings[m.Name]; ok && time.Since(p.at) < 6*pingInterval {
		n.RTT, n.RTTSource = p.rtt, cluster.RTTPing
	} else if rtt, ok := a.estimate(m.Name); ok {
		n.RTT, n.RTTSource = rtt, cluster.RTTEstimate
	}
	return n
}

func clip(s string) string {
	if len(s) > maxTagBytes {
		s = s[:maxTagBytes]
	}
	return s
}

func stateOf(s serf.MemberStatus) cluster.State {
	switch s {
	case serf.StatusAlive:
		return cluster.StateAlive
	case serf.StatusLeaving:
		return cluster.StateLeaving
	case serf.StatusLeft:
		return cluster.StateLeft
	default:
		return cluster.StateFailed
	}
}

// estimate is the distance of two Vivaldi coordinates. On loopback it means little, hence the pings.
func (a *Agent) estimate(name string) (time.Duration, bool) {
	other, ok := a.serf.GetCachedCoordinate(name)
	if !ok {
		return 0, false
	}
	own, err := a.serf.GetCoordinate()
	if err != nil || !own.IsCompatibleWith(other) {
		return 0, false
	}
	return own.DistanceTo(other), true
}

// pingInterval is the time between two measured pings; members take turns, so one of N is measured every N intervals.
const pingInterval = time.Second

type pingResult struct {
	name string
	rtt  time.Duration
}

// runPinger measures one live member per interval by a memberlist ping (UDP, at most one probe timeout). The
// reducer owns the results.
func (a *Agent) runPinger(ctx context.Context, results chan<- pingResult, done chan<- struct{}) {
	defer close(done)
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	for turn := 0; ; turn++ {
		if n, ok := pingTarget(a.Members().Nodes(), turn); ok {
			if addr, err := net.ResolveUDPAddr("udp", n.Addr); err == nil {
				if rtt, err := a.serf.Memberlist().Ping(n.Name, addr); err == nil {
					select {
					case results <- pingResult{name: n.Name, rtt: rtt}:
					case <-ctx.Done():
						return
					case <-a.stop:
						return
					}
				}
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		case <-a.stop:
			return
		}
	}
}

func pingTarget(nodes []cluster.Node, turn int) (cluster.Node, bool) {
	var live []cluster.Node
	for _, n := range nodes {
		if !n.Self && n.State == cluster.StateAlive {
			live = append(live, n)
		}
	}
	if len(live) == 0 {
		return cluster.Node{}, false
	}
	return live[turn%len(live)], true
}

// resyncAfter is when an agent that has started compares its list with another member's, besides the library's own comparisons: of members that join together
// some announcements are lost, and those come only after half a minute, or several in a large cluster.
var resyncAfter = [...]time.Duration{time.Second, 3 * time.Second, 8 * time.Second, 20 * time.Second}

// runResyncs does these comparisons, each with a live member by chance. One under way ends within the library's TCP timeout.
func (a *Agent) runResyncs(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	begin := time.Now()
	for _, after := range resyncAfter {
		wait := time.NewTimer(time.Until(begin.Add(after + rand.N(after/2)))) //nolint:gosec // so that not all come at once
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return
		case <-a.stop:
			wait.Stop()
			return
		}
		n, ok := pingTarget(a.Members().Nodes(), rand.Int()) //nolint:gosec // any of them
		if !ok {
			continue
		}
		if _, err := a.serf.Memberlist().Join([]string{n.Name + "/" + n.Addr}); err != nil {
			a.cfg.Logger.Debug("lists not compared", "component", "gossip", "with", n.Name, "error", err)
		}
	}
}

// conflict is a claim that contradicts what is known.
type conflict struct {
	member serf.Member
	detail string
}

// mergeWatcher sees every member Serf hears of, before it is taken in. It never refuses: whoever holds the gossip key
// could only disturb more, and the View marks what does not fit as unadmitted. It must not call Serf, whose locks are
// held.
type mergeWatcher struct{ agent *Agent }

// NotifyMerge implements serf.MergeDelegate.
func (w mergeWatcher) NotifyMerge(members []*serf.Member) error {
	view := w.agent.Members()
	for _, m := range members {
		if detail := contradiction(view, *m, w.agent.cfg.Key, w.agent.name); detail != "" {
			select {
			case w.agent.conflicts <- conflict{member: *m, detail: detail}:
			default:
				w.agent.dropped.Add(1)
			}
		}
	}
	return nil
}

// contradiction says why a claim cannot be true together with what is known, "" when it can.
func contradiction(view cluster.View, m serf.Member, ownKey nexus.PublicKey, ownName string) string {
	var key nexus.PublicKey
	if err := key.UnmarshalText([]byte(m.Tags[tagKey])); err != nil || cluster.NodeName(key) != m.Name {
		return "name is not the hash of the key it comes with"
	}
	known, ok := view.Get(m.Name)
	if !ok || known.State != cluster.StateAlive || m.Status == serf.StatusLeft {
		return ""
	}
	addr := net.JoinHostPort(m.Addr.String(), strconv.Itoa(int(m.Port)))
	if known.Addr == addr {
		return ""
	}
	who := "a live member"
	if m.Name == ownName && key == ownKey {
		who = "this node"
	}
	return fmt.Sprintf("%s is at %s, somebody claims its name from %s", who, known.Addr, addr)
}

// conflictQuiet is how long the same contradiction is not reported again.
const conflictQuiet = 5 * time.Second

func (a *Agent) reportConflict(c conflict) {
	n := a.node(c.member)
	now := time.Now()
	if last, ok := a.reported[c.detail]; ok && now.Sub(last) < conflictQuiet {
		return
	}
	if len(a.reported) >= 256 {
		clear(a.reported)
	}
	a.reported[c.detail] = now
	a.cfg.Logger.Warn("membership conflict", "component", "gossip", "name", n.Name, "detail", c.detail)
	a.emit(cluster.MemberEvent{Kind: cluster.EventConflict, Node: n, Detail: c.detail, TimeMs: now.UnixMilli()})
}
