package roam

import (
	"context"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// connect dials an edge unless that is under way; the mutex is held.
func (s *Session) connect(address string) {
	if s.ended != nil || s.dialing[address] {
		return
	}
	s.dialing[address] = true
	s.wg.Go(func() {
		ctx, cancel := context.WithTimeout(s.ctx, dialTimeout)
		defer cancel()
		w, err := s.dial(ctx, address)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.dialing, address)
		if err != nil {
			s.failed[address] = time.Now()
			s.recover("")
			return
		}
		if s.ended != nil {
			w.close()
			return
		}
		s.begin(address, w)
	})
}

// dial opens a connection with the transport that the address names.
func (s *Session) dial(ctx context.Context, address string) (wire, error) {
	if strings.HasPrefix(address, "https://") {
		return s.dialWebTransport(ctx, address)
	}
	return s.dialWebSocket(ctx, address)
}

// begin puts a fresh connection to use: hello first, then whatever comes; the mutex is held.
func (s *Session) begin(address string, w wire) {
	s.next++
	at := s.next
	c := &conn{address: address, out: newOutbox(), done: make(chan struct{})}
	s.conns[at] = c
	hello := s.core.Connected(time.Now(), at)
	c.out.put(hello.Frame.Encode(), false)
	s.wg.Go(func() {
		defer close(c.done)
		c.out.run(func(b []byte) error { return w.write(s.ctx, b) })
		w.close()
	})
	s.wg.Go(func() {
		for {
			b, err := w.read(s.ctx)
			if err != nil {
				break
			}
			s.receive(at, b)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lose(at)
	})
}

func (s *Session) receive(at session.Attachment, b []byte) {
	f, err := session.ParseFrame(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[at] == nil {
		return
	}
	var r session.ClientResult
	if err == nil {
		r, err = s.core.Receive(time.Now(), at, f)
	}
	s.act(r)
	if err != nil {
		s.lose(at)
	}
	if f.Type == session.FrameAck || f.Type == session.FrameWelcome {
		signal(s.room)
	}
}

// act does what the core asks for; the mutex is held.
func (s *Session) act(r session.ClientResult) {
	if len(r.Messages) > 0 {
		s.inbox = append(s.inbox, r.Messages...)
		signal(s.inWake)
	}
	for _, o := range r.Outs {
		if c := s.conns[o.To]; c != nil {
			c.out.put(o.Frame.Encode(), false)
		}
	}
	if r.Switched {
		s.switched()
	}
	s.learnEdges(r.Edges)
	if len(r.Move) > 0 {
		s.connect(s.best(r.Move))
	}
	if r.Suspect {
		s.recover(s.current)
	}
	for _, at := range r.Drop {
		s.lose(at)
	}
	if r.Ended != "" {
		s.endLocked(nexus.Errf("session", nexus.CodeNotFound, "session "+s.core.ID().String(), "dial a new one", "%s", r.Ended))
	}
}

// learnEdges replaces the list of edges by the home's; the one in use stays known.
func (s *Session) learnEdges(list []string) {
	if len(list) == 0 {
		return
	}
	s.edges = nil
	s.learn(list)
	if s.current != "" {
		s.learn([]string{s.current})
	}
}

func (s *Session) switched() {
	c := s.conns[s.core.Active()]
	if c == nil {
		return
	}
	from := s.current
	s.current = c.address
	if !s.isOpen {
		s.isOpen = true
		close(s.opened)
	}
	if s.options.OnMove != nil {
		s.options.OnMove(Move{From: from, To: c.address, At: time.Now()})
	}
}

// lose forgets a connection and looks for another when none is in use; the mutex is held.
func (s *Session) lose(at session.Attachment) {
	c := s.conns[at]
	if c == nil {
		return
	}
	delete(s.conns, at)
	c.out.end()
	if s.core.Lost(at) {
		s.current = ""
		s.failed[c.address] = time.Now()
		s.recover(c.address)
	}
}

// recover dials the best edges other than the one that failed, a few at once; when there is no other, that one. Those that are being
// tried already count for nothing: whoever of them answers first is taken, and while nobody has the tick tries further. The mutex
// is held.
func (s *Session) recover(except string) {
	active := s.core.Active()
	if s.ended != nil || time.Now().Before(s.retryAt) || except == "" && active != 0 {
		return
	}
	s.retryAt = time.Now().Add(retryEvery)
	tried := 0
	for _, a := range s.byFailure() {
		if a != except && tried < raceWidth && !s.trying(a) {
			tried++
			s.connect(a)
		}
	}
	if tried == 0 && active == 0 && except != "" && !s.trying(except) {
		s.connect(except)
	}
}

// trying reports whether an edge is being dialled, or connected and not welcomed yet.
func (s *Session) trying(address string) bool {
	if s.dialing[address] {
		return true
	}
	for at, c := range s.conns {
		if c.address == address && at != s.core.Active() {
			return true
		}
	}
	return false
}

// byFailure lists the edges, those that failed longest ago first; the order among equals is the list's.
func (s *Session) byFailure() []string {
	out := append([]string(nil), s.edges...)
	for i := 1; i < len(out); i++ {
		for j := i; j > 0 && s.failed[out[j]].Before(s.failed[out[j-1]]); j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out
}

// best gives the first of the addresses that is not known to have failed in the last second.
func (s *Session) best(list []string) string {
	for _, a := range list {
		if time.Since(s.failed[a]) > time.Second {
			return a
		}
	}
	return list[0]
}

func (s *Session) tickLoop() {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
		}
		s.mu.Lock()
		if s.ended == nil {
			s.act(s.core.Tick(time.Now()))
			if s.core.Active() == 0 && time.Now().After(s.retryAt) {
				s.recover("")
			}
		}
		s.mu.Unlock()
	}
}

func (s *Session) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(err)
}

func (s *Session) endLocked(err error) {
	if s.ended != nil {
		return
	}
	s.ended = err
	for _, c := range s.conns {
		c.out.end()
	}
	if !s.isOpen {
		s.isOpen = true
		close(s.opened)
	}
	signal(s.inWake)
	signal(s.room)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
