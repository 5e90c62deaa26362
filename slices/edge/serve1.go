package edge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/h1"
)

// HTTP/1.1 is spoken here, by a loop for each connection: a strict parser (package h1), pooled buffers, and for what goes to a backend a
// forwarder that takes the bytes through without building requests and responses of net/http (forward1.go), also of those that ask for another
// protocol (switched.go). What is answered here, such as files, goes through the same handler as HTTP/2 (write1.go). HTTP/2, and sessions that
// move, are handed to net/http (handed.go). docs/decisions/0041-http1-of-our-own.md has the why and the figures.

// Sizes of one connection's buffers, which it holds only while a request is in hand.
const (
	client1ReadBytes = 8 << 10
	out1Bytes        = 8 << 10
	copy1Bytes       = 32 << 10
)

// buffers1 are what a busy connection needs.
type buffers1 struct {
	br   *bufio.Reader
	out  []byte // head for the backend, or an answer of our own
	back []byte // head for the client
	copy []byte
}

var buffers1Pool = sync.Pool{New: func() any {
	return &buffers1{br: bufio.NewReaderSize(nil, client1ReadBytes), out: make([]byte, 0, out1Bytes), back: make([]byte, 0, 2*out1Bytes),
		copy: make([]byte, copy1Bytes)}
}}

// client1 is one client's HTTP/1.1 connection.
type client1 struct {
	g      *Gateway
	c      *conn
	nc     net.Conn             // c, or TLS over it
	secure *tls.ConnectionState // nil without TLS
	remote string               // the client's IP address
	*buffers1

	req  h1.Request
	resp h1.Response

	exchange exchange // of the request in hand
	transit  transit  // of the same, where it goes to a backend

	// The host of the request before, for the usual case that the next has the same.
	host    []byte
	alt     string // Alt-Svc for its answers; "" for none
	serving *serving
	target  *target

	watch watch1
	next  next1

	passage *passage // what the connection is from now on: not one of HTTP any more
}

// The states of a connection as the end of the gateway needs to know them.
const (
	client1Idle   = 0
	client1Busy   = 1
	client1Closed = 2
)

// accept takes connections until the listener ends.
func (g *Gateway) accept(ln net.Listener, secure bool) error {
	pause := 5 * time.Millisecond
	for {
		nc, err := ln.Accept()
		var passing interface{ Temporary() bool }
		switch {
		case err == nil:
		case g.stopping.Load():
			return http.ErrServerClosed
		case errors.As(err, &passing) && passing.Temporary(): // out of file descriptors, mostly
			time.Sleep(pause)
			pause = min(2*pause, time.Second)
			continue
		default:
			return err
		}
		pause = 5 * time.Millisecond
		c, ok := nc.(*conn)
		if !ok {
			return nexus.Errf("edge", nexus.CodeInternal, "listener", "", "connection of type %T", nc)
		}
		g.handlers.Go(func() { g.serveConn(c, secure) })
	}
}

// serveConn speaks with one client until the end, or hands the connection over.
func (g *Gateway) serveConn(c *conn, secure bool) {
	if g.config.Pass != nil && g.passOn(c, secure) {
		_ = c.Close() // somebody else's from now on, or nobody's
		return
	}
	k := &client1{g: g, c: c, nc: c}
	k.next.begin(k)
	if host, _, err := net.SplitHostPort(c.RemoteAddr().String()); err == nil {
		k.remote = host
	}
	if secure {
		t := tls.Server(c, g.tls)
		if c.headUntil.IsZero() {
			c.headUntil = time.Now().Add(g.config.HeaderTimeout)
		}
		ctx, cancel := context.WithDeadline(context.Background(), c.headUntil)
		err := t.HandshakeContext(ctx) // which closes the connection when the time is over
		cancel()
		c.handshake = nil
		c.endSigning()
		if err != nil {
			g.log.Debug("handshake failed", "remote", c.RemoteAddr().String(), "error", err)
			_ = c.Close()
			return
		}
		state := t.ConnectionState()
		k.nc, k.secure, c.tlsState = t, &state, &state
		if state.NegotiatedProtocol == "h2" {
			g.beginHTTP2(c, t, &state)
			return
		}
	}
	c.turnWithin = g.config.HeaderTimeout
	ours := k.serve()
	k.release()
	switch p := k.passage; {
	case p != nil:
		p.run() // nothing of k is left
	case ours:
		_ = k.nc.Close()
	}
}

func (k *client1) release() {
	if b := k.buffers1; b != nil {
		k.buffers1 = nil
		b.br.Reset(nil)
		if cap(b.out) <= 4*out1Bytes && cap(b.back) <= 8*out1Bytes {
			buffers1Pool.Put(b)
		}
	}
}

