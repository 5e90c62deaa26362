package sshd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// dripping is a connection whose reader can turn to taking a byte now and then, or none at all.
type dripping struct {
	net.Conn
	every atomic.Int64  // nanoseconds for each byte; 0: as it comes; below: nothing
	over  chan struct{} // closed with it
	once  sync.Once
}

func (d *dripping) Read(p []byte) (int, error) {
	n, err := d.Conn.Read(p[:min(len(p), 1)])
	switch every := time.Duration(d.every.Load()); {
	case every < 0:
		<-d.over
		return 0, net.ErrClosed
	case every > 0:
		select {
		case <-time.After(every):
		case <-d.over:
		}
	}
	return n, err
}

func (d *dripping) Close() error {
	d.once.Do(func() { close(d.over) })
	return d.Conn.Close()
}

// drip logs in over a connection with a small buffer.
func (w *world) drip(t *testing.T) (*dripping, *gossh.Client) {
	t.Helper()
	c, err := net.Dial("tcp", w.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	d := &dripping{Conn: c, over: make(chan struct{})}
	t.Cleanup(func() { _ = d.Close() })
	signer, err := gossh.NewSignerFromKey(w.key)
	if err != nil {
		t.Fatal(err)
	}
	conn, chans, reqs, err := gossh.NewClientConn(d, w.Addr(), &gossh.ClientConfig{User: "any", Auth: []gossh.AuthMethod{gossh.PublicKeys(signer)},
		HostKeyCallback: gossh.InsecureIgnoreHostKey()})
	if err != nil {
		t.Fatal(err)
	}
	return d, gossh.NewClient(conn, chans, reqs)
}

// logged keeps a server's log. Safe for concurrent use.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(word string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), word)
}

// Sixteen take a byte now and then, or nothing, of a screen that is drawn for them without end. What they hold is bounded, others are
// served meanwhile, and they are ended with a reason. Not parallel: it counts what lives in this process.
func TestDripFeedReaders(t *testing.T) {
	const drips = 16
	log := &logged{}
	var wrote, begun atomic.Int64
	var w *world
	w = serveWith(t, Limits{Stall: 500 * time.Millisecond, Farewell: 100 * time.Millisecond, SessionsPerKey: 2 * drips}, func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(log, nil))
		c.Handle = func(ctx context.Context, s *Session) int {
			if s.Command == "echo" {
				return w.handle(ctx, s)
			}
			begun.Add(1)
			screen := bytes.Repeat([]byte("x"), 4<<10)
			for ctx.Err() == nil {
				n, err := s.Out.Write(screen)
				wrote.Add(int64(n))
				if err != nil {
					return 1
				}
			}
			return 0
		}
	})
	live := w.client(t)
	lived := heap()
	for i := range drips {
		d, c := w.drip(t)
		if err := session(t, c).Start("paint without end"); err != nil {
			t.Fatal(err)
		}
		d.every.Store(int64(20*time.Millisecond) * int64(1-2*(i%2)))
	}
	eventually(t, "all were there", func() bool { return begun.Load() == drips })
	for range 5 { // others are served
		began := time.Now()
		if out, _ := session(t, live).Output("echo"); string(out) != "hello eva\n" || time.Since(began) > 30*time.Second {
			t.Errorf("another session is answered %q after %v", out, time.Since(began))
		}
	}
	if cost := heap() - lived; cost > drips<<20 {
		t.Errorf("%d drips hold %d bytes", drips, cost)
	}
	for end := time.Now().Add(time.Minute); w.Sessions() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of them were never ended", w.Sessions())
		}
	}
	if n := wrote.Load(); n > drips*(1<<20) {
		t.Errorf("the kernel and the clients took %d bytes of the output of %d sessions that read next to nothing", n, drips)
	}
	if n := log.count("ssh session took no output"); n != drips {
		t.Errorf("the log names %d sessions", n)
	}
}

// A client whose window is full, and that hears the protocol all the same, is told why it is ended; its other sessions stay.
func TestAStalledClientIsToldWhy(t *testing.T) {
	t.Parallel()
	w := serve(t, Limits{Stall: 100 * time.Millisecond})
	c := w.client(t)
	other := session(t, c)
	if err := other.Start("wait"); err != nil {
		t.Fatal(err)
	}
	s := session(t, c)
	pr, pw := io.Pipe() // nobody reads
	defer pr.Close()
	s.Stdout = pw
	if err := s.Start("flood"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Wait() }() // ends with pr, or the session
	eventually(t, "it is ended, the other is not", func() bool { return w.Sessions() == 1 })
	_ = pr.Close()
	var exit *gossh.ExitError
	if err := <-ended; !errors.As(err, &exit) || exit.Signal() != "PIPE" || !strings.Contains(exit.Msg(), "took none of its output for 100ms") {
		t.Errorf("told %v", err)
	}
}

// When the server closes, a terminal is given back before its connection goes, and its user is told; a command's results stay as they are.
func TestCloseSaysGoodbye(t *testing.T) {
	t.Parallel()
	const leave = "\x1b[?1049l"
	w := serveWith(t, Limits{}, func(c *Config) {
		handle := c.Handle
		c.Handle = func(ctx context.Context, s *Session) int {
			code := handle(ctx, s)
			if s.Terminal {
				time.Sleep(50 * time.Millisecond) // as a console takes a moment to end its goroutines
				_, _ = io.WriteString(s.Out, leave)
				code = 0
			}
			return code
		}
	})
	screen, command := session(t, w.client(t)), session(t, w.client(t))
	var shown, said bytes.Buffer
	screen.Stdout, command.Stderr = &shown, &said
	if err := errors.Join(screen.RequestPty("xterm", 24, 80, nil), screen.Shell(), command.Start("wait")); err != nil {
		t.Fatal(err)
	}
	<-w.arrived
	<-w.arrived
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var exit *gossh.ExitError
	if err := screen.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != 3 || shown.String() != leave+"nexus: this session ends: the node is stopping\r\n" {
		t.Errorf("a terminal ends with %v, %q", err, shown.String())
	}
	if err := command.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != 3 || said.String() != "nexus: this session ends: the node is stopping\n" {
		t.Errorf("a command ends with %v, %q", err, said.String())
	}
}
