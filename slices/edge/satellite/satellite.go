// Package satellite runs an edge as a process of its own: a gateway whose table and sessions come over a link from their home
// (DESIGN section 5). It is what `nexus slices edge` runs beside a node, so that sessions have somewhere to go.
//
// Promises: it serves the table that the home sends and nothing before the first one; on a stop it first sends its sessions to other
// edges, then drains; when the home goes it keeps serving plain routes from the last table (fail static) and sends sessions away. It
// holds no key but the certificates' and no state. It imports the root, slices, slices/edge and slices/session/... of this module.
package satellite

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/link"
)

// tableFile is a table on the link.
type tableFile struct {
	Capacity uint64         `json:"capacity_bps"`
	Routes   []edge.Route   `json:"routes"`
	Slices   []slices.Slice `json:"slices"`
}

// EncodeTable gives a table's bytes for link.Server.SetTable. Capacity is the home's; a satellite is promised no more.
func EncodeTable(t *edge.Table, capacityBps uint64) ([]byte, error) {
	return json.Marshal(tableFile{capacityBps, t.Routes(), t.Slices()})
}

// DecodeTable reads what EncodeTable wrote, with the checks of edge.NewTable.
func DecodeTable(b []byte) (*edge.Table, uint64, error) {
	var f tableFile
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, 0, nexus.Errf("satellite table", nexus.CodeMalformed, "table", "run edge and home from the same build", "%w", err)
	}
	t, err := edge.NewTable(f.Routes, f.Slices)
	return t, f.Capacity, err
}

// Config of an edge process.
type Config struct {
	Name        string // unique among the home's edges
	Home        string // path of the home's socket
	Addr        string // plain listener, "" for none
	TLSAddr     string // HTTPS listener, "" for none
	Certificate func(host string) (*tls.Certificate, error)
	Public      []string      // addresses to tell clients; nil: made from the listeners, for every host
	Logger      *slog.Logger  // nil: discards
	OnReady     func(Ready)   // called once, when the first table is served
	DrainFor    time.Duration // most time to send sessions elsewhere at a stop; 0: 5 s
}

// Ready says where an edge process listens.
type Ready struct {
	Name      string   `json:"name"`
	Addr      string   `json:"addr,omitempty"`
	TLSAddr   string   `json:"tls_addr,omitempty"`
	Addresses []string `json:"addresses"`
}

// Run serves until ctx ends, then drains, and returns when nothing of it runs any more. Errors: those of the listeners.
func Run(ctx context.Context, c Config) error {
	if c.Name == "" || c.Home == "" {
		return nexus.Errf("edge", nexus.CodeUsage, "configuration", "give a name and the home's socket", "incomplete")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.DrainFor == 0 {
		c.DrainFor = 5 * time.Second
	}
	s := &satellite{config: c, log: c.Logger.With("component", "edge"), tables: make(chan []byte, 1)}
	return s.run(ctx)
}

type satellite struct {
	config  Config
	log     *slog.Logger
	gateway *edge.Gateway
	client  *link.Client
	tables  chan []byte
	once    sync.Once
}

func (s *satellite) run(ctx context.Context) error {
	c := s.config
	late := &lateHome{}
	g, err := edge.New(edge.Config{Name: c.Name, Addr: c.Addr, TLSAddr: c.TLSAddr, Certificate: c.Certificate, Logger: c.Logger, Sessions: late})
	if err != nil {
		return err
	}
	s.gateway = g
	if err := g.Start(); err != nil {
		return err
	}
	ready := Ready{Name: c.Name, Addr: g.Addr(), TLSAddr: g.TLSAddr(), Addresses: c.Public}
	if ready.Addresses == nil {
		ready.Addresses = Addresses(g)
	}
	dial := func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", c.Home)
	}
	s.client = link.NewClient(dial, link.Greeting{Name: c.Name, Addresses: ready.Addresses}, func(b []byte) { s.serve(b, ready) }, c.Logger)
	late.set(s.client)
	linked, unlink := context.WithCancel(context.WithoutCancel(ctx))
	var links sync.WaitGroup
	links.Go(func() { _ = s.client.Run(linked) }) // it returns nil
	served := make(chan error, 1)
	gatewayCtx, stopGateway := context.WithCancel(context.WithoutCancel(ctx))
	go func() { served <- g.Run(gatewayCtx) }()
	select {
	case <-ctx.Done():
		s.drain()
	case err = <-served:
	}
	stopGateway()
	if err == nil {
		err = <-served
	}
	unlink()
	links.Wait()
	return err
}

// serve takes a table of the home's. A table that cannot be served leaves the old one in force.
func (s *satellite) serve(b []byte, ready Ready) {
	t, _, err := DecodeTable(b)
	if err == nil {
		err = s.gateway.Swap(t)
	}
	if err != nil {
		s.log.Error("table not served", "error", err)
		return
	}
	if s.config.OnReady != nil {
		s.once.Do(func() { s.config.OnReady(ready) })
	}
}

// drain sends the clients of sessions to other edges and waits until they have gone.
func (s *satellite) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), s.config.DrainFor)
	defer cancel()
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for turn := 0; s.client.Clients() > 0; turn++ {
		if turn%25 == 0 { // asked again now and then: a client may have come in between
			s.client.Drain(ctx)
		}
		select {
		case <-ctx.Done():
			s.log.Warn("sessions left at stop", "clients", s.client.Clients())
			return
		case <-t.C:
		}
	}
}

// Addresses makes the addresses of a gateway's listeners, for every host that it serves.
func Addresses(g *edge.Gateway) []string {
	var out []string
	for scheme, addr := range map[string]string{"ws": g.Addr(), "wss": g.TLSAddr()} {
		if _, port, err := net.SplitHostPort(addr); err == nil {
			out = append(out, fmt.Sprintf("%s://*:%s", scheme, port))
		}
	}
	return out
}