// serve answers requests until the connection ends. It reports false when the connection was handed over.
func (k *client1) serve() bool {
	for first := true; k.await(first); first = false {
		again, ours := k.request(first)
		if !ours {
			return false
		}
		k.c.finishExchange()
		k.c.firstByteNs.Store(0)
		k.c.active.Store(false)
		if !again || k.c.broken.Load() || k.g.stopping.Load() || !k.c.phase.CompareAndSwap(client1Busy, client1Idle) {
			return true
		}
	}
	return true
}

// await waits for the first byte of the next request and holds no buffers meanwhile. It reports false when there is none.
func (k *client1) await(first bool) bool {
	if !k.watch.have && (k.buffers1 == nil || k.br.Buffered() == 0) {
		until := k.g.config.IdleTimeout
		if first {
			until = k.g.config.HeaderTimeout
		}
		k.c.readBy(time.Now().Add(until))
		if !k.readFirst() {
			return false
		}
	}
	if !k.c.phase.CompareAndSwap(client1Idle, client1Busy) || k.g.stopping.Load() && !first {
		return false
	}
	until := time.Now().Add(k.g.config.HeaderTimeout)
	if first && k.secure == nil && !k.c.headUntil.IsZero() {
		until = k.c.headUntil
	}
	k.c.readBy(until)
	return true
}

// errNothing says that nothing can be read at this moment.
var errNothing = errors.New("nothing to read")

// readFirst waits for the first byte of a request, and reports false when there is none.
func (k *client1) readFirst() bool {
	if s := k.c.bound.Load(); k.secure == nil && s != nil {
		return k.readNext(s)
	}
	if k.secure == nil {
		return k.waitFirst()
	}
	k.acquire()
	_, err := k.br.Peek(1)
	if errors.Is(err, errNoPlace) {
		k.refuseUnread()
	}
	return err == nil
}

// waitFirst waits until there is something to read, holds nothing meanwhile, and reads nothing.
func (k *client1) waitFirst() bool {
	k.release()
	if k.c.waitReadable() != nil {
		return false
	}
	k.c.readable.Store(true)
	k.acquire()
	return true
}

func (k *client1) acquire() {
	if k.buffers1 == nil {
		k.buffers1 = buffers1Pool.Get().(*buffers1)
		k.br.Reset(k)
	}
}

// request reads and answers one request. again: the connection may carry another; ours: it was not handed over.
func (k *client1) request(first bool) (again, ours bool) {
	head, size, err := h1.ReadHead(k.br, k.g.config.HeaderBytesMax)
	if err != nil {
		if wrong := (*h1.Bad)(nil); errors.As(err, &wrong) {
			k.refuseBad(wrong)
		} else if errors.Is(err, errNoPlace) {
			k.refuseUnread()
		}
		return false, true // without that it is gone, or too slow
	}
	k.c.active.Store(true)
	if first && k.secure == nil && bytes.HasPrefix(head, []byte("PRI * HTTP/2.0\r\n")) {
		k.handOver(head, size)
		return false, false
	}
	if wrong := k.req.Parse(head); wrong != nil {
		k.refuseBad(wrong)
		return false, true
	}
	k.c.readBy(time.Time{})
	if k.req.Upgrade && k.asksForSession() {
		k.c.broken.Store(true) // if nothing comes of it, the connection carries nothing more: the strict parser is behind it
		k.handOver(head, size)
		return false, false
	}
	// What is behind a request for another protocol may be meant in that one: if nothing comes of it, nothing more is read.
	k.req.Close = k.req.Close || k.req.Upgrade || k.g.retiring.Load()
	return k.dispatch(head, size), true
}

// handOver gives the connection to net/http with what was read of it.
func (k *client1) handOver(head []byte, size int) {
	k.c.turnWithin = 0
	var prefix []byte
	if size == 0 {
		prefix = append(prefix, head...)
	}
	rest, _ := k.br.Peek(k.br.Buffered())
	below := &prefixed{Conn: k.nc, prefix: append(prefix, rest...)}
	if k.req.Upgrade { // a session that moves, by a WebSocket
		k.g.handed.give(&framed{Conn: below, conn: k.c, frames: &webSocketFrames{}})
		return
	}
	k.g.handed.give(k.g.http2Conn(k.c, below)) // HTTP/2 in clear text
}

