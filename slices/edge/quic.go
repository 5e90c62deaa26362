package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/quicshare"
)

// HTTP/3 and WebTransport. A QUIC connection is given to the slice of the name in its handshake, as a TLS connection is, and counts as
// one of its sessions; its requests go the way of every request, and its bytes are scheduled where they leave and enter HTTP
// (quicbytes.go), for below that they are encrypted.

// Limits of one QUIC connection.
const (
	quicStreamsMax    = 128
	quicUniStreamsMax = 16
	quicHalfOpenMax   = 64          // clients in a handshake that have not shown where they are; the next are asked by a Retry
	quicHalfOpenFor   = time.Second // how long one that was given up counts on: it has cost a handshake
	// quicRetiredIdle ends a connection of a gateway that retires: HTTP/3 has GOAWAY for it, which the library does not let us send beside
	// WebTransport, so the connection ends when nothing was asked for so long.
	quicRetiredIdle = 5 * time.Second
	quicSettleFor   = 50 * time.Millisecond // without a handshake, after the last datagram of the port was read: then none is on its way through the library
	h3NoError       = quic.ApplicationErrorCode(http3.ErrCodeNoError)
	h3ExcessiveLoad = quic.ApplicationErrorCode(http3.ErrCodeExcessiveLoad)
)

// quicFront is the gateway's UDP side.
type quicFront struct {
	gateway   *Gateway
	udp       net.PacketConn
	transport *quic.Transport
	listener  *quic.EarlyListener
	web       *webtransport.Server
	stop      context.CancelFunc
	ctx       context.Context
	conns     sync.Map // *quic.Conn to *conn
	serving   sync.WaitGroup
	halfOpen  atomic.Int64
	beginning atomic.Int64 // handshakes that serve has not taken yet
	starts    quicStarts
	share     *quicshare.Port // nil: the port is this process's alone
	retired   atomic.Bool
	protocols []string // that a handshake may agree on
	closing   sync.Once
	closed    error
}

// open takes the shared port, or opens the UDP port of the same number as the TLS listener's.
func (f *quicFront) open() error {
	var err error
	if c := f.gateway.config.QUICShare; c != nil {
		if f.share, err = quicshare.Open(*c); err == nil {
			f.udp, f.transport = f.share, f.share.Transport()
		}
		return err
	}
	addr := f.gateway.secure.Addr().String()
	if f.udp, err = net.ListenPacket("udp", addr); err != nil {
		return quicTaken(addr, err)
	}
	f.transport = &quic.Transport{Conn: f.udp}
	return nil
}

// portTries is how often a port that is free for TCP may be found taken for UDP, when any port will do.
const portTries = 16

func quicTaken(addr string, err error) error {
	return &nexus.Error{Op: "edge listen", Code: nexus.CodeConflict, Subject: "UDP address " + addr, Cause: err,
		Hint: "free the port, configure another for TLS, or switch QUIC off"}
}

// listenQUIC opens the UDP side.
func (g *Gateway) listenQUIC() (*quicFront, error) {
	f := &quicFront{gateway: g, protocols: []string{http3.NextProtoH3}}
	err := f.open()
	if err != nil {
		return nil, err
	}
	f.ctx, f.stop = context.WithCancel(context.Background())
	// When many connections are open, or half open, a client must first show that it is where it says: a Retry costs neither key nor memory.
	f.transport.ConnContext = f.began
	f.transport.VerifySourceAddress = func(net.Addr) bool {
		return f.halfOpen.Load() >= quicHalfOpenMax || len(g.open) > cap(g.open)/2
	}
	f.listener, err = f.transport.ListenEarly(&tls.Config{MinVersion: tls.VersionTLS13, NextProtos: f.protocols,
		GetConfigForClient: f.admit}, &quic.Config{
		MaxIncomingStreams: quicStreamsMax, MaxIncomingUniStreams: quicUniStreamsMax, MaxIdleTimeout: g.config.IdleTimeout,
		HandshakeIdleTimeout: g.config.HeaderTimeout, MaxStreamReceiveWindow: http2StreamBytes, MaxConnectionReceiveWindow: http2ConnBytes,
		EnableDatagrams: true, EnableStreamResetPartialDelivery: true,
	})
	if err != nil {
		f.stop()
		return nil, quicTaken(f.udp.LocalAddr().String(), errors.Join(err, f.transport.Close(), f.udp.Close()))
	}
	f.web = &webtransport.Server{CheckOrigin: sameHost, H3: &http3.Server{
		Handler: http.HandlerFunc(f.handle), MaxHeaderBytes: g.config.HeaderBytesMax, EnableDatagrams: true,
		Logger: slog.New(slog.DiscardHandler), // what clients do wrong is theirs
		ConnContext: func(ctx context.Context, qc *quic.Conn) context.Context {
			c, _ := f.conns.Load(qc)
			return withConn(ctx, c.(*conn))
		},
	}}
	return f, nil
}

