package edge

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"path/filepath"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/satellite"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/host"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/link"
)

// capacityBps is what the table says of the edge's link, in bits a second.
const capacityBps = 1_000_000_000

// table makes every tenant's route and slice. Without tuning each has what a new unit gets; tuned, the offenders have their contract as
// guarantee and ceiling, and the victim a guarantee that carries its requests.
func (r *rig) table(tuned bool) (*edge.Table, error) {
	var routes []edge.Route
	var set []slices.Slice
	for _, name := range hosts() {
		s := slices.Default(nexus.DeriveID("bench-edge", []byte(name)), name)
		if tuned {
			r.contract(&s, name)
		}
		set = append(set, s)
		routes = append(routes, edge.Route{Host: name, Unit: s.Unit, SliceID: s.ID, Backend: edge.Backend{Address: r.backendOf(name)}})
	}
	return edge.NewTable(routes, set)
}

// contract gives a tenant its class and rates.
func (r *rig) contract(s *slices.Slice, name string) {
	class := func(c slices.Class, guaranteed, ceiling uint64) {
		spec, _ := c.Spec()
		s.Class, s.SST, s.GuaranteedBps, s.CeilingBps = c, spec.SST, guaranteed, ceiling
		s.LatencyBudgetMicros = spec.DelayBudgetMs * 1000
	}
	both := func(bytesPerSecond float64) (uint64, uint64) {
		return uint64(bytesPerSecond * 8), uint64(bytesPerSecond * 8)
	}
	switch name {
	case victimHost:
		class(slices.ClassInteractive, 8_000_000, 0)
	case smallHost:
		guaranteed, ceiling := both(smallContract * r.exchangeBytes)
		class(slices.ClassBulk, guaranteed, ceiling)
	case largeHost:
		guaranteed, ceiling := both(largeContract)
		class(slices.ClassBulk, guaranteed, ceiling)
	case broadcastHost:
		guaranteed, ceiling := both(broadcastContract)
		class(slices.ClassBulk, guaranteed, ceiling)
	case handshakesHost, lorisHost, greedyHost:
		class(slices.ClassBulk, 0, 0)
	case guaranteedHost:
		class(slices.ClassVideo, guaranteedBps, 0)
	case ceilingHost:
		class(slices.ClassDefault, 0, ceilingBps)
	}
}

// home is what an edge process links itself to: it hands out the table, and knows of no sessions.
type home struct {
	socket string
	cancel context.CancelFunc
	server *link.Server
}

func (r *rig) startHome() (*home, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	tickets, err := session.NewTickets(key, nexus.ID{1})
	if err != nil {
		return nil, err
	}
	discard := slog.New(slog.DiscardHandler)
	h := &home{socket: filepath.Join(r.Dir, "home.sock")}
	h.server = link.NewServer(host.New(host.Config{Tickets: tickets, Logger: discard,
		Route: func(string) (host.Route, bool) { return host.Route{}, false }}), discard)
	ln, err := net.Listen("unix", h.socket)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	go func() { _ = h.server.Serve(ctx, ln) }() // ends with the context
	return h, nil
}

// startOurs starts this program's edge as its users do: `nexus slices edge`, with its table from the home.
func startOurs(ctx context.Context, r *rig, tuned bool) (*running, error) {
	return startNamed(ctx, r, "bench", tuned)
}

func startNamed(ctx context.Context, r *rig, name string, tuned bool) (*running, error) {
	t, err := r.table(tuned)
	if err != nil {
		return nil, err
	}
	b, err := satellite.EncodeTable(t, capacityBps)
	if err != nil {
		return nil, err
	}
	r.home.server.SetTable(b)
	cmd := exec.Command(r.Binary, "slices", "edge", "--home", r.home.socket, "--name", name, "-o", "json", "--data-dir", r.Dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p, err := startProcess(cmd)
	if err != nil {
		return nil, err
	}
	lines := make(chan []byte, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadBytes('\n') // an early end shows as an empty line
		lines <- line
	}()
	var ready satellite.Ready
	select {
	case line := <-lines:
		if err := json.Unmarshal(line, &ready); err != nil {
			p.stop()
			return nil, fmt.Errorf("the edge said %q: %w; %s", line, err, p.said)
		}
	case <-ctx.Done():
		p.stop()
		return nil, ctx.Err()
	case <-time.After(startWithin):
		p.stop()
		return nil, fmt.Errorf("the edge does not serve within %v: %s", startWithin, p.said)
	}
	return &running{process: p, addr: ready.Addr, tlsAddr: ready.TLSAddr}, nil
}
