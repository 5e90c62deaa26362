package edge

import (
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
)

// crowd is clients to whom a backend says the same.
type crowd struct {
	mu   sync.Mutex
	subs map[net.Conn]struct{}
}

// subscribe keeps a connection until its end.
func (c *crowd) subscribe(nc net.Conn) {
	c.mu.Lock()
	c.subs[nc] = struct{}{}
	c.mu.Unlock()
	_, _ = io.Copy(io.Discard, nc)
	c.mu.Lock()
	delete(c.subs, nc)
	c.mu.Unlock()
}

func (c *crowd) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.subs)
}

func (c *crowd) say(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for nc := range c.subs {
		_, _ = io.WriteString(nc, what)
	}
}

// TestACrowdHasAThread: a pump has a thread for itself while it serves a crowd, if there is one left; without one it serves all the same.
func TestACrowdHasAThread(t *testing.T) {
	t.Parallel()
	pumps := max(1, runtime.GOMAXPROCS(0)/2)
	for _, c := range []struct {
		name          string
		each          int // clients of each pump
		before, taken int
	}{
		{"a crowd", pumpCrowd, 0, pumps},
		{"one less", pumpCrowd - 1, 0, 0},
		{"no thread left", pumpCrowd, pumpThreadsMax, pumpThreadsMax},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := &crowd{subs: map[net.Conn]struct{}{}}
			s := unit("s")
			g := gateway(t, table(t, []Route{route("a.test", s, switching(t, nil, b.subscribe))}, s))
			g.threads.taken.Store(int32(c.before))
			clients, readers := make([]net.Conn, c.each*pumps), make([]io.Reader, c.each*pumps)
			for i := range clients {
				clients[i] = dialed(t, g.Addr())
				readers[i] = switchedTo(t, clients[i])
			}
			eventually(t, "all are there", func() bool { return b.count() == len(clients) })
			heard := func(i int, want string) {
				t.Helper()
				got := make([]byte, len(want))
				if _, err := io.ReadFull(readers[i], got); err != nil || string(got) != want {
					t.Fatalf("client %d got %q and %v, want %q", i, got, err, want)
				}
			}
			for _, what := range []string{"one", "two"} {
				b.say(what)
				for i := range clients {
					heard(i, what)
				}
			}
			if got := int(g.threads.taken.Load()); got != c.taken {
				t.Errorf("%d threads are taken, want %d of %d pumps and %d before", got, c.taken, pumps, c.before)
			}
			for _, nc := range clients[pumps:] { // one is left of each pump
				_ = nc.Close()
			}
			eventually(t, "the others are gone", func() bool { return b.count() == pumps && g.Snapshot()[0].Gateway.Sessions == int64(pumps) })
			b.say("few")
			for i := range pumps {
				heard(i, "few")
			}
			if got := int(g.threads.taken.Load()); got != c.before {
				t.Errorf("%d threads are taken of few clients, want %d", got, c.before)
			}
			for _, nc := range clients[:pumps] {
				_ = nc.Close()
			}
			eventually(t, "no pump without a connection", func() bool { return pumpsOf(g, s) == 0 })
		})
	}
}

// TestAPumpThatEndsGivesItsThreadBack: without another event, when its last connection is closed.
func TestAPumpThatEndsGivesItsThreadBack(t *testing.T) {
	t.Parallel()
	var threads pumpThreads
	all := &pumps{threads: &threads}
	var relays []*relay
	for range pumpCrowd * max(1, runtime.GOMAXPROCS(0)/2) {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Close(fds[1]) })
		r := newRelay(fds[0])
		if !all.join(r) {
			t.Fatal("no pump")
		}
		relays = append(relays, r)
	}
	for _, r := range relays { // each socket has room: its pump is woken
		r.mu.Lock()
		r.room = true
		r.watch()
		r.mu.Unlock()
		<-r.writable
	}
	if threads.taken.Load() == 0 {
		t.Error("no thread is taken")
	}
	for _, r := range relays {
		_ = r.Close()
	}
	eventually(t, "every thread was given back", func() bool { return threads.taken.Load() == 0 && all.running() == 0 })
}
