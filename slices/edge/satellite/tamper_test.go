//go:build linux

package satellite

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/session/link"
)

// watched is an edge in this process with a home that can be changed for another at the same path, and what the home heard.
type watched struct {
	socket string
	addr   string
	log    *logged

	mu    sync.Mutex
	heard TableState // newest, by the home of the moment
	stop  func()
}

// home starts a home at the edge's path, in the place of the one before.
func (w *watched) home(t *testing.T, table []byte) *link.Server {
	t.Helper()
	if w.stop != nil {
		w.stop()
	}
	if err := os.Remove(w.socket); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", w.socket)
	if err != nil {
		t.Fatal(err)
	}
	h := link.NewServer(noSessions{}, slog.New(slog.DiscardHandler))
	h.OnReport = func(_ string, b []byte) {
		r, err := DecodeReport(b)
		if err != nil {
			t.Errorf("report: %v", err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.heard = r.Table
	}
	h.SetTable(table)
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = h.Serve(ctx, ln) }) // ends with the context
	w.stop = func() { cancel(); serving.Wait() }
	return h
}

// knows reports whether the home has heard of n refusals of a kind.
func (w *watched) knows(kind string, n uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heard.Refused[kind] == n
}

// stands reports whether the home has heard last that a refusal stands.
func (w *watched) stands() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heard.Standing
}

// says gets testHost through the edge.
func (w *watched) says(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	read(t, w.addr, &b)
	return b.String()
}

