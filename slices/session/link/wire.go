package link

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// A message on the link: length as uvarint, then kind, attachment as uvarint, body.
const (
	kindHello  byte = 1  // edge: JSON of Greeting; first on the link
	kindAttach byte = 2  // edge: JSON of session.Visit
	kindFrame  byte = 3  // both: one frame
	kindLost   byte = 4  // edge: the client's connection has gone
	kindLast   byte = 5  // home: one frame, then the connection ends
	kindRefuse byte = 6  // home: the attachment was not accepted; body: why
	kindTable  byte = 7  // home: what to serve, for the edge's own reader
	kindBeat   byte = 8  // both: still here
	kindDrain  byte = 9  // edge: send my clients elsewhere; addresses to leave out, one a line
	kindCount  byte = 10 // home: answer to drain; attachment: clients that were asked
	kindReport byte = 11 // edge: what it measured, for the home's own reader; attachment: a number
	kindTaken  byte = 12 // home: the report of that number was taken
)

const (
	messageBytesMax = 8 << 20 // a table of thousands of routes
	backlogBytesMax = 32 << 20
	beatEvery       = 500 * time.Millisecond
	silenceMax      = 3 * time.Second
)

// sender writes messages in order from a buffer that any goroutine adds to: one write carries what came while the last one ran.
type sender struct {
	conn net.Conn
	wake chan struct{}

	mu     sync.Mutex
	room   *sync.Cond
	buf    []byte
	closed bool
}

func newSender(c net.Conn) *sender {
	s := &sender{conn: c, wake: make(chan struct{}, 1)}
	s.room = sync.NewCond(&s.mu)
	return s
}

// put adds a message. With wait it blocks while the backlog is full; without, a full backlog closes the link, for the other side has
// stopped reading. It reports whether the message was added.
func (s *sender) put(kind byte, at uint64, body []byte, wait bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.buf) > backlogBytesMax && !s.closed {
		if !wait {
			s.closed = true
			s.room.Broadcast()
			_ = s.conn.Close() // its reader ends and cleans up
			return false
		}
		s.room.Wait()
	}
	if s.closed {
		return false
	}
	var head [binary.MaxVarintLen64 + 1]byte
	head[0] = kind
	n := 1 + binary.PutUvarint(head[1:], at)
	s.buf = binary.AppendUvarint(s.buf, uint64(n+len(body)))
	s.buf = append(append(s.buf, head[:n]...), body...)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return true
}

func (s *sender) close() {
	s.mu.Lock()
	s.closed = true
	s.room.Broadcast()
	s.mu.Unlock()
	_ = s.conn.Close() // gone either way
}

// run writes until the link ends, and a beat whenever nothing else was written.
func (s *sender) run(done <-chan struct{}) {
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	var spare []byte
	for {
		select {
		case <-done:
			return
		case <-beat.C:
			s.put(kindBeat, 0, nil, false)
			continue
		case <-s.wake:
		}
		s.mu.Lock()
		out := s.buf
		if len(out) == 0 { // the last write carried it already; spare stays ours alone
			s.mu.Unlock()
			continue
		}
		s.buf, spare = spare[:0], nil
		s.room.Broadcast()
		s.mu.Unlock()
		// A deadline that cannot be set means a closed socket; the write says so.
		_ = s.conn.SetWriteDeadline(time.Now().Add(silenceMax))
		if _, err := s.conn.Write(out); err != nil {
			s.close()
			return
		}
		spare = out
		if cap(spare) > 1<<20 {
			spare = nil // a burst's buffer is not kept for ever
		}
	}
}

// message is one message read; body is valid until the next read.
type message struct {
	kind byte
	at   uint64
	body []byte
}

type receiver struct {
	conn net.Conn
	r    *bufio.Reader
	buf  []byte
}

func newReceiver(c net.Conn) *receiver { return &receiver{conn: c, r: bufio.NewReaderSize(c, 64<<10)} }

// next reads a message. Errors: the link's end, silence, or a message that is none.
func (r *receiver) next() (message, error) {
	if r.r.Buffered() == 0 {
		if err := r.conn.SetReadDeadline(time.Now().Add(silenceMax)); err != nil {
			return message{}, err
		}
	}
	n, err := binary.ReadUvarint(r.r)
	if err != nil {
		return message{}, err
	}
	if n < 2 || n > messageBytesMax {
		return message{}, fmt.Errorf("link: message of %d bytes", n)
	}
	if uint64(cap(r.buf)) < n {
		r.buf = make([]byte, n)
	}
	b := r.buf[:n]
	if _, err := io.ReadFull(r.r, b); err != nil {
		return message{}, err
	}
	if cap(r.buf) > 1<<20 && n < 64<<10 {
		r.buf = nil
	}
	return parseMessage(b)
}

func parseMessage(b []byte) (message, error) {
	at, used := binary.Uvarint(b[1:])
	if used <= 0 {
		return message{}, errors.New("link: bad attachment number")
	}
	m := message{kind: b[0], at: at, body: b[1+used:]}
	if m.kind < kindHello || m.kind > kindTaken {
		return message{}, fmt.Errorf("link: unknown message %d", m.kind)
	}
	if (m.kind == kindFrame || m.kind == kindLast) && len(m.body) > session.MaxFrameBytes {
		return message{}, fmt.Errorf("link: frame of %d bytes", len(m.body))
	}
	return m, nil
}

// Greeting is what an edge says of itself.
type Greeting struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"` // see host.Host.SetEdge
	// Edge is the edge that this process serves for, with others at a time or after each other; empty: Name alone.
	Edge  string `json:"edge,omitempty"`
	Group string `json:"group,omitempty"` // of the edge's processes, which this one is for; empty: there is but one
}