// dispatch takes a parsed request through host, slice and gate, as serveHTTP does.
func (k *client1) dispatch(head []byte, size int) (again bool) {
	t, no := k.find()
	if no == nil {
		no = k.g.bind(k.c, t)
	}
	x := &k.exchange // nothing of the last one is left: it ended before this one was read
	*x = exchange{conn: k.c, target: t}
	x.began(time.Now())
	if no == nil {
		x.address = t.route.Backend.Address
		x.probe = k.c.probe.Load() != nil && string(pathOf(k.req.Target)) == ProbePath
		if !k.c.served.Swap(true) && k.secure != nil {
			k.c.firstByteNs.Store(x.beginNs) // the handshake is no part of the first request
		}
		no = k.g.enter(x, nil, false)
	}
	if no != nil {
		if no.status != 0 {
			k.refuse(no)
		}
		return false
	}
	defer func() {
		if k.passage == nil {
			x.leave()
		}
	}()
	if x.probe {
		x.address = k.g.responder.address
	}
	if x.address == "" || !k.plain() {
		return k.throughHandler(head, size, x)
	}
	if !x.probe {
		t.slice.counters.Requests.Add(1)
	}
	return k.forward(size, x)
}

// plain reports whether a request goes to its backend as it is.
func (k *client1) plain() bool {
	m, p := k.req.Method, pathOf(k.req.Target)
	return string(m) != http.MethodConnect && string(m) != http.MethodTrace && string(p) != "*" && (k.g.config.Sessions == nil || !own(p)) &&
		(k.g.config.Issuer == nil || !isChallenge(string(p)))
}

func pathOf(target []byte) []byte {
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		return target[:i]
	}
	return target
}

// find looks the host up.
func (k *client1) find() (*target, *refusal) {
	s := k.g.serving.Load()
	if s == k.serving && bytes.Equal(k.host, k.req.Host) {
		return k.target, nil
	}
	t, no := s.find(string(k.req.Host))
	if no == nil {
		k.serving, k.target, k.host = s, t, append(k.host[:0], k.req.Host...)
		if k.secure != nil {
			k.alt = k.g.altSvc(string(k.host))
		}
	}
	return t, no
}

// refuseBad answers what cannot be read. Nothing of it reaches anybody.
func (k *client1) refuseBad(b *h1.Bad) {
	if s := k.c.bound.Load(); s != nil {
		s.counters.Refused.Add(1)
	}
	k.c.active.Store(true) // what comes still is the rest of it
	k.refuse(&refusal{status: b.Status, text: b.What})
}

// refuseUnread answers a request that has waited unread for a place until the time for its head was over. Without that the close would be a reset, over
// bytes that nobody has read, and its client could not tell a full slice from a broken gateway. What lies there is read now, without a place and
// within the bounds of linger, but for its method not looked at: an answer to HEAD has no text.
func (k *client1) refuseUnread() {
	k.c.active.Store(true) // what comes still is the rest of it
	_ = k.c.SetReadDeadline(time.Now().Add(lingerFor))
	const head = "HEAD "
	begin, _ := k.br.Peek(len(head)) // who says less than that within lingerFor is answered like any other
	if len(begin) == 0 {
		return // it has ended its side, and asked for nothing
	}
	s := k.c.bound.Load()
	s.counters.Refused.Add(1)
	k.c.probe.Load().refused()
	no := s.slowDown(s.gate.Expired())
	if k.say(no, false, 1, string(begin) == head, "") == nil {
		k.linger()
	}
}

// refuse answers and ends the connection: what it says next is not ours to parse.
func (k *client1) refuse(no *refusal) {
	if k.say(no, false, 1, string(k.req.Method) == http.MethodHead, "") == nil {
		k.linger()
	}
}

// say answers with a refusal's text, in one write; route is that of the request, where it has one.
func (k *client1) say(no *refusal, keep bool, minor int, headOnly bool, route string) error {
	out := appendStatus(append(k.out[:0], "HTTP/1.1 "...), no.status, nil)
	out = append(out, "Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(len(no.text)+1), 10)
	out = append(append(append(out, "\r\nDate: "...), k.g.date.at(time.Now())...), "\r\n"...)
	if no.retry > 0 {
		out = append(strconv.AppendInt(append(out, "Retry-After: "...), int64(no.retry), 10), "\r\n"...)
	}
	if route != "" {
		out = append(append(append(out, RouteHeader+": "...), route...), "\r\n"...)
	}
	out = append(appendConnection(out, keep, minor), "\r\n"...)
	if !headOnly {
		out = append(append(out, no.text...), '\n')
	}
	k.out = out
	_, err := k.nc.Write(out)
	return err
}

// lingerFor and lingerBytes bound what is read of a client that is still sending when its connection ends: closing at once would
// reset it, and the client might never see the answer.
const (
	lingerFor   = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

func (k *client1) linger() {
	if closeWrite(k.nc) != nil {
		return
	}
	_ = k.c.SetReadDeadline(time.Now().Add(lingerFor))
	_, _ = io.CopyN(io.Discard, k.nc, lingerBytes) // whatever ends it, the connection ends
}
