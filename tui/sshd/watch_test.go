package sshd

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	gossh "golang.org/x/crypto/ssh"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// reading counts what comes and keeps none of it.
type reading struct{ n *atomic.Int64 }

func (r reading) Write(p []byte) (int, error) {
	r.n.Add(int64(len(p)))
	return len(p), nil
}

// heap is what lives after a collection, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// pictures serves a screen to each session, again whenever it can receive from next.
func pictures(t *testing.T, known nexus.PublicKey, screen []byte, next <-chan struct{}, most int) *Server {
	t.Helper()
	s, err := Listen(Config{Addr: "127.0.0.1:0", HostKeyFile: filepath.Join(t.TempDir(), "host"), Limits: Limits{SessionsPerKey: most, Logins: most},
		Known: func(k nexus.PublicKey) (string, error) {
			if k != known {
				return "", errors.New("unknown")
			}
			return "eva", nil
		},
		Handle: func(ctx context.Context, v *Session) int {
			for {
				if _, err := v.Out.Write(screen); err != nil {
					return 1
				}
				select {
				case <-next:
				case <-ctx.Done():
					return 0
				}
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Fifty people watch a screen that is drawn for each of them, and half of them leave by cutting their line. While they watch, what they
// cost is bounded; when they have left, no goroutine, no place and no memory is theirs. Not parallel: it counts what lives in this process.
func TestFiftyWatch(t *testing.T) {
	const watchers = 50
	screen := []byte("\x1b[H" + strings.Repeat("x", 80*24))
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	known := nexus.PublicKey(key.Public().(ed25519.PublicKey))
	next := make(chan struct{}) // a receive is a new picture
	lived, ran := heap(), runtime.NumGoroutine()
	s := pictures(t, known, screen, next, watchers)
	w := &world{Server: s, key: key}
	var got [watchers]atomic.Int64
	var conns []*gossh.Client
	for i := range watchers {
		c, _, err := w.dial(key)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		conns = append(conns, c)
		v := session(t, c)
		v.Stdout, v.Stderr = reading{&got[i]}, io.Discard
		if err := errors.Join(v.RequestPty("xterm-256color", 24, 80, nil), v.Shell()); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 * watchers {
		next <- struct{}{}
	}
	eventually(t, "each has pictures and all have all", func() bool {
		var all int64
		for i := range got {
			n := got[i].Load()
			if n < int64(len(screen)) {
				return false
			}
			all += n
		}
		return all == int64(len(screen))*101*watchers
	})
	if n := s.Sessions(); n != watchers {
		t.Errorf("%d sessions", n)
	}
	// Both ends live in this process, 101 screens of 2 kB went to each: a megabyte a head is far above what a connection holds.
	if cost := heap() - lived; cost > watchers<<20 {
		t.Errorf("%d watchers hold %d bytes", watchers, cost)
	}
	for i, c := range conns {
		if i%2 == 0 {
			_ = c.Close()
		}
	}
	eventually(t, "half of them have gone", func() bool { n, _ := s.door.count(); return n == watchers/2 && s.Sessions() == watchers/2 })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, "none of their goroutines runs, at either end", func() bool { return runtime.NumGoroutine() <= ran })
	if n, logins := s.door.count(); n != 0 || logins != 0 || s.Sessions() != 0 {
		t.Errorf("%d connections, %d logins, %d sessions are left", n, logins, s.Sessions())
	}
	if left := heap() - lived; left > 8<<20 {
		t.Errorf("%d bytes are left of them", left)
	}
}
