package edge

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	stdslices "slices"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

const (
	probeWindow        = time.Minute
	probeSamplesMax    = 4096 // kept per slice; the oldest go first
	probeInFlightSlice = 64   // of one slice; a probe due beyond it is missed
	probeInFlightAll   = 256
)

// ProberConfig says how often to probe. Zero values mean the defaults written beside them.
type ProberConfig struct {
	PerSecond    float64        // probes per slice and second; 0: 5
	AllPerSecond float64        // probes of all slices together; 0: 100. With many slices each is probed less often
	Timeout      time.Duration  // a probe that takes longer counts as missed, with this time; 0: 2 s
	Roots        *x509.CertPool // to trust when the gateway listens on TLS only: DevCA.Pool
}

// Prober measures added latency as SPEC section 4 defines it. It sends small requests on a fixed timetable through the
// real listener, admission, scheduler and proxy of each slice to a responder, and the same request straight to the
// responder. Each is timed from the moment it was due, so a late sender or a queue hides nothing. Safe for concurrent
// use.
type Prober struct {
	gateway  *Gateway
	config   ProberConfig
	through  *http.Client
	straight *http.Client

	mu       sync.Mutex
	slices   map[nexus.ID]*probeSeries
	baseline probeSeries
	inFlight int
	probes   sync.WaitGroup
}

// NewProber makes the prober of a gateway; the gateway's Snapshot shows its figures from then on.
func NewProber(g *Gateway, config ProberConfig) *Prober {
	config.PerSecond = cmp.Or(max(config.PerSecond, 0), 5)
	config.AllPerSecond = cmp.Or(max(config.AllPerSecond, 0), 100)
	config.Timeout = cmp.Or(max(config.Timeout, 0), 2*time.Second)
	p := &Prober{gateway: g, config: config, slices: map[nexus.ID]*probeSeries{}}
	p.through = p.client(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", dialable(cmp.Or(g.Addr(), g.TLSAddr())))
		if err != nil {
			return nil, err
		}
		return newProbeConn(g, c), nil
	})
	p.straight = p.client(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", g.responderAddress())
	})
	g.prober.Store(p)
	return p
}

func (p *Prober) client(dial func(context.Context) (net.Conn, error)) *http.Client {
	return &http.Client{
		Timeout: p.config.Timeout,
		Transport: &http.Transport{
			DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
			TLSClientConfig:     &tls.Config{RootCAs: p.config.Roots, MinVersion: tls.VersionTLS12},
			MaxIdleConns:        1024,
			MaxIdleConnsPerHost: 8,
			IdleConnTimeout:     2 * probeWindow,
			DisableCompression:  true,
		},
	}
}

// dialable replaces a wildcard address by the loopback's.
func dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.To4() == nil {
			host = "::1"
		}
		return net.JoinHostPort(host, port)
	}
	return addr
}

func (g *Gateway) responderAddress() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.responder == nil {
		return ""
	}
	return g.responder.address
}

// Run probes until ctx ends and returns when no probe is under way. A gateway that is not started yet is waited for.
func (p *Prober) Run(ctx context.Context) error {
	defer p.stop()
	due := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for turn := 0; ; turn++ {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		now := time.Now()
		if now.Sub(due) > p.config.Timeout {
			due = now // the machine slept: what was due then says nothing about now
		}
		targets := p.targets()
		if p.gateway.responderAddress() == "" || len(targets) == 0 {
			due = now.Add(100 * time.Millisecond)
			timer.Reset(time.Until(due))
			continue
		}
		rate := min(p.config.PerSecond*float64(len(targets)), p.config.AllPerSecond)
		p.send(ctx, targets[turn%len(targets)], due)
		if turn%probeSamplesMax == 0 {
			p.forgetGone(targets)
		}
		// One baseline for every four probes of many slices, one for each of few: it needs samples, not load.
		if len(targets) < 4 || turn%4 == 0 {
			p.sendBaseline(ctx, due)
		}
		due = due.Add(time.Duration(float64(time.Second) / rate))
		timer.Reset(time.Until(due))
	}
}

// forgetGone drops the samples of slices that are no longer served.
func (p *Prober) forgetGone(targets []*target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, series := range p.slices {
		served := stdslices.ContainsFunc(targets, func(t *target) bool { return t.route.SliceID == id })
		if !served && series.inFlight == 0 {
			delete(p.slices, id)
		}
	}
}

func (p *Prober) stop() {
	p.probes.Wait()
	p.through.CloseIdleConnections()
	p.straight.CloseIdleConnections()
}

