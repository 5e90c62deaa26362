package edge

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// Frames that carry nothing (empty DATA, PING and SETTINGS of HTTP/2, empty fragments and pings of WebSocket) are a few bytes each, and cost as much
// as a piece of a body. The slice that they come to pays for that: a connection may send some, and one more for each KiB that it moves
// either way, as window updates need; each beyond counts as so many bytes, and nothing more is read of it until the slice may have them.
const (
	idleFrameBytes = 1 << 10
	idleFramesFree = 64
	// unboundFramesMax ends a connection that sends such frames before it has asked for anything: no slice would pay for them.
	unboundFramesMax = 1000
)

const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

var (
	errNoPreface  = errors.New("edge: the connection does not begin as HTTP/2 does")
	errIdleFrames = errors.New("edge: frames without content before the first request")
)

// frameScan follows the frames of a client, as they come in pieces, and counts those that carry nothing.
type frameScan interface {
	scan(p []byte) (idle int, err error)
}

// framed is a connection of HTTP/2 or of WebSocket, above TLS. One goroutine at a time reads it.
type framed struct {
	net.Conn
	conn    *conn
	frames  frameScan
	idle    int64 // frames that carried nothing
	paid    int64 // of those beyond what is free
	read    int64 // bytes
	written atomic.Int64
	out     *goAway // of HTTP/2
}

// beginHTTP2 hands a TLS connection that is to speak HTTP/2 to net/http, once it has begun to: net/http would take anything else for HTTP/1.1.
func (g *Gateway) beginHTTP2(c *conn, t *tls.Conn, state *tls.ConnectionState) {
	first := make([]byte, len(http2Preface))
	_ = c.SetReadDeadline(time.Now().Add(g.config.HeaderTimeout)) // a closed socket says so at the read
	if _, err := io.ReadFull(t, first); err != nil || string(first) != http2Preface || !goodForHTTP2(state) {
		_ = t.Close() // RFC 9113, sections 3.4 and 9.2.2: an error of the connection
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	g.handed.give(g.http2Conn(c, &prefixed{Conn: t, prefix: first}))
}

// goodForHTTP2 reports whether RFC 9113, section 9.2.2, allows a connection's cipher suite. net/http would ask, but does not see the TLS below.
func goodForHTTP2(state *tls.ConnectionState) bool {
	if state.Version >= tls.VersionTLS13 {
		return true
	}
	switch state.CipherSuite {
	case tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256:
		return true
	}
	return false
}

// Read implements net.Conn.
func (f *framed) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if n == 0 {
		return n, err
	}
	if wrong := f.note(p[:n]); wrong != nil {
		return 0, wrong
	}
	return n, err
}

// note counts what was read, and waits until the slice has paid for frames that carry nothing. Error: the connection must end.
func (f *framed) note(p []byte) error {
	f.read += int64(len(p))
	idle, wrong := f.frames.scan(p)
	if wrong != nil {
		return wrong
	}
	f.idle += int64(idle)
	due := f.idle - idleFramesFree - (f.read+f.written.Load())/idleFrameBytes
	if due <= f.paid {
		return nil
	}
	s := f.conn.bound.Load()
	if s == nil {
		if due > unboundFramesMax {
			return errIdleFrames
		}
		return nil // owed until a slice is known
	}
	f.conn.payForFrames(s, int(due-f.paid)*idleFrameBytes)
	f.paid = due
	return nil
}

// Write implements net.Conn.
func (f *framed) Write(p []byte) (int, error) {
	if f.out != nil {
		return f.writeFrames(p)
	}
	n, err := f.Conn.Write(p)
	f.written.Add(int64(n))
	return n, err
}

// CloseWrite ends our side of the stream and keeps the other.
func (f *framed) CloseWrite() error { return closeWrite(f.Conn) }

// payForFrames waits until the slice may have n bytes more, without the place that the read took. What the deadline cuts off is charged.
func (c *conn) payForFrames(s *sliceState, n int) {
	c.leavePlace()
	sched := c.gateway.scheduler
	for n > 0 {
		chunk := min(n, int(s.quantum.Load()))
		if !sched.TryTake(s.flow, chunk) {
			ok := sched.Take(s.flow, chunk, c.readDeadline.begin())
			c.readDeadline.end()
			if !ok {
				sched.Charge(s.flow, n)
				return
			}
		}
		n -= chunk
	}
}

// http2Frames reads RFC 9113, section 4.1.
type http2Frames struct {
	preface int // bytes of it that were seen
	head    [9]byte
	have    int // of head
	skip    int // payload that is still to come
	came    func(head *[9]byte)
}

func (h *http2Frames) scan(p []byte) (idle int, err error) {
	if h.preface < len(http2Preface) {
		n := min(len(p), len(http2Preface)-h.preface)
		if string(p[:n]) != http2Preface[h.preface:h.preface+n] {
			return 0, errNoPreface
		}
		h.preface += n
		p = p[n:]
	}
	for len(p) > 0 {
		if h.skip > 0 {
			n := min(h.skip, len(p))
			h.skip -= n
			p = p[n:]
			continue
		}
		n := copy(h.head[h.have:], p)
		h.have += n
		p = p[n:]
		if h.have == len(h.head) {
			h.have, h.skip = 0, int(h.head[0])<<16|int(h.head[1])<<8|int(h.head[2])
			if h.came != nil {
				h.came(&h.head)
			}
			if http2Idle(h.head[3], h.head[4], h.skip) {
				idle++
			}
		}
	}
	return idle, nil
}

// http2Idle reports whether a frame carries nothing of a request. The ends of streams do, and so do headers, which the slice's gate counts.
func http2Idle(kind, flags byte, length int) bool {
	const endStream, padded = 0x1, 0x8
	switch kind {
	case h2Data:
		return flags&endStream == 0 && (length == 0 || flags&padded != 0 && length <= 256) // perhaps nothing but padding
	case h2Headers, h2PushPromise:
		return false
	case h2Continuation:
		return length == 0
	}
	return length < idleFrameBytes // a larger one pays by its bytes
}

// webSocketFrames reads RFC 6455, section 5.2, after the head of the request that opened it.
type webSocketFrames struct {
	ends int // bytes seen of the empty line that ends the head; 4: all of them
	head [14]byte
	have int
	skip uint64
}

func (w *webSocketFrames) scan(p []byte) (idle int, err error) {
	for ; w.ends < 4 && len(p) > 0; p = p[1:] {
		switch p[0] {
		case "\r\n\r\n"[w.ends]:
			w.ends++
		case '\r':
			w.ends = 1
		default:
			w.ends = 0
		}
	}
	for len(p) > 0 {
		if w.skip > 0 {
			n := min(w.skip, uint64(len(p)))
			w.skip -= n
			p = p[n:]
			continue
		}
		w.head[w.have] = p[0]
		w.have++
		p = p[1:]
		if w.have < 2 || w.have < w.size() {
			continue
		}
		w.have, w.skip = 0, w.length()
		if op := w.head[0] & 15; w.skip == 0 && op < 8 || op > 8 {
			idle++
		}
	}
	return idle, nil
}

// size is the length of a frame's head, of which two bytes are there.
func (w *webSocketFrames) size() int {
	n := 2
	switch w.head[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if w.head[1]&0x80 != 0 {
		n += 4 // the mask
	}
	return n
}

func (w *webSocketFrames) length() uint64 {
	switch n := w.head[1] & 0x7f; n {
	case 126:
		return uint64(binary.BigEndian.Uint16(w.head[2:]))
	case 127:
		return binary.BigEndian.Uint64(w.head[2:])
	default:
		return uint64(n)
	}
}
