package link

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"

	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// Home is what the server drives; host.Host is one.
type Home interface {
	session.Attacher
	SetEdge(name string, addresses []string)
	Drain(edge string, leave []string) int
}

// Server is the home's end: it takes links of edges. Safe for concurrent use.
type Server struct {
	// OnReport gets what an edge measured, in the edge's own encoding, one call at a time per edge; the bytes are its own. Set it before
	// Serve; nil: reports end the link.
	OnReport func(edge string, b []byte)
	// OnJoin and OnLeave tell of each link's begin and end, an end after all of its reports; a process that comes back before its old link was given up
	// has two for a while. Cause is io.EOF for a link that the other end closed, as the system does for a process that dies, and a timeout for a silent
	// one. Set them before Serve; nil: nobody is told.
	OnJoin  func(g Greeting)
	OnLeave func(edge string, cause error)

	home Home
	log  *slog.Logger
	wg   sync.WaitGroup

	mu    sync.Mutex
	table []byte
	links map[*sender]string // with the edge's name
}

// NewServer makes a server over a home; Serve gives it links.
func NewServer(home Home, log *slog.Logger) *Server {
	return &Server{home: home, log: log.With("component", "session-link"), links: map[*sender]string{}}
}

// SetTable sends every edge what to serve, now and whenever one joins. The bytes are the caller's own encoding.
func (s *Server) SetTable(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table = b
	for l := range s.links {
		l.put(kindTable, 0, b, false)
	}
}

// Edges lists the names of the edges that are linked now.
func (s *Server) Edges() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]string, 0, len(s.links))
	for _, name := range s.links {
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// Serve takes links from ln until ctx ends, and returns when none is served any more.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() }) // Accept then ends
	defer stop()
	defer s.wg.Wait()
	for {
		c, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		s.wg.Go(func() { s.serve(ctx, c) })
	}
}

// serve is one link from its greeting to its end.
func (s *Server) serve(ctx context.Context, c net.Conn) {
	out := newSender(c)
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, out.close)
	var writer sync.WaitGroup
	writer.Go(func() { out.run(done) })
	lines := map[uint64]session.Line{}
	name, err := s.read(out, newReceiver(c), lines)
	stop()
	close(done)
	out.close()
	writer.Wait()
	for _, l := range lines {
		l.Lost()
	}
	s.mu.Lock()
	delete(s.links, out)
	s.mu.Unlock()
	if name != "" {
		s.home.SetEdge(name, nil)
		if s.OnLeave != nil {
			s.OnLeave(name, err)
		}
	}
	s.log.Info("edge left", "edge", name, "sessions", len(lines), "cause", err)
}

func (s *Server) read(out *sender, in *receiver, lines map[uint64]session.Line) (name string, err error) {
	for {
		m, err := in.next()
		if err != nil {
			return name, err
		}
		switch m.kind {
		case kindHello:
			var g Greeting
			if err := json.Unmarshal(m.body, &g); err != nil || g.Name == "" || name != "" {
				return name, errors.New("link: bad greeting")
			}
			name = g.Name
			s.join(out, g)
		case kindAttach:
			s.attach(out, name, m, lines)
		case kindFrame:
			if l := lines[m.at]; l != nil {
				l.Frame(m.body)
			}
		case kindLost:
			if l := lines[m.at]; l != nil {
				delete(lines, m.at)
				l.Lost()
			}
		case kindDrain:
			var leave []string
			if len(m.body) > 0 {
				leave = strings.Split(string(m.body), "\n")
			}
			out.put(kindCount, uint64(s.home.Drain(name, leave)), nil, false)
		case kindReport:
			if name == "" || s.OnReport == nil {
				return name, errors.New("link: a report that nobody takes")
			}
			s.OnReport(name, append([]byte(nil), m.body...))
			out.put(kindTaken, m.at, nil, false)
		case kindBeat:
		default:
			return name, errors.New("link: a message that edges do not send")
		}
	}
}

func (s *Server) join(out *sender, g Greeting) {
	s.mu.Lock()
	s.links[out] = g.Name
	if s.table != nil {
		out.put(kindTable, 0, s.table, false)
	}
	s.mu.Unlock()
	s.home.SetEdge(g.Name, g.Addresses)
	if s.OnJoin != nil {
		s.OnJoin(g)
	}
	s.log.Info("edge joined", "edge", g.Name, "addresses", g.Addresses)
}

func (s *Server) attach(out *sender, name string, m message, lines map[uint64]session.Line) {
	var v session.Visit
	if err := json.Unmarshal(m.body, &v); err != nil || lines[m.at] != nil {
		out.put(kindRefuse, m.at, []byte("bad attachment"), false)
		return
	}
	v.Edge = name
	l, err := s.home.Attach(v, &farPort{out, m.at})
	if err != nil {
		out.put(kindRefuse, m.at, []byte(err.Error()), false)
		return
	}
	lines[m.at] = l
}

// farPort is a client's connection at the other end of a link.
type farPort struct {
	out *sender
	at  uint64
}

// Deliver implements session.Port.
func (p *farPort) Deliver(frame []byte, last bool) bool {
	kind := kindFrame
	if last {
		kind = kindLast
	}
	return p.out.put(kind, p.at, frame, false)
}
