package host

import (
	"context"
	"log/slog"
	stdslices "slices"
	"strings"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// Route is where the sessions of one host lead.
type Route struct {
	Slice   string // id of the slice, in text
	Address string // of the unit's program, "127.0.0.1:8080"; empty: nothing is deployed
}

// Config of a Host.
type Config struct {
	Limits  session.Limits
	Tickets session.Tickets
	Route   func(host string) (Route, bool) // from the table in force; called from many goroutines
	Logger  *slog.Logger                    // nil: discards
	NewID   func() nexus.ID                 // nil: random
}

// tickEvery is how often acknowledgements are collected.
const tickEvery = 20 * time.Millisecond

// Host holds sessions. Safe for concurrent use. It implements session.Attacher.
type Host struct {
	config Config
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	wake   chan struct{} // there may be something to tick for

	mu      sync.Mutex // guards everything below
	home    *session.Home
	ports   map[session.Attachment]*line
	streams map[nexus.ID]*stream
	next    session.Attachment
	edges   map[string][]string
	counts  map[string]*counts
	closed  bool
}

// New starts a host without sessions. End it with Close.
func New(c Config) *Host {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Limits = c.Limits.WithDefaults()
	h := &Host{config: c, log: c.Logger.With("component", "session"), wake: make(chan struct{}, 1),
		home:  session.NewHome(c.Limits, c.Tickets, c.NewID),
		ports: map[session.Attachment]*line{}, streams: map[nexus.ID]*stream{}, edges: map[string][]string{}, counts: map[string]*counts{}}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.wg.Go(h.tickLoop)
	return h
}

// Close ends every session with the reason "home is stopping" and returns when no goroutine of the host runs any more.
func (h *Host) Close() {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		for id := range h.streams {
			h.act(h.home.End(id, "home is stopping"))
		}
	}
	h.mu.Unlock()
	h.cancel()
	h.wg.Wait()
}

// line is one client's connection.
type line struct {
	host  *Host
	at    session.Attachment
	visit session.Visit
	port  session.Port
	slice string
	hello bool // its first frame has come
	id    nexus.ID
}

// Attach implements session.Attacher. The route decides slice and program, not what the edge says.
func (h *Host) Attach(v session.Visit, p session.Port) (session.Line, error) {
	route, ok := h.config.Route(v.Host)
	if !ok {
		return nil, nexus.Errf("session attach", nexus.CodeNotFound, "host "+v.Host, "use a host that is served here", "no route")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, nexus.Errf("session attach", nexus.CodeUnavailable, "home", "connect elsewhere", "is stopping")
	}
	h.next++
	l := &line{host: h, at: h.next, visit: v, port: p, slice: route.Slice}
	h.ports[l.at] = l
	return l, nil
}

// Frame implements session.Line.
func (l *line) Frame(b []byte) {
	f, err := session.ParseFrame(b)
	h := l.host
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ports[l.at] != l {
		return // closed a moment ago
	}
	var r session.Result
	now := time.Now()
	switch {
	case err != nil:
		h.home.Lost(now, l.at)
		r.Outs = []session.Out{{To: l.at, Close: true,
			Frame: session.Frame{Type: session.FrameClose, Payload: []byte("edge: " + err.Error())}}}
	case !l.hello:
		l.hello = true
		if r, err = h.home.Hello(now, l.at, l.slice, f); err == nil {
			l.id, _ = h.home.SessionOf(l.at)
			if list := h.edgeList(l.visit); list != nil {
				r.Outs = append(r.Outs, session.Out{To: l.at, Frame: session.Frame{Type: session.FrameEdges, Payload: list}})
			}
		}
	default:
		r, err = h.home.Frame(now, l.at, f)
	}
	if err != nil {
		h.log.Debug("connection refused", "session", l.id.String(), "edge", l.visit.Edge, "error", err)
	}
	for _, id := range r.Opened {
		h.open(id, l)
	}
	for _, trip := range r.Trips {
		h.count(trip.Slice).trip(now, l.visit.Edge, trip.Took)
	}
	h.act(r)
	if s := h.streams[l.id]; s != nil {
		if f.Type == session.FrameAck || f.Type == session.FrameHello {
			s.acknowledged()
		}
	}
	h.stir()
}

