package edge

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
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

// tenants are the slices of the bench: what a new unit gets; with contracts, the offenders' as guarantee and ceiling, and for the victim a guarantee
// that carries its requests; or without contracts, all but the victim's of a class that has patience.
type tenants int

const (
	newUnits tenants = iota
	contracted
	patientOffenders
)

func of(isTuned bool) tenants {
	if isTuned {
		return contracted
	}
	return newUnits
}

// table makes every tenant's route and slice.
func (r *rig) table(t tenants) (*edge.Table, error) {
	var routes []edge.Route
	var set []slices.Slice
	for _, name := range hosts() {
		s := slices.Default(nexus.DeriveID("bench-edge", []byte(name)), name)
		switch {
		case t == contracted:
			r.contract(&s, name)
		case t == patientOffenders && name != victimHost:
			spec, _ := slices.ClassDefault.Spec()
			s.Class, s.SST, s.LatencyBudgetMicros = spec.Class, spec.SST, spec.DelayBudgetMs*1000
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
	sealer *satellite.Sealer
}

func (r *rig) startHome(name string) (*home, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	tickets, err := session.NewTickets(key, nexus.ID{1})
	if err != nil {
		return nil, err
	}
	discard := slog.New(slog.DiscardHandler)
	h := &home{socket: filepath.Join(r.Dir, name+".sock"), sealer: satellite.NewSealer(nexus.KeySigner(key), nexus.ID{1}, false)}
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

// startOurs starts this program's edge as it is meant to be run, with a worker for each latency group, and its table from the home. Tuned, the worker
// of the offenders' classes has less weight where both want a processor.
func startOurs(ctx context.Context, r *rig, isTuned bool) (*running, error) {
	flags := []string{"--supervise"}
	if isTuned {
		flags = append(flags, fmt.Sprintf("--patient-nice=%d", flooderNice))
	}
	return startNamed(ctx, r, r.home, "bench", of(isTuned), flags...)
}

// startPatient is startOurs where the units that flood were given the class that they are: the operator's one word that does not say how much they
// may have. Beside an interactive tenant it puts them in the other worker.
func startPatient(ctx context.Context, r *rig, _ bool) (*running, error) {
	return startNamed(ctx, r, r.home, "bench-patient", patientOffenders, "--supervise")
}

// startSingle is startOurs with one process for all.
func startSingle(ctx context.Context, r *rig, isTuned bool) (*running, error) {
	return startNamed(ctx, r, r.home, "bench-single", of(isTuned))
}

func startNamed(ctx context.Context, r *rig, h *home, name string, set tenants, flags ...string) (*running, error) {
	t, err := r.table(set)
	if err != nil {
		return nil, err
	}
	b, err := h.sealer.Seal(t, capacityBps, 0)
	if err != nil {
		return nil, err
	}
	h.server.SetTable(b)
	args := append([]string{"slices", "edge", "--home", h.socket, "--name", name, "-o", "json", "--data-dir", r.Dir}, flags...)
	cmd := exec.Command(r.Binary, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p, err := startProcess(cmd)
	if err != nil {
		return nil, err
	}
	serving := make(chan satellite.Ready, 1)
	go func() { // until its end
		defer close(serving)
		var ready satellite.Ready
		for in := json.NewDecoder(out); in.Decode(&ready) == nil; {
			if ready.Group == "" || ready.Group == slices.Groups()[0] { // of several workers this one accepts
				serving <- ready
				_, _ = io.Copy(io.Discard, io.MultiReader(in.Buffered(), out)) // what else it says is for people
			}
		}
	}()
	var ready satellite.Ready
	select {
	case r, ok := <-serving:
		if ready = r; !ok {
			p.stop()
			return nil, fmt.Errorf("the edge does not say where it serves: %s", p.said)
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