// halfOpen is a handshake with a client that may be anywhere.
type halfOpen struct {
	once  sync.Once
	front *quicFront
}

func (h *halfOpen) end() { h.once.Do(func() { h.front.halfOpen.Add(-1) }) }

type halfOpenKey struct{}

// beginningKey finds what serve calls when it has taken a connection.
type beginningKey struct{}

// began waits for a connection's turn to be made, and counts its handshake until it is complete or given up.
func (f *quicFront) began(ctx context.Context, client *quic.ClientInfo) (context.Context, error) {
	f.beginning.Add(1) // before it waits: settle waits for it
	ctx = f.start(ctx)
	taken := sync.OnceFunc(func() { f.beginning.Add(-1) })
	context.AfterFunc(ctx, taken)
	ctx = context.WithValue(ctx, beginningKey{}, taken)
	if client.AddrVerified {
		return ctx, nil
	}
	h := &halfOpen{front: f}
	f.halfOpen.Add(1)
	context.AfterFunc(ctx, func() { time.AfterFunc(quicHalfOpenFor, h.end) })
	return context.WithValue(ctx, halfOpenKey{}, h), nil
}

// watchIdle ends a connection on which no request was under way or ended for a time: its client may keep QUIC alive by pings, and
// streams open on which nothing comes. The result stops the watch.
func (f *quicFront) watchIdle(qc *quic.Conn, c *conn, idle time.Duration) (stop func() bool) {
	seen := c.asked.Load()
	watch := make(chan *time.Timer, 1)
	timer := time.AfterFunc(idle, func() {
		timer := <-watch
		defer func() { watch <- timer }()
		asked := c.asked.Load()
		switch {
		case qc.Context().Err() != nil:
		case c.working.Load() == 0 && asked == seen:
			_ = c.Close() // which says that it is no error
		default:
			seen = asked
			timer.Reset(idle)
		}
	})
	watch <- timer
	return timer.Stop
}

// serve accepts until the listener ends, nothing while ConnectionsMax are open.
func (f *quicFront) serve() error {
	for {
		select {
		case f.gateway.open <- struct{}{}:
		case <-f.ctx.Done():
			return http.ErrServerClosed
		}
		qc, err := f.listener.Accept(f.ctx)
		if err != nil {
			<-f.gateway.open
			if f.ctx.Err() != nil {
				return http.ErrServerClosed
			}
			return err
		}
		c := &conn{Conn: quicConn{qc}, gateway: f.gateway}
		c.http2.Store(true)          // as there, requests share the connection
		c.phase.Store(client1Closed) // serve1 never speaks with it
		f.gateway.remember(c)
		if taken, ok := qc.Context().Value(beginningKey{}).(func()); ok {
			taken()
		}
		f.serving.Go(func() { f.serveConn(qc, c) })
	}
}

func (f *quicFront) serveConn(qc *quic.Conn, c *conn) {
	defer func() { _ = c.Close() }() // closed by the client already, or refused below
	select {
	case <-qc.HandshakeComplete():
	case <-qc.Context().Done():
		return
	}
	t, err := f.gateway.find(qc.ConnectionState().TLS.ServerName)
	if err != nil || c.bind(t.slice) != bindOK {
		if err == nil {
			t.slice.counters.Refused.Add(1)
		}
		_ = qc.CloseWithError(h3ExcessiveLoad, "too many sessions") // nothing follows
		return
	}
	if h, ok := qc.Context().Value(halfOpenKey{}).(*halfOpen); ok {
		h.end()
	}
	c.silent = t.slice.quicSilent.add(f.gateway, c)
	defer c.silent.end()
	f.conns.Store(qc, c)
	defer f.conns.Delete(qc)
	defer f.watchIdle(qc, c, f.gateway.config.IdleTimeout)()
	if f.retired.Load() {
		f.watchRetired(qc, c)
	}
	if err := f.web.ServeQUICConn(qc); err != nil {
		f.gateway.log.Debug("QUIC connection ended", "error", err)
	}
	<-qc.Context().Done()
}