// Lost implements session.Line.
func (l *line) Lost() {
	h := l.host
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost(l)
}

func (h *Host) lost(l *line) {
	if h.ports[l.at] == l {
		delete(h.ports, l.at)
		h.home.Lost(time.Now(), l.at)
	}
}

// act does what a call to the home leads to: messages to programs first, then frames to clients. The mutex is held, so all of it
// happens in the order of the calls.
func (h *Host) act(r session.Result) {
	for _, m := range r.Messages {
		if s := h.streams[m.Session]; s != nil {
			s.push(m)
		}
	}
	for _, o := range r.Outs {
		l := h.ports[o.To]
		if l == nil {
			continue
		}
		if !l.port.Deliver(o.Frame.Encode(), o.Close) || o.Close {
			h.lost(l)
		}
	}
	for _, m := range r.Moved {
		h.count(m.Slice).moved(time.Now(), m.Kind)
	}
	for _, id := range r.Ended {
		if s := h.streams[id]; s != nil {
			h.count(s.slice).sessions--
			delete(h.streams, id)
			s.finish()
		}
	}
}

// stir wakes the ticking goroutine.
func (h *Host) stir() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// tickLoop ticks while there are sessions and sleeps while there are none.
func (h *Host) tickLoop() {
	t := time.NewTimer(tickEvery)
	defer t.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-t.C:
		}
		h.mu.Lock()
		h.act(h.home.Tick(time.Now()))
		idle := h.home.Sessions() == 0
		h.mu.Unlock()
		if idle {
			select {
			case <-h.ctx.Done():
				return
			case <-h.wake:
			}
		}
		t.Reset(tickEvery)
	}
}

// SetEdge tells the home, and through it every client, the addresses of one edge; none takes it off the list. An address is
// scheme, name and port; "*" for the name stands for the session's own host: "wss://*:8443". Schemes: ws and wss for WebSocket, https
// for WebTransport.
func (h *Host) SetEdge(name string, addresses []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(addresses) == 0 {
		delete(h.edges, name)
	} else {
		h.edges[name] = addresses
	}
	for at, l := range h.ports {
		if list := h.edgeList(l.visit); l.hello && list != nil {
			h.act(session.Result{Outs: []session.Out{{To: at, Frame: session.Frame{Type: session.FrameEdges, Payload: list}}}})
		}
	}
}

// addresses lists where a client of the given connection can go, but for one edge and some addresses: never from TLS to plain.
func (h *Host) addresses(v session.Visit, except string, leave []string) []string {
	var out []string
	for _, name := range sortedKeys(h.edges) {
		if name == except {
			continue
		}
		for _, a := range h.edges[name] {
			// Workers of one edge share their address: during an upgrade it is listed twice.
			full := session.ExpandAddress(a, v.Host)
			if secure := !strings.HasPrefix(a, "ws://"); secure == v.Secure && !stdslices.Contains(leave, a) && !stdslices.Contains(out, full) {
				out = append(out, full)
			}
		}
	}
	return out
}

func (h *Host) edgeList(v session.Visit) []byte {
	list := h.addresses(v, "", nil)
	if len(list) == 0 {
		return nil
	}
	return []byte(strings.Join(list, "\n"))
}

// Drain asks the clients of every session whose newest connection is at the named edge to go elsewhere, and gives their number. It
// repeats for those that come back; an edge drains by calling it until Attached says 0. Leave are addresses, as SetEdge takes them, to which nobody is
// sent whatever edge they are listed for: those of ports that are about to close.
func (h *Host) Drain(edge string, leave []string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	asked := 0
	for id := range h.streams {
		at := h.home.Attached(id)
		if len(at) == 0 {
			continue
		}
		l := h.ports[at[len(at)-1]]
		if l == nil || l.visit.Edge != edge {
			continue
		}
		to := h.addresses(l.visit, edge, leave)
		if len(to) == 0 {
			continue
		}
		if r, err := h.home.Move(time.Now(), id, to); err == nil {
			h.act(r)
			asked++
		}
	}
	return asked
}

// Move asks one session's client to go to one of the given addresses. Error: nexus.CodeNotFound.
func (h *Host) Move(id nexus.ID, to []string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, err := h.home.Move(time.Now(), id, to)
	h.act(r)
	return err
}
