package edge

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// A connection of HTTP/2 that is to end is told so twice, as RFC 9113, section 6.8, advises: first that no further requests should come, with the
// highest number a stream can have, so that none that is on its way is left out; a while later with the number of the last one that was
// taken up. net/http only says the second, and what a client sent in between it must send again. A connection on which nothing is left to answer
// then is closed: not every client does that by itself.

// goAwayAfter lies between the two: longer than any round trip that matters.
const goAwayAfter = time.Second

// anyStream is the highest number of a stream.
const anyStream = 1<<31 - 1

// goAwayFrame is a frame GOAWAY that names the last stream that is taken up, with the code NO_ERROR.
func goAwayFrame(last uint32) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0, 0, 8, 7, 0, 0, 0, 0, 0}, last), 0, 0, 0, 0)
}

// goAway puts the notice between the frames that net/http writes on one connection.
type goAway struct {
	mu     sync.Mutex // held while the connection is written to
	sent   sentFrames
	due    bool // the notice is to be sent
	open   openStreams
	saidNs atomic.Int64 // when it was, Unix nanoseconds
}

// notice tells the client, now or as soon as a frame that was begun has ended. Only the first call does anything. It may wait for a write.
func (f *framed) notice() {
	o := f.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.due || o.saidNs.Load() != 0 {
		return
	}
	o.due = true
	if o.sent.between() {
		_ = f.sayNotice() // the next write says what is wrong with the connection
	}
}

// sayNotice writes the notice; the caller holds the mutex.
func (f *framed) sayNotice() error {
	f.out.due = false
	n, err := f.Conn.Write(goAwayFrame(anyStream))
	f.written.Add(int64(n))
	f.out.saidNs.Store(time.Now().UnixNano())
	time.AfterFunc(f.conn.gateway.goAwayAfter, f.endIdle)
	return err
}

// endIdle closes the connection when nothing is left to answer on it, and looks again later when something is.
func (f *framed) endIdle() {
	if f.conn.readDeadline.isClosed() {
		return
	}
	o := f.out
	o.mu.Lock()
	defer o.mu.Unlock()
	last, idle := o.open.none()
	if !idle || !o.sent.between() {
		time.AfterFunc(f.conn.gateway.goAwayAfter, f.endIdle)
		return
	}
	_, _ = f.Conn.Write(goAwayFrame(last)) // whoever hears it no more hears the end
	_ = f.Conn.Close()
}

// openStreams are the streams that a client began and that are not answered to their end. Safe for concurrent use.
type openStreams struct {
	mu      sync.Mutex
	last    uint32 // the client's highest
	streams map[uint32]struct{}
}

// none gives the client's highest stream, and whether none is open.
func (o *openStreams) none() (last uint32, idle bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last, len(o.streams) == 0
}

// came notes the head of a frame that the client sent.
func (o *openStreams) came(head *[9]byte) {
	switch id := binary.BigEndian.Uint32(head[5:]) & anyStream; head[3] {
	case h2Headers:
		o.mu.Lock()
		defer o.mu.Unlock()
		if id <= o.last {
			return // a trailer
		}
		if o.streams == nil {
			o.streams = map[uint32]struct{}{}
		}
		o.last, o.streams[id] = id, struct{}{}
	case h2Reset:
		o.ended(id)
	}
}

// went notes the head of a frame that was sent to the client.
func (o *openStreams) went(head *[9]byte) {
	const endStream = 0x1
	if kind := head[3]; kind == h2Reset || (kind == h2Data || kind == h2Headers) && head[4]&endStream != 0 {
		o.ended(binary.BigEndian.Uint32(head[5:]) & anyStream)
	}
}

func (o *openStreams) ended(id uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.streams, id)
}

// Kinds of frames (RFC 9113, section 6).
const (
	h2Data         = 0
	h2Headers      = 1
	h2Reset        = 3
	h2PushPromise  = 5
	h2Continuation = 9
)

// writeFrames writes frames and, where it is due, the notice between two of them.
func (f *framed) writeFrames(p []byte) (n int, err error) {
	o := f.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.due {
		ahead := o.sent
		ahead.went = nil
		if end := ahead.scan(p); end >= 0 {
			if n, err = f.writeScanned(p[:end]); err != nil {
				return n, err
			}
			if err = f.sayNotice(); err != nil {
				return n, err
			}
		}
	}
	rest, err := f.writeScanned(p[n:])
	return n + rest, err
}

func (f *framed) writeScanned(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.Conn.Write(p)
	f.written.Add(int64(n))
	for rest := p[:n]; len(rest) > 0; {
		end := f.out.sent.scan(rest)
		if end < 0 {
			break
		}
		rest = rest[end:]
	}
	return n, err
}

// toldToGo reports whether the client was told long enough ago that what it sent before it heard has come.
func (c *conn) toldToGo() bool {
	f := c.frames.Load()
	if f == nil {
		return true
	}
	said := f.out.saidNs.Load()
	return said != 0 && time.Now().UnixNano()-said >= int64(c.gateway.goAwayAfter)
}

// tellToGo tells every client of HTTP/2 that its connection takes no further requests. Nobody waits for one that does not read.
func (g *Gateway) tellToGo() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		if f := c.frames.Load(); f != nil {
			go f.notice()
		}
	}
}

// http2Conn makes what net/http is given of a connection that speaks HTTP/2.
func (g *Gateway) http2Conn(c *conn, below *prefixed) *framed {
	out := &goAway{}
	out.sent.went = out.open.went
	f := &framed{Conn: below, conn: c, frames: &http2Frames{came: out.open.came}, out: out}
	c.frames.Store(f)
	f.out.due = g.retiring.Load() // after Store: whoever began to retire before has seen the connection here
	return f
}

// sentFrames follows the frames of RFC 9113, section 4.1, that one side sends, as they come in pieces.
type sentFrames struct {
	head  [9]byte
	have  int  // of head
	skip  int  // payload that is still to come
	begun bool // a frame has ended: the settings come first
	block bool // of the fields of a message more is to come; nothing may lie between
	went  func(head *[9]byte)
}

// between reports whether another frame may lie here.
func (s *sentFrames) between() bool { return s.begun && s.have == 0 && s.skip == 0 && !s.block }

// scan follows p up to the first place where another frame may lie, and gives that place; -1: there is none, all of p was followed.
func (s *sentFrames) scan(p []byte) (end int) {
	const endHeaders = 0x4
	for at := 0; at < len(p); {
		if s.skip > 0 {
			n := min(s.skip, len(p)-at)
			s.skip -= n
			at += n
		} else {
			n := copy(s.head[s.have:], p[at:])
			s.have += n
			at += n
			if s.have < len(s.head) {
				return -1
			}
			s.have, s.skip, s.begun = 0, int(s.head[0])<<16|int(s.head[1])<<8|int(s.head[2]), true
			kind, flags := s.head[3], s.head[4]
			s.block = (kind == h2Headers || kind == h2PushPromise || kind == h2Continuation) && flags&endHeaders == 0
			if s.went != nil {
				s.went(&s.head)
			}
		}
		if s.between() {
			return at
		}
	}
	return -1
}
