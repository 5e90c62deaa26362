package host

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// Headers that the unit's program gets with the session's WebSocket.
const (
	SessionHeader = "Nexus-Session"   // the session's id: the same for its whole life, through every move
	EdgeHeader    = "Nexus-Edge"      // the edge that the client came by first
	ClientHeader  = "X-Forwarded-For" // the client's address then
)

// dialTimeout bounds the connection to the program.
const dialTimeout = 5 * time.Second

// stream is the WebSocket to the program of one session.
type stream struct {
	host    *Host
	id      nexus.ID
	slice   string
	visit   session.Visit
	address string
	done    chan struct{} // closed when the session has ended
	room    chan struct{} // the client acknowledged something
	work    chan struct{} // there is something to write

	mu      sync.Mutex // taken inside the host's mutex, never around it
	queue   []session.Message
	bytes   int
	once    sync.Once
	limited bool
}

// open begins the stream of a new session; the host's mutex is held.
func (h *Host) open(id nexus.ID, l *line) {
	l.id = id
	route, _ := h.config.Route(l.visit.Host)
	s := &stream{host: h, id: id, slice: l.slice, visit: l.visit, address: route.Address, done: make(chan struct{}),
		room: make(chan struct{}, 1), work: make(chan struct{}, 1)}
	h.streams[id] = s
	h.count(s.slice).sessions++
	h.wg.Go(s.run)
}

func (s *stream) finish()       { s.once.Do(func() { close(s.done) }) }
func (s *stream) acknowledged() { signal(s.room) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// push queues a message for the program; the host's mutex is held. A client that sends far beyond the window which it was told is
// no client of ours: its session ends.
func (s *stream) push(m session.Message) {
	s.mu.Lock()
	s.queue = append(s.queue, m)
	s.bytes += len(m.Payload)
	over := s.bytes > 4*s.host.config.Limits.RetainBytes && !s.limited && !s.host.closed
	s.limited = s.limited || over
	s.mu.Unlock()
	if over {
		s.host.wg.Go(func() { s.host.End(s.id, "more was sent than the window holds") })
	}
	signal(s.work)
}

func (s *stream) pop() (m session.Message, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		s.queue = nil
		return m, false
	}
	m, s.queue = s.queue[0], s.queue[1:]
	s.bytes -= len(m.Payload)
	return m, true
}

// End ends a session and tells its client why.
func (h *Host) End(id nexus.ID, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.act(h.home.End(id, reason))
}

// run connects to the program and carries messages until the session or the program ends.
func (s *stream) run() {
	ctx, cancel := context.WithCancel(s.host.ctx)
	defer cancel()
	ws, err := s.dial(ctx)
	if err != nil {
		s.host.log.Debug("program not reached", "session", s.id.String(), "host", s.visit.Host, "error", err)
		s.host.End(s.id, "the service behind "+s.visit.Host+" does not answer")
		return
	}
	read := make(chan string, 1)
	s.host.wg.Go(func() { read <- s.readProgram(ctx, ws) })
	wrote := s.writeProgram(ctx, ws, read)
	cancel()
	_ = ws.CloseNow() // closed in order before, or gone
	if wrote != "" {
		s.host.End(s.id, wrote)
	}
}

func (s *stream) dial(ctx context.Context) (*websocket.Conn, error) {
	if s.address == "" {
		return nil, errors.New("nothing is deployed")
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	header := http.Header{}
	for name, value := range s.visit.Header {
		header.Set(name, value)
	}
	header.Set(SessionHeader, s.id.String())
	header.Set(EdgeHeader, s.visit.Edge)
	header.Set(ClientHeader, s.visit.Remote)
	ws, _, err := websocket.Dial(ctx, "ws://"+s.address+s.visit.Path, &websocket.DialOptions{HTTPHeader: header, Host: s.visit.Host,
		CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(session.MaxPayloadBytes - 1)
	return ws, nil
}

// readProgram carries messages from the program to the client and gives the reason why it ended. While the window is full the
// program is not read: TCP tells it to wait.
func (s *stream) readProgram(ctx context.Context, ws *websocket.Conn) string {
	for {
		kind, b, err := ws.Read(ctx)
		if err != nil {
			var closed websocket.CloseError
			if errors.As(err, &closed) && closed.Reason != "" {
				return closed.Reason
			}
			return "the service has ended the session"
		}
		payload := make([]byte, 1, 1+len(b))
		payload[0] = session.KindBinary
		if kind == websocket.MessageText {
			payload[0] = session.KindText
		}
		if !s.send(ctx, append(payload, b...)) {
			return ""
		}
	}
}

func (s *stream) send(ctx context.Context, payload []byte) bool {
	for {
		s.host.mu.Lock()
		r, err := s.host.home.Send(s.id, payload)
		s.host.act(r)
		s.host.mu.Unlock()
		if err == nil {
			return true
		}
		if nexus.CodeOf(err) != nexus.CodeUnavailable {
			return false
		}
		select {
		case <-s.room:
		case <-ctx.Done():
			return false
		}
	}
}

// writeProgram carries messages from the client to the program. It gives the reason to end the session with, empty when the
// session has ended already.
func (s *stream) writeProgram(ctx context.Context, ws *websocket.Conn, read <-chan string) string {
	for {
		for m, ok := s.pop(); ok; m, ok = s.pop() {
			if m.Gap {
				return "messages of the client were given up"
			}
			if !s.write(ctx, ws, m) {
				return "the service has ended the session"
			}
		}
		select {
		case <-s.work:
		case reason := <-read:
			s.flush()
			return s.awaitClient(ctx, reason)
		case <-s.done:
			for m, ok := s.pop(); ok && !m.Gap && s.write(ctx, ws, m); m, ok = s.pop() {
			}
			_ = ws.Close(websocket.StatusNormalClosure, "the client has ended the session") // the program may have gone
			return ""
		case <-ctx.Done():
			_ = ws.Close(websocket.StatusGoingAway, "the home is stopping")
			return ""
		}
	}
}

func (s *stream) write(ctx context.Context, ws *websocket.Conn, m session.Message) bool {
	kind, payload := websocket.MessageBinary, m.Payload
	if len(payload) > 0 {
		if payload[0] == session.KindText {
			kind = websocket.MessageText
		}
		payload = payload[1:]
	}
	if err := ws.Write(ctx, kind, payload); err != nil {
		return false
	}
	s.host.mu.Lock()
	s.host.act(s.host.home.Taken(s.id, m.Seq))
	s.host.mu.Unlock()
	return true
}

// flush acknowledges nothing more: the program has gone; what it did not read is the client's to know by the reason.
func (s *stream) flush() {
	s.mu.Lock()
	s.queue, s.bytes = nil, 0
	s.mu.Unlock()
}

// awaitClient waits until the client has everything that the program sent before it ended; the home's own limit ends the wait for a
// client that stays away.
func (s *stream) awaitClient(ctx context.Context, reason string) string {
	if reason == "" {
		return ""
	}
	for {
		s.host.mu.Lock()
		n, held := s.host.home.Unacked(s.id)
		s.host.mu.Unlock()
		if !held {
			return ""
		}
		if n == 0 {
			return reason
		}
		select {
		case <-s.room:
		case <-s.done:
			return ""
		case <-ctx.Done():
			return ""
		}
	}
}