// handle is every request of HTTP/3.
func (f *quicFront) handle(w http.ResponseWriter, r *http.Request) {
	c := connFrom(r.Context())
	c.silent.end()
	if r.Body != nil && r.Body != http.NoBody && r.Method != http.MethodConnect {
		r.Body = &quicBody{ReadCloser: r.Body, ctx: r.Context(), conn: c}
	}
	steady := newSteadyWriter(w, c)
	defer steady.last()
	// ReverseProxy breaks an answer off that it cannot finish only where it sees a server that understands; without one, half an answer
	// would end like a whole one.
	r = r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, f.gateway.server))
	f.gateway.serveHTTP(&quicWriter{steadyWriter: steady, ctx: r.Context(), conn: c}, r)
}

// sameHost lets pages of the host itself open a WebTransport, from any port: another edge's page is the unit's own.
func sameHost(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true // no browser
	}
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	from, err := ParseHost(u.Host)
	if err != nil {
		return false
	}
	to, err := ParseHost(r.Host)
	return err == nil && from == to
}

// retire leaves the shared port's new connections to other processes. Requests that come on open ones are answered; a connection ends when
// nothing was asked on it for quicRetiredIdle.
func (f *quicFront) retire() {
	if f.retired.Swap(true) {
		return
	}
	if f.share != nil {
		f.share.Retire()
	}
	f.conns.Range(func(qc, c any) bool {
		f.watchRetired(qc.(*quic.Conn), c.(*conn))
		return true
	})
}

// settle waits until what was read of new connections before retire has become connections that are counted, or nothing. A client that
// does not go on holds it up for no longer than a handshake may take.
func (f *quicFront) settle(ctx context.Context) {
	tick := time.NewTicker(quicSettleFor / 5)
	defer tick.Stop()
	limit := time.After(f.gateway.config.HeaderTimeout)
	for quiet := 0; quiet < 5; quiet++ {
		select {
		case <-ctx.Done():
			return
		case <-limit:
			return
		case <-tick.C:
		}
		if f.beginning.Load() > 0 || f.share != nil && f.share.Waiting() > 0 {
			quiet = -1
		}
	}
}

func (f *quicFront) watchRetired(qc *quic.Conn, c *conn) {
	stop := f.watchIdle(qc, c, min(quicRetiredIdle, f.gateway.config.IdleTimeout))
	context.AfterFunc(qc.Context(), func() { stop() })
}

// shut stops accepting and closes the connections on which nothing is under way; the others end with what they carry, or when the
// gateway cuts what is left.
func (f *quicFront) shut() {
	f.stop()
	f.conns.Range(func(_, c any) bool {
		if c := c.(*conn); c.working.Load() == 0 {
			_ = c.Close() // it is going anyway
		}
		return true
	})
}

// close ends everything and waits; the connections have been closed before. Again it does nothing.
func (f *quicFront) close() error {
	f.closing.Do(func() {
		f.stop()
		err := f.web.Close()
		f.serving.Wait()
		f.closed = errors.Join(err, f.listener.Close(), f.transport.Close(), f.udp.Close())
	})
	return f.closed
}

// CloseQUIC ends HTTP/3 and its connections at once and frees the UDP port, while everything else goes on. Without QUIC it does nothing.
func (g *Gateway) CloseQUIC() error {
	g.mu.Lock()
	f := g.quic
	g.mu.Unlock()
	if f == nil {
		return nil
	}
	f.stop()
	f.conns.Range(func(_, c any) bool {
		_ = c.(*conn).Close() // closed before, perhaps
		return true
	})
	return f.close()
}

// quicConn is a QUIC connection where a conn has its socket: it can be named and closed, its bytes go other ways.
type quicConn struct{ *quic.Conn }

var errQUIC = errors.New("edge: bytes of a QUIC connection are in its streams")

// Read implements net.Conn.
func (q quicConn) Read([]byte) (int, error) { return 0, errQUIC }

// Write implements net.Conn.
func (q quicConn) Write([]byte) (int, error) { return 0, errQUIC }

// SetDeadline implements net.Conn: streams have their own.
func (q quicConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (q quicConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (q quicConn) SetWriteDeadline(time.Time) error { return nil }

// Close implements net.Conn.
func (q quicConn) Close() error { return q.CloseWithError(h3NoError, "") }