func backendThatSays(t *testing.T, word string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, word) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// startWatched starts an edge beside a home with a first table.
func startWatched(t *testing.T, table []byte) (*watched, *link.Server) {
	t.Helper()
	dir, err := os.MkdirTemp("", "nxtamper") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{socket: filepath.Join(dir, "home"), log: &logged{}}
	h := w.home(t, table)
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan Ready, 1)
	var running sync.WaitGroup
	running.Go(func() {
		err := Run(ctx, Config{Name: "edge-1", Home: w.socket, Addr: "127.0.0.1:0", DrainFor: 100 * time.Millisecond,
			Logger: slog.New(slog.NewTextHandler(w.log, nil)), OnReady: func(r Ready) { ready <- r }})
		if err != nil {
			t.Errorf("edge: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait(); w.stop(); _ = os.RemoveAll(dir) })
	select {
	case r := <-ready:
		w.addr = r.Addr
	case <-time.After(time.Minute):
		t.Fatal("the edge does not serve")
	}
	return w, h
}

// attack is what an edge is sent after a table that it serves.
type attack struct {
	what, kind string
	bytes      []byte
	keeps      bool // the link stays
}

func attacks(t *testing.T, evil string, inForce []byte) []attack {
	at := func(run byte, index, number uint64, edit func(*tableFile)) []byte {
		f := fileOf(t, evil, run, index, number)
		if edit != nil {
			edit(&f)
		}
		return sealed(t, testKey, f)
	}
	cut, flipped := inForce[:len(inForce)/2], append([]byte(nil), inForce...)
	flipped[len(flipped)/2] ^= 1
	unsealed := append([]byte{'{'}, inForce[len(sealBegin)+2*sealBytes+len(sealEnd):]...)
	return []attack{
		{"cut short", RefusedDamaged, cut, false},
		{"a bit changed", RefusedDamaged, flipped, false},
		{"without a seal", RefusedDamaged, unsealed, false},
		{"older", RefusedOld, at(1, 20, 4, nil), true},
		{"of an older ledger", RefusedOld, at(2, 19, 1, nil), true},
		{"of the same number", RefusedForked, at(1, 20, 5, nil), false},
		{"of another cluster", RefusedForeign, at(1, 21, 6, func(f *tableFile) { f.Cluster[0]++ }), false},
		{"of another home", RefusedForeign, sealed(t, otherKey, fileOf(t, evil, 9, 21, 6)), false},
		{"a host claimed twice", RefusedUnfit, at(1, 21, 6, func(f *tableFile) { f.Routes = append(f.Routes, f.Routes[0]) }), true},
		{"more promised than there is", RefusedUnfit, at(1, 21, 6, func(f *tableFile) { f.Slices[0].GuaranteedBps = f.Capacity }), true},
		{"without a capacity", RefusedUnfit, at(1, 21, 6, func(f *tableFile) { f.Capacity = 0 }), true},
	}
}

// TestTamperedTablesAreRefused: each is refused, counted by its kind, logged and told to the home, while the table before serves; a true one after it is taken.
func TestTamperedTablesAreRefused(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	good, evil := backendThatSays(t, "good"), backendThatSays(t, "evil")
	inForce := sealed(t, testKey, fileOf(t, good, 1, 20, 5))
	w, home := startWatched(t, inForce)
	counts := map[string]uint64{}
	for _, a := range attacks(t, evil, inForce) {
		counts[a.kind]++
		begin := time.Now()
		home.SetTable(a.bytes)
		if !a.keeps {
			home.SetTable(inForce) // what the home has for the next link: else it would be refused again
		}
		eventually(ctx, t, a.what+" is told to the home", func() bool { return w.knows(a.kind, counts[a.kind]) })
		t.Logf("%s: refused as %s, the home knows after %v", a.what, a.kind, time.Since(begin))
		eventually(ctx, t, a.what+" has a line of the log", func() bool { return w.log.has("kind=" + a.kind) }) // the report may be the quicker
		if said := w.says(t); said != "good" {
			t.Errorf("%s: the edge serves %q", a.what, said)
		}
		if !a.keeps { // the refusal may be told before its link ends; what is sent before the next one stands reaches nobody
			eventually(ctx, t, "the edge is back at its home after "+a.what, func() bool { return !w.stands() })
		}
	}
	if !w.stands() {
		t.Error("the newest was refused, and the edge does not say so")
	}
	home.SetTable(sealed(t, testKey, fileOf(t, backendThatSays(t, "next"), 1, 21, 7)))
	eventually(ctx, t, "a true table is taken", func() bool { return w.says(t) == "next" })
	eventually(ctx, t, "the home knows that nothing is refused now", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return !w.heard.Standing && w.heard.Index == 21 && w.heard.Number == 7
	})
}

// TestAnotherAtTheHomesPath: with another home at the socket's path, or a process of another user, the edge serves what it had, and the true home hears of it
// when it is back.
func TestAnotherAtTheHomesPath(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	good, evil := backendThatSays(t, "good"), backendThatSays(t, "evil")
	inForce := sealed(t, testKey, fileOf(t, good, 1, 20, 5))
	w, _ := startWatched(t, inForce)
	w.home(t, sealed(t, otherKey, fileOf(t, evil, 9, 99, 99)))
	eventually(ctx, t, "another home is refused", func() bool { return w.log.has("kind=" + RefusedForeign) })
	if said := w.says(t); said != "good" {
		t.Errorf("beside another home the edge serves %q", said)
	}
	if os.Geteuid() == 0 { // only root can be somebody else; who is a stranger is TestWhoIsAStranger's
		w.stop()
		stop := listenAs(t, 65534, w.socket)
		eventually(ctx, t, "another user's socket is refused", func() bool { return w.log.has("kind=" + RefusedStranger) })
		if said := w.says(t); said != "good" {
			t.Errorf("beside another user's socket the edge serves %q", said)
		}
		stop()
		w.stop = nil
	}
	w.home(t, inForce)
	eventually(ctx, t, "the true home hears of it", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.heard.Refused[RefusedForeign] > 0 && (os.Geteuid() != 0 || w.heard.Refused[RefusedStranger] > 0) && !w.heard.Standing
	})
	if said := w.says(t); said != "good" {
		t.Errorf("back at its home the edge serves %q", said)
	}
}

// listenAs makes a socket that belongs to another user's thread; a connection to it waits there unread.
func listenAs(t *testing.T, uid int, path string) (stop func()) {
	t.Helper()
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	made := make(chan net.Listener)
	go func() {
		defer close(made)
		runtime.LockOSThread() // never unlocked: the thread ends with its user
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
			t.Errorf("setresuid: %v", errno)
			return
		}
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Errorf("listen as user %d: %v", uid, err)
			return
		}
		made <- ln
	}()
	ln, ok := <-made
	if !ok {
		t.FailNow()
	}
	return func() { _ = ln.Close() }
}

// TestWhoIsAStranger: the process's own user and root are none, and the refusal names both users and the socket.
func TestWhoIsAStranger(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		listens  uint32
		own      int
		stranger bool
	}{{1000, 1000, false}, {0, 1000, false}, {0, 0, false}, {1001, 1000, true}, {1000, 0, true}} {
		err := checkUser(c.listens, c.own, "/s")
		if (err != nil) != c.stranger {
			t.Errorf("%+v: %v", c, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "/s") || !strings.Contains(err.Error(), "listens there, this process runs as")) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
