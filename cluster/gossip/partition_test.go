package gossip

import (
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/BobbyBlanco400/nexus-cos/cluster"
)

var discarded = slog.New(slog.DiscardHandler)

// network is what lies between the agents of a test: it can be cut in two.
type network struct {
	mu   sync.Mutex
	side map[string]bool // by address
	cut  atomic.Bool
	lost atomic.Int64 // packets and calls that the cut has stopped
}

// apart reports whether two addresses are on different sides of a cut.
func (n *network) apart(from, to string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.cut.Load() || n.side[from] == n.side[to] {
		return false
	}
	n.lost.Add(1)
	return true
}

// leg is an agent's end of the network: the library's own sockets behind it.
type leg struct {
	*memberlist.NetTransport
	net  *network
	addr string
}

// join gives an agent its end, on a side.
func (n *network) join(side bool) func(*memberlist.Config) (memberlist.NodeAwareTransport, error) {
	return func(m *memberlist.Config) (memberlist.NodeAwareTransport, error) {
		bound, err := bind(m, log.New(&logWriter{log: discarded}, "", 0))
		if err != nil {
			return nil, err
		}
		inner := bound.(*memberlist.NetTransport)
		l := &leg{inner, n, fmt.Sprintf("%s:%d", m.BindAddr, m.BindPort)}
		n.mu.Lock()
		defer n.mu.Unlock()
		n.side[l.addr] = side
		return l, nil
	}
}

// WriteTo implements memberlist.Transport.
func (l *leg) WriteTo(b []byte, addr string) (time.Time, error) {
	return l.WriteToAddress(b, memberlist.Address{Addr: addr})
}

// WriteToAddress implements memberlist.NodeAwareTransport: a packet into a cut is lost without a word.
func (l *leg) WriteToAddress(b []byte, to memberlist.Address) (time.Time, error) {
	if l.net.apart(l.addr, to.Addr) {
		return time.Now(), nil
	}
	return l.NetTransport.WriteToAddress(b, to)
}

// DialTimeout implements memberlist.Transport.
func (l *leg) DialTimeout(addr string, limit time.Duration) (net.Conn, error) {
	return l.DialAddressTimeout(memberlist.Address{Addr: addr}, limit)
}

// DialAddressTimeout implements memberlist.NodeAwareTransport.
func (l *leg) DialAddressTimeout(to memberlist.Address, limit time.Duration) (net.Conn, error) {
	if l.net.apart(l.addr, to.Addr) {
		time.Sleep(min(limit, 200*time.Millisecond)) // as a call that nobody answers takes its time
		return nil, errors.New("no route to " + to.Addr)
	}
	return l.NetTransport.DialAddressTimeout(to, limit)
}

// TestPartitionHeals: six agents are cut into two halves. Each half sees the other fail and keeps its own; when the cut is over all views are whole again.
// It holds the figure of docs/edge-figures.md: within 10 s of the heal, on a machine that is not short of processors.
func TestPartitionHeals(t *testing.T) { // alone: it is about time
	const agents = 6
	m, n := newTeam(t), &network{side: map[string]bool{}}
	var all []*running
	for seed := byte(1); seed <= agents; seed++ {
		m.admit(signer(seed).Public())
		all = append(all, m.join(seed, func(c *Config) { c.transport = n.join(seed > agents/2) }))
	}
	whole := func() bool { return everybody(all, func(i, j int) bool { return true }) }
	eventually(t, 30*time.Second, "all see all", whole)
	n.cut.Store(true)
	eventually(t, 60*time.Second, "each half sees the other fail and itself alive", func() bool {
		return everybody(all, func(i, j int) bool { return (i < agents/2) == (j < agents/2) })
	})
	for i, a := range all { // a membership is a hint: who was admitted stays so, whoever sees it fail
		if got := a.Members().Len(); got != agents {
			t.Errorf("agent %d lists %d members, %d wanted", i, got, agents)
		}
	}
	if n.lost.Load() == 0 {
		t.Error("the cut stopped nothing, so nothing was tested")
	}
	n.cut.Store(false)
	took := eventually(t, 60*time.Second, "all see all again", whole)
	if took > 10*time.Second {
		t.Logf("the aim is 10 s")
	}
	for _, a := range all {
		if err := a.stop(); err != nil {
			t.Error(err)
		}
	}
}

// everybody reports whether each agent sees each member as alive or failed, as it should.
func everybody(all []*running, alive func(i, j int) bool) bool {
	for i, a := range all {
		for j, b := range all {
			want := "failed"
			if alive(i, j) {
				want = "alive"
			}
			if n, ok := a.Members().Get(b.Name()); !ok || n.Status() != want {
				return false
			}
		}
	}
	return true
}

// TestFalseAlarmsOnABusyMachine: agents whose processors are busy with something else. An agent that is taken for dead though it lives is a flap: they are
// counted and shown. What is judged is that none lasts. (50 agents for an hour in make soak, as in docs/edge-figures.md.)
func TestFalseAlarmsOnABusyMachine(t *testing.T) { // alone: it keeps all processors busy
	agents, watch := byte(8), 3*time.Second
	if os.Getenv("NEXUS_SOAK") != "" {
		agents, watch = 50, time.Hour
	}
	m := newTeam(t)
	var all []*running
	for seed := byte(1); seed <= agents; seed++ {
		m.admit(signer(seed).Public())
		all = append(all, m.join(seed, func(c *Config) { c.Seeds = c.Seeds[:min(2, len(c.Seeds))] }))
	}
	whole := func() bool { return everybody(all, func(i, j int) bool { return true }) }
	eventually(t, time.Minute, "all see all", whole)
	stop := make(chan struct{})
	var burning sync.WaitGroup
	for range runtime.NumCPU() {
		burning.Go(func() { burn(stop) })
	}
	flaps := 0
	for end := time.Now().Add(watch); time.Now().Before(end); {
		for _, a := range all {
			for more := true; more; {
				select {
				case e := <-a.Events():
					if e.Kind == cluster.EventFailed {
						flaps++
					}
				default:
					more = false
				}
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	close(stop)
	burning.Wait()
	t.Logf("%d agents for %s on busy processors: %d false alarms", agents, watch, flaps)
	eventually(t, time.Minute, "all see all afterwards", whole)
	for _, a := range all {
		if err := a.stop(); err != nil {
			t.Error(err)
		}
	}
}

// burn uses four fifths of a processor.
func burn(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
		for begin := time.Now(); time.Since(begin) < 8*time.Millisecond; {
			_ = strings.Repeat("x", 100)
		}
	}
}
