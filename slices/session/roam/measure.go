package roam

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// measureProbes are asked of each edge on one connection; the shortest counts.
const measureProbes = 3

// measureLoop looks for a nearer edge now and then.
func (s *Session) measureLoop() {
	t := time.NewTicker(s.options.MeasureEvery)
	defer t.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
		}
		measured := s.Measure(s.ctx)
		s.mu.Lock()
		if to := session.Nearest(s.current, measured); s.current != "" && to != "" && to != s.current {
			s.connect(to)
		}
		s.mu.Unlock()
	}
}

// Measure takes the round trip to each edge that is known.
func (s *Session) Measure(ctx context.Context) []session.Measured {
	var out []session.Measured
	for _, a := range s.Edges() {
		out = append(out, session.Measured{Address: a, RTT: s.measure(ctx, a)})
	}
	return out
}

// measure gives the shortest of a few round trips, 0 when the edge does not answer.
func (s *Session) measure(ctx context.Context, address string) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if strings.HasPrefix(address, "https://") {
		return s.measureWebTransport(ctx, address)
	}
	transport := &http.Transport{DialContext: s.dialContext, TLSClientConfig: s.options.TLS}
	defer transport.CloseIdleConnections()
	return roundTrips(ctx, &http.Client{Transport: transport}, "http"+strings.TrimPrefix(address, "ws")+session.RTTPath)
}

func roundTrips(ctx context.Context, client *http.Client, url string) time.Duration {
	best := time.Duration(0)
	for i := range measureProbes + 1 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return 0
		}
		begin := time.Now()
		resp, err := client.Do(req)
		if err != nil {
			return 0
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close() // read to its end
		if err != nil || resp.StatusCode != http.StatusNoContent {
			return 0
		}
		if took := time.Since(begin); i > 0 && (best == 0 || took < best) { // the first one pays for the connection
			best = took
		}
	}
	return best
}