// Measure sends count probes of one slice and as many baselines at perSecond, waits for them and gives the slice's
// figures of the last minute. It is for launch checks and suites; Run may be probing at the same time.
func (p *Prober) Measure(ctx context.Context, slice nexus.ID, count int, perSecond float64) (AddedLatency, error) {
	var found *target
	for _, t := range p.targets() {
		if t.route.SliceID == slice {
			found = t
		}
	}
	if found == nil {
		return AddedLatency{}, nexus.Errf("probe", nexus.CodeNotFound, "slice "+slice.String(),
			"probe a slice that has a host in the table", "no host leads to it")
	}
	if count < 1 || count > probeSamplesMax || perSecond <= 0 || perSecond > 10_000 {
		return AddedLatency{}, nexus.Errf("probe", nexus.CodeUsage,
			fmt.Sprintf("%d probes at %g per second", count, perSecond),
			fmt.Sprintf("1 to %d probes at up to 10000 per second", probeSamplesMax), "out of range")
	}
	due := time.Now()
	for range count {
		timer := time.NewTimer(time.Until(due))
		select {
		case <-ctx.Done():
			timer.Stop()
			return AddedLatency{}, ctx.Err()
		case <-timer.C:
		}
		p.send(ctx, found, due)
		p.sendBaseline(ctx, due)
		due = due.Add(time.Duration(float64(time.Second) / perSecond))
	}
	for {
		if p.settled(slice) {
			return p.stats(slice, time.Now()), nil
		}
		timer := time.NewTimer(time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return AddedLatency{}, ctx.Err()
		case <-timer.C:
		}
	}
}

// settled reports whether no probe of the slice is under way.
func (p *Prober) settled(slice nexus.ID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	series := p.slices[slice]
	return (series == nil || series.inFlight == 0) && p.baseline.inFlight == 0
}

// targets gives one host per slice, always the first by name, in the order of slice ids. Where groups have processes of their own each measures
// its own: what a client of the others meets is not here.
func (p *Prober) targets() []*target {
	first := map[nexus.ID]*target{}
	for host, t := range p.gateway.serving.Load().hosts {
		if own := p.gateway.config.Group; own != "" && own != t.group {
			continue
		}
		if old := first[t.route.SliceID]; old == nil || host < old.route.Host {
			first[t.route.SliceID] = t
		}
	}
	out := make([]*target, 0, len(first))
	for _, t := range first {
		out = append(out, t)
	}
	stdslices.SortFunc(out, func(a, b *target) int {
		return stdslices.Compare(a.route.SliceID[:], b.route.SliceID[:])
	})
	return out
}

func (p *Prober) send(ctx context.Context, t *target, due time.Time) {
	p.mu.Lock()
	series := p.slices[t.route.SliceID]
	if series == nil {
		series = &probeSeries{}
		p.slices[t.route.SliceID] = series
	}
	p.mu.Unlock()
	scheme := "http"
	if p.gateway.Addr() == "" {
		scheme = "https"
	}
	host := t.route.Host
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		host = "[" + host + "]"
	}
	p.launch(ctx, series, p.through, scheme+"://"+host+ProbePath, due)
}

func (p *Prober) sendBaseline(ctx context.Context, due time.Time) {
	p.launch(ctx, &p.baseline, p.straight, "http://"+p.gateway.responderAddress()+ProbePath, due)
}

// launch sends one probe on a goroutine of its own, so that a slow answer delays no other probe. Probes beyond the
// bounds are not sent and count with the full timeout: what cannot be asked is as bad as what is not answered.
func (p *Prober) launch(ctx context.Context, series *probeSeries, client *http.Client, url string, due time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if series.inFlight >= probeInFlightSlice || p.inFlight >= probeInFlightAll {
		series.add(probeSample{due.UnixNano(), p.config.Timeout.Microseconds(), 0, true})
		return
	}
	series.inFlight++
	p.inFlight++
	p.probes.Go(func() {
		held, err := p.ask(ctx, client, url)
		took := time.Since(due)
		p.mu.Lock()
		defer p.mu.Unlock()
		series.inFlight--
		p.inFlight--
		switch {
		case err != nil && ctx.Err() != nil: // stopped: says nothing about the gateway
		case err != nil:
			whole := p.config.Timeout
			series.add(probeSample{due.UnixNano(), whole.Microseconds(), min(held, whole).Microseconds(), true})
		default:
			series.add(probeSample{due.UnixNano(), took.Microseconds(), min(held, took).Microseconds(), false})
		}
	})
}

// ask sends one probe. held is how long limits of the slice itself kept it from its answer.
func (p *Prober) ask(ctx context.Context, client *http.Client, url string) (held time.Duration, err error) {
	var via *probeConn
	defer func() { held = via.held() }()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		via = probeConnOf(i.Conn)
		via.next()
	}})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<10)); err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("probe answered %s", resp.Status)
	}
	return 0, nil
}
