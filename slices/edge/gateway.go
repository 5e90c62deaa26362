package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/meter"
	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// Gateway serves a Table. Build it with New, give it a table with Swap at any time, start it with Start or Run, end it
// with Close. All methods are safe for concurrent use.
type Gateway struct {
	config      Config
	log         *slog.Logger
	scheduler   *shape.Scheduler
	server      *http.Server
	buffers     *bufferPool
	probers     sync.Map // *probeConn by client-side address: open, or closed a moment ago
	handed      *handed  // HTTP/2 and sessions, for server
	tls         *tls.Config
	capacityBps atomic.Uint64 // that clients' connections share
	stopping    atomic.Bool
	serving     atomic.Pointer[serving]
	prober      atomic.Pointer[Prober]
	open        chan struct{}  // one element per open connection; its capacity is ConnectionsMax
	goAwayAfter time.Duration  // goAwayAfter, but in tests
	retiring    atomic.Bool    // accepts nothing more, answers what comes on open connections
	handlers    sync.WaitGroup // requests and upgraded streams
	listenLoops sync.WaitGroup // of the two listeners, part of serveLoops
	serveLoops  sync.WaitGroup

	lately  lately
	date    date
	threads pumpThreads
	signing chan struct{} // handshakes that are computed; its capacity is one a core

	mu        sync.Mutex
	states    map[nexus.ID]*sliceState
	conns     map[*conn]struct{}
	drained   chan struct{} // closed when the last connection has gone; set while Close waits
	plain     net.Listener
	secure    net.Listener
	responder *responder
	quic      *quicFront // nil: no HTTP/3; set by Start

	alternative alternative // set by Start

	started  bool
	closing  bool
	serveErr error
	failed   chan struct{} // closed when a listener died
}

// New builds a gateway that serves an empty table: every host is refused until Swap.
func New(config Config) (*Gateway, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		config: config, goAwayAfter: goAwayAfter, log: config.Logger.With(slog.String("component", "edge")),
		scheduler: shape.NewScheduler(config.CapacityBps), buffers: newBufferPool(),
		open: make(chan struct{}, config.ConnectionsMax), signing: make(chan struct{}, runtime.GOMAXPROCS(0)),
		states: map[nexus.ID]*sliceState{}, conns: map[*conn]struct{}{}, failed: make(chan struct{}),
	}
	if config.Link != nil {
		g.scheduler.Share(config.Link, len(slices.Groups()), config.LinkClock, config.CapacityBps)
	}
	if config.Work != nil {
		g.lately.clock = config.LinkClock
		switch config.Group {
		case slices.GroupPrompt:
			g.lately.tells = config.Work
		case slices.GroupPatient:
			g.lately.asks = config.Work
		}
	}
	g.capacityBps.Store(config.CapacityBps)
	g.serving.Store(&serving{table: &Table{}})
	g.handed = newHanded()
	g.server = g.newServer()
	g.tls = g.server.TLSConfig.Clone()
	return g, nil
}

// challengeProtocol is what an authority speaks that checks a host by tls-alpn-01 (RFC 8737).
const challengeProtocol = "acme-tls/1"

func (g *Gateway) newServer() *http.Server {
	spoken := []string{"h2", "http/1.1"}
	if g.config.Issuer != nil {
		spoken = append(spoken, challengeProtocol)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:                      http.HandlerFunc(g.serveHTTP),
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            g.config.HeaderTimeout,
		IdleTimeout:                  g.config.IdleTimeout,
		MaxHeaderBytes:               g.config.HeaderBytesMax,
		Protocols:                    &protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 128, MaxReadFrameSize: shape.QuantumBytes,
			MaxReceiveBufferPerConnection: http2ConnBytes, MaxReceiveBufferPerStream: http2StreamBytes,
			SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second, // who takes nothing is cut by conn.Write
		},
		// Handshake failures and malformed requests are the clients' doing: worth a debug line, never an alarm.
		ErrorLog:    slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
		ConnState:   g.connState,
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context { return connOf(nc).context(ctx) },
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, NextProtos: spoken,
			GetConfigForClient: g.admitHello, GetCertificate: g.certificate,
		},
	}
}

type connKey struct{}

