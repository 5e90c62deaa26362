package roam

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// Options of Dial.
type Options struct {
	// URL of the program: "wss://host/path" or "ws://host/path" over WebSocket, "https://host/path" over WebTransport.
	URL string
	// Edges lists addresses to know before the home tells them: scheme, host and port, as "wss://host:8443".
	Edges []string
	// TLS is used for wss and https; nil: the system's roots.
	TLS *tls.Config
	// DialContext makes TCP connections; nil: a net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// MeasureEvery is the pause between looks for a nearer edge; 0: 30 s, negative: never.
	MeasureEvery time.Duration
	// OnMove is told each change of the edge in use; it must not block. Nil: nobody is told.
	OnMove func(Move)
}

// Move is a change of the edge in use.
type Move struct {
	From, To string // addresses; From is empty for the first
	At       time.Time
}

// Message is one message of the program's, as a WebSocket has them.
type Message struct {
	Text bool
	Data []byte
}

const (
	dialTimeout = 2 * time.Second
	tickEvery   = 10 * time.Millisecond
	retryEvery  = 50 * time.Millisecond
	raceWidth   = 2 // edges dialled at once when one has died
)

// Session is an open session. Safe for concurrent use; Receive by one goroutine at a time.
type Session struct {
	options Options
	path    string
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	inWake  chan struct{} // the inbox has something, or the session has ended
	room    chan struct{} // the window has room, or the session has ended
	opened  chan struct{} // closed at the first welcome or at the end

	mu      sync.Mutex // guards everything below
	core    *session.Client
	conns   map[session.Attachment]*conn
	next    session.Attachment
	edges   []string
	failed  map[string]time.Time // when an edge was last found dead
	dialing map[string]bool
	retryAt time.Time
	inbox   []session.Message
	current string
	ended   error
	isOpen  bool
}

// conn is one connection to an edge.
type conn struct {
	address string
	out     *outbox
	done    chan struct{} // closed when nothing is written any more
}

// wire is what a transport gives: whole frames both ways.
type wire interface {
	read(ctx context.Context) ([]byte, error)
	write(ctx context.Context, frame []byte) error
	close()
}

// Dial opens a session and returns when the first edge has welcomed it. Errors: CodeUsage for a bad URL, CodeUnavailable when no
// edge answers before ctx ends, CodeRefused when the home refuses.
func Dial(ctx context.Context, o Options) (*Session, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" && u.Scheme != "https" {
		return nil, nexus.Errf("session dial", nexus.CodeUsage, "URL "+o.URL, "wss://host/path, ws:// or https:// (WebTransport)", "not a session's URL")
	}
	if o.MeasureEvery == 0 {
		o.MeasureEvery = 30 * time.Second
	}
	s := &Session{options: o, path: u.RequestURI(), inWake: make(chan struct{}, 1), room: make(chan struct{}, 1), opened: make(chan struct{}),
		core: session.NewClient(session.Limits{}), conns: map[session.Attachment]*conn{}, failed: map[string]time.Time{}, dialing: map[string]bool{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.learn(append([]string{u.Scheme + "://" + u.Host}, o.Edges...))
	s.mu.Lock()
	s.connect(s.edges[0])
	s.mu.Unlock()
	s.wg.Go(s.tickLoop)
	if o.MeasureEvery > 0 {
		s.wg.Go(s.measureLoop)
	}
	select {
	case <-s.opened:
	case <-ctx.Done():
		s.end(nexus.Errf("session dial", nexus.CodeUnavailable, o.URL, "look whether an edge is up", "%w", ctx.Err()))
	}
	s.mu.Lock()
	err = s.ended
	s.mu.Unlock()
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// learn adds addresses of the session's own transport to those known; the caller holds the mutex, or nobody else has the session yet.
func (s *Session) learn(addresses []string) {
	for _, a := range addresses {
		known := strings.HasPrefix(a, "https://") != strings.HasPrefix(s.options.URL, "https://") // of no use
		for _, e := range s.edges {
			known = known || e == a
		}
		if !known {
			s.edges = append(s.edges, a)
		}
	}
}

// ID is the session's id.
func (s *Session) ID() nexus.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.ID()
}

// Edge is the address of the edge in use, empty while there is none.
func (s *Session) Edge() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// Edges lists the edges known.
func (s *Session) Edges() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.edges...)
}

// Unacked is the number of messages that the home has not acknowledged yet.
func (s *Session) Unacked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.Unacked()
}

// MoveTo asks for a connection through another edge; the present one goes on until that one is in use.
func (s *Session) MoveTo(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connect(address)
}

// Send sends a message; it waits while the window is full of what the home has not acknowledged. Errors: those of ctx; the reason
// of the session's end; CodeMalformed for a message above session.MaxPayloadBytes - 1.
func (s *Session) Send(ctx context.Context, m Message) error {
	payload := make([]byte, 1, 1+len(m.Data))
	payload[0] = session.KindBinary
	if m.Text {
		payload[0] = session.KindText
	}
	payload = append(payload, m.Data...)
	for {
		s.mu.Lock()
		if s.ended != nil {
			defer s.mu.Unlock()
			return s.ended
		}
		r, err := s.core.Send(payload)
		s.act(r)
		s.mu.Unlock()
		if nexus.CodeOf(err) != nexus.CodeUnavailable {
			return err
		}
		select {
		case <-s.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Gap is Receive's error when messages up to number To will never come: the service gave them up. The session goes on.
type Gap struct{ To uint64 }

// Error implements error.
func (g Gap) Error() string {
	return fmt.Sprintf("session: messages up to number %d were given up by the service", g.To)
}

// Receive gives the next message. Errors: those of ctx; Gap; the reason of the session's end, once everything before it was given.
func (s *Session) Receive(ctx context.Context) (Message, error) {
	for {
		s.mu.Lock()
		if len(s.inbox) > 0 {
			m := s.inbox[0]
			if s.inbox = s.inbox[1:]; len(s.inbox) == 0 {
				s.inbox = nil
			}
			s.act(s.core.Taken(m.Seq))
			s.mu.Unlock()
			if m.Gap {
				return Message{}, Gap{m.MissedTo}
			}
			out := Message{Data: m.Payload}
			if len(m.Payload) > 0 {
				out.Text, out.Data = m.Payload[0] == session.KindText, m.Payload[1:]
			}
			return out, nil
		}
		err := s.ended
		s.mu.Unlock()
		if err != nil {
			return Message{}, err
		}
		select {
		case <-s.inWake:
		case <-ctx.Done():
			return Message{}, ctx.Err()
		}
	}
}

// Close ends the session for good, tells the home, and returns when no goroutine of it runs any more.
func (s *Session) Close() {
	s.mu.Lock()
	if s.ended == nil {
		for at, c := range s.conns {
			if at == s.core.Active() {
				c.out.put(session.Frame{Type: session.FrameClose, Payload: []byte("closed by the client")}.Encode(), true)
			}
		}
	}
	s.mu.Unlock()
	s.end(nexus.Errf("session", nexus.CodeNotFound, "session", "dial a new one", "closed here"))
	s.stop()
}

// stop lets the writers say what is queued for a moment, cuts everything and waits.
func (s *Session) stop() {
	s.mu.Lock()
	conns := make([]*conn, 0, len(s.conns))
	for _, c := range s.conns {
		c.out.end()
		conns = append(conns, c)
	}
	s.mu.Unlock()
	limit := time.NewTimer(100 * time.Millisecond)
	defer limit.Stop()
	for _, c := range conns {
		select {
		case <-c.done:
			continue
		case <-limit.C:
		}
		break
	}
	s.cancel()
	s.wg.Wait()
}
