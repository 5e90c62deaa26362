package proof

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/satellite"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/host"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/link"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/roam"
)

// FleetHost is the host whose program a fleet serves.
const FleetHost = "proof.nexus.localhost"

// FleetConfig describes a fleet.
type FleetConfig struct {
	Dir    string // for the home's socket; short, a socket's path has at most 107 bytes
	Edges  int    // processes; 0: 2
	Limits session.Limits
	Logger *slog.Logger // nil: discards
	// Edge gives the command of an edge process that links itself to the home's socket and prints satellite.Ready as one line of
	// JSON on its standard output.
	Edge func(home, name string) *exec.Cmd
	// Program is what stands behind the host; nil: Program.
	Program http.Handler
}

// Fleet is a home in this process and edges as real processes: what sessions move between. Methods are for one goroutine.
type Fleet struct {
	config  FleetConfig
	Home    *host.Host
	server  *link.Server
	program *http.Server
	socket  string
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	edges   []*EdgeProcess
	made    int
}

// EdgeProcess is one running edge.
type EdgeProcess struct {
	satellite.Ready
	cmd *exec.Cmd
}

// StartFleet starts program, home and edges, and returns when every edge serves. End it with Close.
func StartFleet(ctx context.Context, c FleetConfig) (*Fleet, error) {
	if c.Edges == 0 {
		c.Edges = 2
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Program == nil {
		c.Program = Program{}
	}
	f := &Fleet{config: c, socket: filepath.Join(c.Dir, "edge.sock")}
	background, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	if err := f.startHome(background); err != nil {
		cancel()
		return nil, err
	}
	for range c.Edges {
		if _, err := f.AddEdge(ctx); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

func (f *Fleet) startHome(ctx context.Context) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f.program = &http.Server{Handler: f.config.Program, ReadHeaderTimeout: 5 * time.Second}
	f.wg.Go(func() { _ = f.program.Serve(ln) }) // ends with Close
	unit := slices.Default(nexus.DeriveID("proof-unit", []byte(FleetHost)), "proof")
	address := ln.Addr().String()
	table, err := edge.NewTable([]edge.Route{{Host: FleetHost, Unit: unit.Unit, SliceID: unit.ID, Backend: edge.Backend{Address: address}}},
		[]slices.Slice{unit})
	if err != nil {
		return err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	tickets, err := session.NewTickets(key, nexus.ID{1})
	if err != nil {
		return err
	}
	f.Home = host.New(host.Config{Limits: f.config.Limits, Tickets: tickets, Logger: f.config.Logger,
		Route: func(name string) (host.Route, bool) {
			return host.Route{Slice: unit.ID.String(), Address: address}, name == FleetHost
		}})
	f.server = link.NewServer(f.Home, f.config.Logger)
	b, err := satellite.NewSealer(nexus.KeySigner(key), nexus.ID{1}, false).Seal(table, 1_000_000_000, 0)
	if err != nil {
		return err
	}
	f.server.SetTable(b)
	socket, err := net.Listen("unix", f.socket)
	if err != nil {
		return err
	}
	f.wg.Go(func() { _ = f.server.Serve(ctx, socket) }) // ends with the context
	return nil
}

// AddEdge starts one more edge process and waits until it serves.
func (f *Fleet) AddEdge(ctx context.Context) (*EdgeProcess, error) {
	f.made++
	cmd := f.config.Edge(f.socket, fmt.Sprintf("edge-%d", f.made))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	e := &EdgeProcess{cmd: cmd}
	line := make(chan error, 1)
	f.wg.Go(func() {
		b, err := bufio.NewReader(out).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(b, &e.Ready)
		}
		line <- err
		_, _ = io.Copy(io.Discard, out) // nothing else is said; the pipe ends with the process
	})
	select {
	case err = <-line:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		_ = cmd.Process.Kill() // reaped below
		return nil, errors.Join(fmt.Errorf("edge process did not come up: %w", err), cmd.Wait())
	}
	f.edges = append(f.edges, e)
	return e, nil
}

// Edges lists the edge processes that were not killed.
func (f *Fleet) Edges() []*EdgeProcess { return append([]*EdgeProcess(nil), f.edges...) }

// At gives the edge that an address belongs to, nil when it is none of the fleet's.
func (f *Fleet) At(address string) *EdgeProcess {
	for _, e := range f.edges {
		for _, a := range e.Addresses {
			if session.ExpandAddress(a, FleetHost) == address {
				return e
			}
		}
	}
	return nil
}

// Signal sends a signal to an edge's process.
func (e *EdgeProcess) Signal(s syscall.Signal) error { return e.cmd.Process.Signal(s) }

// Wait returns when an edge's process has ended by itself, with its exit error.
func (e *EdgeProcess) Wait() error { return e.cmd.Wait() }

// Kill ends an edge's process at once, running or stopped, and forgets it.
func (f *Fleet) Kill(e *EdgeProcess) {
	_ = e.cmd.Process.Kill() // may have ended by itself
	_ = e.cmd.Wait()         // killed: an error by design
	for i, have := range f.edges {
		if have == e {
			f.edges = append(f.edges[:i], f.edges[i+1:]...)
			return
		}
	}
}

// Address gives an edge's address for sessions.
func (e *EdgeProcess) Address() string { return session.ExpandAddress(e.Addresses[0], FleetHost) }

// Dial opens a session at the given edge, whose program sends every `every`.
func (f *Fleet) Dial(ctx context.Context, e *EdgeProcess, every time.Duration, o roam.Options) (*roam.Session, error) {
	o.URL = e.Address() + "/proof?every=" + every.String()
	return roam.Dial(ctx, o)
}

// Close ends everything and returns when no process and no goroutine of the fleet runs any more.
func (f *Fleet) Close() {
	for _, e := range f.Edges() {
		f.Kill(e)
	}
	f.Home.Close()
	_ = f.program.Close() // whatever is open is cut
	f.cancel()
	f.wg.Wait()
}
