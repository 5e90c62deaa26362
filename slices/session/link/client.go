package link

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

const (
	// redialEvery is the pause between attempts to reach the home.
	redialEvery = 100 * time.Millisecond
	// strangerEvery is the pause after meeting somebody who is not the home (NotHome), and never had been on that link.
	strangerEvery = time.Second
)

// Client is an edge's end. It implements session.Attacher. Safe for concurrent use.
type Client struct {
	dial     func(context.Context) (net.Conn, error)
	greeting Greeting
	onTable  func([]byte) (proven bool, err error)
	log      *slog.Logger

	mu    sync.Mutex
	out   *sender // nil: no link
	home  bool    // what came over out has shown that it is the home's
	ports map[uint64]session.Port
	next  uint64
	count chan int // answers to drain

	reporting sync.Mutex // one report at a time
	reports   uint64
	taken     chan uint64 // capacity 1: the number of a report that was taken
}

// NewClient makes an edge's end; Run links it. onTable gets what to serve each time the home sends it, from one goroutine; the
// bytes are its own. It reports whether they show that it is the home who sends them: only then clients are attached over this link. Its error ends the link.
func NewClient(dial func(context.Context) (net.Conn, error), g Greeting, onTable func([]byte) (proven bool, err error), log *slog.Logger) *Client {
	return &Client{dial: dial, greeting: g, onTable: onTable, log: log.With("component", "session-link"), ports: map[uint64]session.Port{},
		count: make(chan int, 1), taken: make(chan uint64, 1)}
}

// Run keeps a link to the home until ctx ends. When it breaks, every client on it is sent away to another edge, and the home is
// dialled again.
func (c *Client) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		pause := redialEvery
		conn, err := c.dial(ctx)
		if err == nil {
			if c.serve(ctx, conn) {
				pause = strangerEvery
			}
		} else {
			if errors.As(err, new(NotHome)) {
				pause = strangerEvery
			}
			c.log.Debug("home not reached", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// serve is one link from its greeting to its end. It reports whether the other end was found not to be the home, and never had shown that it is.
func (c *Client) serve(ctx context.Context, conn net.Conn) (stranger bool) {
	out := newSender(conn)
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, out.close)
	var writer sync.WaitGroup
	writer.Go(func() { out.run(done) })
	hello, err := json.Marshal(c.greeting)
	if err == nil {
		out.put(kindHello, 0, hello, false)
		c.mu.Lock()
		c.out, c.home = out, false
		c.mu.Unlock()
		err = c.read(newReceiver(conn))
	}
	stop()
	close(done)
	out.close()
	writer.Wait()
	c.mu.Lock()
	stranger = !c.home && errors.As(err, new(NotHome))
	c.out, c.home = nil, false
	ports := c.ports
	c.ports = map[uint64]session.Port{}
	c.mu.Unlock()
	for _, p := range ports {
		p.Deliver(awayFrame("its home does not answer"), true)
	}
	if ctx.Err() == nil {
		c.log.Warn("link to the home lost", "clients", len(ports), "cause", err)
	}
	return stranger
}

// NotHome is the error of a dial or a table that shows that the other end is not the home: it is not asked again at once.
type NotHome struct{ Err error }

func (e NotHome) Error() string { return e.Err.Error() }

// Unwrap gives what showed it.
func (e NotHome) Unwrap() error { return e.Err }

// awayFrame tells a client that this edge cannot serve it: the session goes on elsewhere.
func awayFrame(why string) []byte {
	return session.Frame{Type: session.FrameClose, Payload: []byte("edge: " + why)}.Encode()
}

func (c *Client) read(in *receiver) error {
	for {
		m, err := in.next()
		if err != nil {
			return err
		}
		switch m.kind {
		case kindFrame, kindLast:
			c.deliver(m.at, append([]byte(nil), m.body...), m.kind == kindLast)
		case kindRefuse:
			c.deliver(m.at, awayFrame(string(m.body)), true)
		case kindTable:
			proven, err := c.onTable(append([]byte(nil), m.body...))
			if err != nil {
				return NotHome{err}
			}
			if proven {
				c.mu.Lock()
				c.home = true
				c.mu.Unlock()
			}
		case kindCount:
			select {
			case c.count <- int(m.at):
			default:
			}
		case kindTaken:
			select {
			case c.taken <- m.at:
			default: // nobody waits for it any more
			}
		}
	}
}

func (c *Client) deliver(at uint64, frame []byte, last bool) {
	c.mu.Lock()
	p := c.ports[at]
	if last {
		delete(c.ports, at)
	}
	c.mu.Unlock()
	if p != nil && !p.Deliver(frame, last) && !last {
		c.lost(at)
	}
}

// Attach implements session.Attacher.
func (c *Client) Attach(v session.Visit, p session.Port) (session.Line, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	out := c.out
	if !c.home { // what a client says is for its home alone
		out = nil
	}
	c.next++
	at := c.next
	if out != nil {
		c.ports[at] = p
	}
	c.mu.Unlock()
	if out == nil || !out.put(kindAttach, at, body, true) {
		return nil, nexus.Errf("session attach", nexus.CodeUnavailable, "edge "+c.greeting.Name, "connect to another edge", "no link to the home")
	}
	return &nearLine{c, out, at}, nil
}

func (c *Client) lost(at uint64) {
	c.mu.Lock()
	_, there := c.ports[at]
	delete(c.ports, at)
	out := c.out
	c.mu.Unlock()
	if there && out != nil {
		out.put(kindLost, at, nil, true)
	}
}

// Drain asks the home to send this edge's clients elsewhere, but not to the addresses in leave, and gives how many were asked; it returns 0 when none
// is left or the home does not answer in time. A home of an older program knows of no leave.
func (c *Client) Drain(ctx context.Context, leave []string) int {
	c.mu.Lock()
	out := c.out
	c.mu.Unlock()
	if out == nil || !out.put(kindDrain, 0, []byte(strings.Join(leave, "\n")), true) {
		return 0
	}
	select {
	case n := <-c.count:
		return n
	case <-ctx.Done():
		return 0
	}
}

// Report sends what this edge measured, in the caller's own encoding, and returns how long the home took to say that it has it: the
// round trip over the link. Reports lost with a link are not sent again. Error: nexus.CodeUnavailable without a link, ctx's when it
// ended first. A home that takes no reports would end the link: it says in its table whether it does.
func (c *Client) Report(ctx context.Context, b []byte) (time.Duration, error) {
	c.reporting.Lock()
	defer c.reporting.Unlock()
	c.mu.Lock()
	out := c.out
	c.mu.Unlock()
	c.reports++
	begin := time.Now()
	if out == nil || !out.put(kindReport, c.reports, b, true) {
		return 0, nexus.Errf("edge report", nexus.CodeUnavailable, "edge "+c.greeting.Name, "it is sent again in some seconds", "no link to the home")
	}
	for {
		select {
		case n := <-c.taken:
			if n == c.reports { // an earlier one's comes late when its Report was not waited for
				return time.Since(begin), nil
			}
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// Clients is the number of connections on the link.
func (c *Client) Clients() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ports)
}

// nearLine is a client's connection on this edge.
type nearLine struct {
	client *Client
	out    *sender
	at     uint64
}

// Frame implements session.Line.
func (l *nearLine) Frame(b []byte) { l.out.put(kindFrame, l.at, b, true) }

// Lost implements session.Line.
func (l *nearLine) Lost() { l.client.lost(l.at) }