func withConn(ctx context.Context, c *conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

func connFrom(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

// connState follows net/http's view of a connection: between requests a read is a new request and needs a turn.
func (g *Gateway) connState(nc net.Conn, state http.ConnState) {
	c := connOf(nc)
	switch state {
	case http.StateActive:
		c.active.Store(true)
	case http.StateIdle:
		c.finishExchange()
		c.firstByteNs.Store(0)
		c.active.Store(false)
		if c.broken.Load() {
			_ = nc.Close() // the next read fails and ends the connection
		}
	case http.StateHijacked:
		c.upgraded.Store(true)
	case http.StateClosed:
		c.finishExchange()
	}
}

// admitHello refuses a handshake for a host that is not in the table, before any key is used, and gives the connection
// to the host's slice, so that handshakes too are paid by the slice that they are for.
func (g *Gateway) admitHello(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	t, err := g.find(hello.ServerName)
	if err != nil {
		return nil, err
	}
	c := connOf(hello.Conn)
	if c == nil {
		return nil, nexus.Errf("edge", nexus.CodeInternal, "handshake", "", "connection of type %T", hello.Conn)
	}
	if c.bind(t.slice) != bindOK {
		t.slice.counters.Refused.Add(1)
		return nil, nexus.Errf("edge", nexus.CodeUnavailable, "slice of "+t.route.Host, "try again later",
			"too many sessions")
	}
	c.handshake = g.newHandshake(hello, t)
	return nil, c.beginSigning(c.handshake.over)
}

// certificate gives the certificate for a hello that admitHello let in.
func (g *Gateway) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c := connOf(hello.Conn)
	if err := c.handshake.err; err != nil {
		return nil, err
	}
	return c.handshake.certificate, c.beginSigning(c.handshake.over)
}

func (g *Gateway) certificateOf(hello *tls.ClientHelloInfo, t *target) (*tls.Certificate, error) {
	if g.config.Issuer != nil {
		return g.config.Issuer.Certificate(hello)
	}
	return g.config.Certificate(t.route.Host)
}

func (g *Gateway) find(serverName string) (*target, error) {
	host, err := ParseHost(serverName)
	if err != nil {
		return nil, err
	}
	if t, ok := g.serving.Load().hosts[host]; ok {
		return t, nil
	}
	return nil, nexus.Errf("edge", nexus.CodeNotFound, "host "+host, "use a host that this gateway serves",
		"not served here")
}

// Swap serves table from now on. Requests and streams under way go on with the table they began with; none is cut. A
// table whose guarantees the capacity cannot keep is refused with the arithmetic, and the old one stays.
func (g *Gateway) Swap(table *Table) error { return g.SwapWithin(table, g.CapacityBps()) }

// CapacityBps is what clients' connections share, both directions, in bits per second.
func (g *Gateway) CapacityBps() uint64 { return g.capacityBps.Load() }

// SwapWithin is Swap with another capacity from now on, in bits per second: an edge beside a node has the node's. A table that it
// cannot keep changes neither.
func (g *Gateway) SwapWithin(table *Table, capacityBps uint64) error {
	if err := slices.AdmitAll(table.Slices(), capacityBps); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing {
		return nexus.Errf("edge", nexus.CodeUnavailable, "table", "", "the gateway is stopping")
	}
	if g.capacityBps.Swap(capacityBps) != capacityBps {
		g.scheduler.SetCapacity(capacityBps)
		for _, st := range g.states {
			st.setRates(g) // a ceiling above the capacity is none
		}
	}
	if committed, _ := slices.CommittedBps(table.Slices(), capacityBps); committed < capacityBps {
		g.scheduler.SetFree(capacityBps - committed)
	}
	for id, s := range table.slices {
		if st, ok := g.states[id]; ok {
			st.apply(g, s)
		} else {
			g.states[id] = g.newSliceState(s)
		}
	}
	next := &serving{table: table, hosts: make(map[string]*target, len(table.routes))}
	for host, r := range table.routes {
		next.hosts[host] = &target{route: r, index: formatIndex(r.RouteIndex), slice: g.states[r.SliceID],
			group: table.slices[r.SliceID].Class.Group(), out: ejectedRefusal(host), health: g.serving.Load().healthOf(r)}
	}
	g.serving.Store(next)
	for id, st := range g.states {
		if _, kept := table.slices[id]; !kept && st.idle() {
			st.closeIdle()
			delete(g.states, id)
		}
	}
	return nil
}

// Table gives the table served now.
func (g *Gateway) Table() *Table { return g.serving.Load().table }

// Start opens the listeners and serves in the background until Close. A taken port is an error that names it.
func (g *Gateway) Start() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.started || g.closing {
		return nexus.Errf("edge", nexus.CodeConflict, "gateway", "build a new one with edge.New", "started before")
	}
	if err := g.listen(); err != nil {
		return err
	}
	g.started = true
	g.noteAlternative()
	g.serve(func() error { return g.server.Serve(g.handed) })
	if ln := g.plain; ln != nil {
		g.listenLoops.Add(1)
		g.serve(func() error { defer g.listenLoops.Done(); return g.accept(ln, false) })
	}
	if ln := g.secure; ln != nil {
		g.listenLoops.Add(1)
		g.serve(func() error { defer g.listenLoops.Done(); return g.accept(ln, true) })
		if g.quic != nil {
			g.serve(g.quic.serve)
		}
	}
	return nil
}

