package edge

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/sys/unix"
)

// client is one connection of shapeClients with what it saw.
type client struct {
	http.Client
	url, host string

	good, refused, broken, late int64
	latencies                   []int64
}

// due is a request to be sent.
type due struct {
	at     time.Time
	counts bool
}

// clients sends requests at a fixed rate by the protocols that need more than a socket, with Go's own clients: each connection is a client of its own and has
// one request at a time, each request goes to one that is free, and its latency is from the moment it was due. What these clients cost is in it,
// so the baseline beside it must be theirs. Errors: a first request that is not answered.
func clients(ctx context.Context, job Job) (Figures, error) {
	debug.SetGCPercent(800)
	all := make([]*client, job.Connections)
	for i := range all {
		c, stop, err := newClient(job)
		if err != nil {
			return Figures{}, err
		}
		defer stop()
		all[i] = c
		if err := c.first(ctx); err != nil {
			return Figures{}, fmt.Errorf("%s, connection %d: %w", job.Protocol, i+1, err)
		}
	}
	queue := make(chan due, int(job.Rate*lateMost.Seconds())+1)
	giveUp, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for _, c := range all {
		wg.Go(func() {
			for d := range queue {
				c.send(giveUp, d)
			}
		})
	}
	lags, lost, err := pace(ctx, job, queue)
	close(queue)
	timer := time.AfterFunc(lateMost, cancel)
	defer timer.Stop()
	wg.Wait()
	f := Figures{Seconds: job.Duration.Seconds(), Late: lost}
	var latencies []int64
	for _, c := range all {
		f.Good, f.Refused, f.Broken, f.Late = f.Good+c.good, f.Refused+c.refused, f.Broken+c.broken, f.Late+c.late
		latencies = append(latencies, c.latencies...)
	}
	f.quantiles(latencies)
	f.lag(lags)
	return f, err
}

// pace puts requests into the queue when they are due, by a thread that sleeps in the kernel, because the runtime's timers overshoot. Lost are those that
// found it full.
func pace(ctx context.Context, job Job, queue chan<- due) (lags []int64, lost int64, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	chance := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // the same arrivals for all who are compared
	begin := time.Now()
	counts, end := begin.Add(job.Warm), begin.Add(job.Warm+job.Duration)
	for next := begin; next.Before(end) && ctx.Err() == nil; {
		if wait := time.Until(next); wait > 0 {
			ts := unix.NsecToTimespec(wait.Nanoseconds())
			if err := unix.Nanosleep(&ts, nil); err != nil && err != unix.EINTR {
				return lags, lost, fmt.Errorf("nanosleep: %w", err)
			}
			continue
		}
		d := due{next, !next.Before(counts)}
		if d.counts {
			lags = append(lags, time.Since(next).Microseconds())
		}
		select {
		case queue <- d:
		default:
			if d.counts {
				lost++
			}
		}
		next = next.Add(time.Duration((0.5 + chance.Float64()) * float64(time.Second) / job.Rate))
	}
	return lags, lost, ctx.Err()
}

// newClient makes a client of one connection.
func newClient(job Job) (c *client, stop func(), err error) {
	source, err := netip.ParseAddr(job.Source)
	if err != nil {
		return nil, nil, err
	}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: source.AsSlice()}}
		return d.DialContext(ctx, network, job.Addr)
	}
	secure := clientTLS(job.Host)
	c = &client{url: "https://" + job.Host + job.Path, host: job.Host}
	t := &http.Transport{DialContext: dial, TLSClientConfig: secure, MaxConnsPerHost: 1, DisableCompression: true, Protocols: &http.Protocols{}}
	stop = t.CloseIdleConnections
	c.Transport = t
	switch job.Protocol {
	case protocolPlain:
		c.url = "http://" + job.Host + job.Path
		t.Protocols.SetHTTP1(true)
	case protocolH1:
		t.Protocols.SetHTTP1(true)
	case protocolH2:
		t.Protocols.SetHTTP2(true)
	case protocolH3:
		h3 := &http3.Transport{TLSClientConfig: secure, Dial: func(ctx context.Context, _ string, tc *tls.Config, qc *quic.Config) (*quic.Conn, error) {
			return quic.DialAddr(ctx, job.Addr, tc, qc)
		}}
		stop = func() { _ = h3.Close() } // the process ends next
		c.Transport = h3
	default:
		return nil, nil, fmt.Errorf("protocol %q", job.Protocol)
	}
	return c, stop, nil
}

// clientTLS is what generators say over TLS. The certificate is made for this run; that it is the right one is not what is measured.
func clientTLS(host string) *tls.Config {
	return &tls.Config{ServerName: host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13} //nolint:gosec // see above
}

// first opens the connection.
func (c *client) first(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	status, err := c.get(ctx)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d", status)
	}
	return err
}

func (c *client) get(ctx context.Context) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := c.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close() // read whole
	return resp.StatusCode, err
}

// send asks until it has an answer, or nobody waits any more: what breaks is still due, so its latency goes on.
func (c *client) send(ctx context.Context, d due) {
	status, err := c.get(ctx)
	for err != nil && ctx.Err() == nil {
		if d.counts {
			c.broken++
		}
		_ = sleep(ctx, tick) // a refusal comes at once; do not spin on it
		status, err = c.get(ctx)
	}
	if !d.counts {
		return
	}
	switch {
	case err != nil:
		c.late++
	case status != http.StatusOK:
		c.refused++
	default:
		c.good++
	}
	c.latencies = append(c.latencies, time.Since(d.at).Microseconds())
}
