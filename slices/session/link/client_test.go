package link

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// attaching is a home that counts who comes.
type attaching struct {
	mu sync.Mutex
	n  int
}

func (a *attaching) Attach(session.Visit, session.Port) (session.Line, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n++
	return nil, nexus.Errf("attach", nexus.CodeUnavailable, "session", "", "none in this test")
}
func (*attaching) SetEdge(string, []string)   {}
func (*attaching) Drain(string, []string) int { return 0 }

// port takes what comes and throws it away.
type port struct{}

func (port) Deliver([]byte, bool) bool { return true }

// doubtful is an edge that takes an old table for no proof, and a foreign one for the proof that it is not its home's.
func doubtful(path string, seen chan<- string) *Client {
	dial := func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "unix", path) }
	return NewClient(dial, Greeting{Name: "edge"}, func(b []byte) (bool, error) {
		defer func() { seen <- string(b) }()
		switch string(b) {
		case "old":
			return false, nil
		case "foreign":
			return false, errors.New("not my home")
		}
		return true, nil
	}, slog.New(slog.DiscardHandler))
}

// TestNobodyIsAttachedToAStranger: over a link whose other end has not shown that it is the home no client is attached, however long it stands; a table that is
// refused with an error ends it; once one is taken, clients are attached.
func TestNobodyIsAttachedToAStranger(t *testing.T) {
	home, quiet := &attaching{}, slog.New(slog.DiscardHandler)
	s := NewServer(home, quiet)
	left := make(chan error, 8)
	s.OnLeave = func(_ string, cause error) { left <- cause }
	s.SetTable([]byte("old"))
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { _ = s.Serve(ctx, ln) }) // ends with ctx
	seen := make(chan string, 8)
	c := doubtful(ln.Addr().String(), seen)
	running.Go(func() { _ = c.Run(ctx) }) // ends with ctx
	next := func(want string) {
		t.Helper()
		select {
		case got := <-seen:
			if got != want {
				t.Fatalf("table %q, wanted %q", got, want)
			}
		case <-ctx.Done():
			t.Fatalf("no table %q", want)
		}
	}
	attach := func() error { _, err := c.Attach(session.Visit{}, port{}); return err }
	next("old")
	if err := attach(); nexus.CodeOf(err) != nexus.CodeUnavailable {
		t.Errorf("attached to who sends an old table: %v", err)
	}
	s.SetTable([]byte("foreign"))
	next("foreign")
	select {
	case <-left:
	case <-ctx.Done():
		t.Fatal("the link to a stranger stays")
	}
	s.SetTable([]byte("true"))
	if got := <-seen; got == "foreign" { // it may have dialled again before
		next("true")
	}
	for attach() != nil {
		if ctx.Err() != nil {
			t.Fatal("nobody is attached to the home")
		}
		time.Sleep(time.Millisecond)
	}
	for home.count() == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if n := home.count(); n == 0 {
		t.Error("nobody came to the home")
	}
	s.SetTable([]byte("old"))
	next("old")
	if err := attach(); err != nil {
		t.Errorf("an old table on the home's link took its clients: %v", err)
	}
}

func (a *attaching) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.n
}