// listen binds all sockets or none; the caller holds the mutex.
func (g *Gateway) listen() error {
	open := func(addr string, bound net.Listener) (net.Listener, error) {
		if bound != nil {
			return newListener(g, bound), nil
		}
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, &nexus.Error{Op: "edge listen", Code: nexus.CodeConflict, Subject: "address " + addr, Cause: err,
				Hint: "free the port or configure another; port 0 takes any"}
		}
		return newListener(g, ln), nil
	}
	var err error
	if g.config.Addr != "" || g.config.Listener != nil {
		if g.plain, err = open(g.config.Addr, g.config.Listener); err != nil {
			return err
		}
	}
	for tries := 1; g.config.TLSAddr != "" || g.config.TLSListener != nil; tries++ {
		if g.secure, err = open(g.config.TLSAddr, g.config.TLSListener); err != nil {
			return errors.Join(err, g.closeListeners())
		}
		if !g.config.QUIC {
			break
		}
		if g.quic, err = g.listenQUIC(); err == nil {
			break
		}
		if tries == portTries || g.config.TLSListener != nil || !strings.HasSuffix(g.config.TLSAddr, ":0") {
			return errors.Join(err, g.closeListeners())
		}
		if err := g.secure.Close(); err != nil {
			return errors.Join(err, g.closeListeners())
		}
	}
	if g.responder, err = startResponder(); err != nil {
		return errors.Join(err, g.closeListeners())
	}
	return nil
}

func (g *Gateway) closeListeners() error {
	var errs []error
	for _, ln := range []*net.Listener{&g.plain, &g.secure} {
		if *ln != nil {
			errs = append(errs, (*ln).Close())
			*ln = nil
		}
	}
	if g.quic != nil {
		errs = append(errs, g.quic.close())
		g.quic = nil
	}
	return errors.Join(errs...)
}

func (g *Gateway) serve(loop func() error) {
	g.serveLoops.Go(func() {
		err := loop()
		if errors.Is(err, http.ErrServerClosed) {
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.serveErr == nil && !g.closing && !g.retiring.Load() {
			g.serveErr = &nexus.Error{Op: "edge serve", Code: nexus.CodeUnavailable, Subject: "listener", Cause: err}
			close(g.failed)
		}
	})
}

// Run starts the gateway unless Start was called, serves until ctx ends or a listener dies, then drains for the
// configured time and returns when nothing of it runs any more.
func (g *Gateway) Run(ctx context.Context) error {
	g.mu.Lock()
	started := g.started
	g.mu.Unlock()
	if !started {
		if err := g.Start(); err != nil {
			return err
		}
	}
	var failure error
	select {
	case <-ctx.Done():
	case <-g.failed:
		g.mu.Lock()
		failure = g.serveErr
		g.mu.Unlock()
	}
	return errors.Join(failure, g.Close(g.config.DrainTimeout))
}

// Addr is the plain listener's address, "" without one or before Start.
func (g *Gateway) Addr() string { return g.addrOf(&g.plain) }

// TLSAddr is the HTTPS listener's address, "" without one or before Start.
func (g *Gateway) TLSAddr() string { return g.addrOf(&g.secure) }

// QUICAddr is the UDP address of HTTP/3 and WebTransport, "" without them or before Start.
func (g *Gateway) QUICAddr() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.quic == nil {
		return ""
	}
	return g.quic.udp.LocalAddr().String()
}

func (g *Gateway) addrOf(ln *net.Listener) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if *ln == nil {
		return ""
	}
	return (*ln).Addr().String()
}

// Snapshot gives the figures of every slice in the table, in the table's order. It costs some 100 us per slice with
// traffic: ask a few times a second at most.
func (g *Gateway) Snapshot() []SliceStats {
	now := time.Now()
	serving := g.serving.Load()
	routes := make(map[nexus.ID][]RouteStats, len(serving.table.slices))
	for _, t := range serving.hosts {
		routes[t.route.SliceID] = append(routes[t.route.SliceID], t.stats(g.config.CertificateStatus))
	}
	prober := g.prober.Load()
	set := serving.table.Slices()
	out := make([]SliceStats, 0, len(set))
	for _, s := range set {
		g.mu.Lock()
		st := g.states[s.ID]
		g.mu.Unlock()
		if st == nil {
			continue // taken out by a swap after the table was read
		}
		sortRoutes(routes[s.ID])
		stats := SliceStats{Slice: s, Hosts: len(routes[s.ID]), Routes: routes[s.ID], Backends: st.backends.stats(),
			Gateway: meter.Snap(now, &st.latency, &st.counters), Promise: g.scheduler.Kept(st.flow)}
		gate := st.gate.Stats()
		stats.Gateway.InFlight = gate.InFlight + int(st.lent.Load())
		stats.Gateway.Queue = gate.Requests + gate.Readers + g.scheduler.Waiting(st.flow)
		stats.Gateway.Dropped = gate.Dropped
		if prober != nil {
			stats.Added, stats.Probes = prober.stats(s.ID, now), prober.probed(s.ID)
		}
		out = append(out, stats)
	}
	return out
}
