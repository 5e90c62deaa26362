package edge

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/meter"
	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// sliceState is what runs for one slice. It outlives tables: swapping changes its limits and leaves its connections,
// queue and figures alone.
type sliceState struct {
	id          nexus.ID
	slice       atomic.Pointer[slices.Slice]
	gate        *shape.Gate
	flow        *shape.Flow
	quantum     atomic.Int32
	sessionsMax atomic.Int64
	lentMax     atomic.Int32
	limiting    sync.Mutex    // held while slice or wide changes, and the gate's limits with it
	wide        atomic.Bool   // the gate lets in all that may be in flight
	lent        atomic.Int32  // long requests that gave their place back
	lender      lender        // of the others' places
	next        chan struct{} // handshakes that are computed or next, one a core
	signing     chan struct{} // beside others one of them is computed at a time
	quicWaiting atomic.Int64  // handshakes of QUIC that wait for their turn
	quicSilent  silents       // connections of HTTP/3 on which nothing was asked yet
	refusing    atomic.Pointer[slowDown]
	workedNs    atomic.Int64 // when lately heard of it, Unix nanoseconds
	counters    meter.Counters
	latency     meter.Histogram // first byte read to last byte written, less backend time
	transport   *http.Transport // of HTTP/2 and HTTP/3
	grpc        *http.Transport // of gRPC calls
	forward     forwarder
	upstreams   *upstreams // of HTTP/1.1
	pumps       pumps      // of upgraded connections
	backends    *backends
}

func (g *Gateway) newSliceState(s slices.Slice) *sliceState {
	st := &sliceState{id: s.ID, next: make(chan struct{}, cap(g.signing)), signing: make(chan struct{}, 1),
		gate: shape.NewGate(gateLimits(s, false)), flow: g.scheduler.NewFlow(g.rates(s))}
	dialer := net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	// A pool of its own per slice: one slice's slow backend cannot use up another's connections.
	st.transport = &http.Transport{
		DialContext:            dialer.DialContext,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		ResponseHeaderTimeout:  g.config.BackendTimeout,
		MaxResponseHeaderBytes: 256 << 10,
		ReadBufferSize:         switchedBytes,
		DisableCompression:     true,
	}
	st.grpc = newGRPCTransport(st.transport)
	st.forward = newReverseProxy(g, st.transport, st.grpc)
	st.upstreams = newUpstreams()
	st.pumps.threads = &g.threads
	st.backends = newBackends(g.log)
	st.apply(g, s)
	return st
}

// apply sets the slice's limits, at creation and at each change.
func (s *sliceState) apply(g *Gateway, want slices.Slice) {
	if old := s.slice.Load(); old != nil && *old == want {
		return
	}
	s.setSlice(want)
	s.setRates(g)
	s.sessionsMax.Store(int64(want.Sessions()))
	s.lentMax.Store(int32(want.InFlight() - want.Turns()))
}

// setWide says whether the slice's gate lets in at once all that the slice may have in flight, instead of its turns. Turns keep slices from each other's
// way; a slice that is alone has nobody to make way for, and would leave the processors idle between them.
func (s *sliceState) setWide(wide bool) {
	s.limiting.Lock()
	defer s.limiting.Unlock()
	s.wide.Store(wide)
	s.gate.SetLimits(gateLimits(*s.slice.Load(), wide))
}

// setSlice takes a slice, and gives the gate its limits.
func (s *sliceState) setSlice(want slices.Slice) {
	s.limiting.Lock()
	defer s.limiting.Unlock()
	s.slice.Store(&want)
	s.gate.SetLimits(gateLimits(want, s.wide.Load()))
}

func (s *sliceState) setRates(g *Gateway) {
	g.scheduler.SetRates(s.flow, g.rates(*s.slice.Load()))
	s.quantum.Store(int32(g.scheduler.Quantum(s.flow)))
}

// closeIdle ends the connections to backends that nobody uses, and the checks of those that are out.
func (s *sliceState) closeIdle() {
	s.transport.CloseIdleConnections()
	s.grpc.CloseIdleConnections()
	s.upstreams.closeIdle()
	s.backends.close()
}

// idle reports whether nothing of the slice is left, so that its state may go when its table entry has gone.
func (s *sliceState) idle() bool {
	stats := s.gate.Stats()
	return s.counters.Sessions.Load() == 0 && s.lent.Load() == 0 &&
		stats.InFlight == 0 && stats.Requests == 0 && stats.Readers == 0
}

// rates gives the byte limits of a slice; a ceiling at or above the capacity is the capacity's business.
func (g *Gateway) rates(s slices.Slice) shape.Rates {
	spec, _ := s.Class.Spec()
	r := shape.Rates{GuaranteedBps: s.GuaranteedBps, CeilingBps: s.CeilingBps, Priority: spec.Priority}
	if r.CeilingBps >= g.CapacityBps() {
		r.CeilingBps = 0
	}
	return r
}

func gateLimits(s slices.Slice, wide bool) shape.GateLimits {
	spec, _ := s.Class.Spec()
	atOnce := s.Turns()
	if wide {
		atOnce = s.InFlight()
	}
	return shape.GateLimits{
		InFlightMax: atOnce,
		QueueMax:    spec.Drop.QueueMax,
		Target:      time.Duration(spec.Drop.TargetMs) * time.Millisecond,
		Interval:    time.Duration(spec.Drop.IntervalMs) * time.Millisecond,
		MaxWait:     time.Duration(spec.Drop.MaxWaitMs) * time.Millisecond,
	}
}

// serving is a table with the running states of its slices: what one request sees from start to end.
type serving struct {
	table *Table
	hosts map[string]*target
}

// target is where one host leads.
type target struct {
	route Route
	index string // Route.RouteIndex as the response header has it
	slice *sliceState
	group slices.Group // of the slice's class
	out   *refusal     // what is said while the backend is out

	health *routeHealth
}
