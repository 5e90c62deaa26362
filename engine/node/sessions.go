package node

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/satellite"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/host"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/link"
)

// ownEdge is the name of the gateway inside the node among the edges of its sessions.
const ownEdge = "node"

// publishEvery bounds how often edges get a new table: a change of a thousand units is one table, not a thousand.
const publishEvery = 50 * time.Millisecond

// sessions is the home of sessions that move, and the socket where edge processes link themselves to it.
type sessions struct {
	host    *host.Host
	server  *link.Server
	gateway *edge.Gateway
	reports *edgeReports
	watch   *edgeWatch
	since   time.Time // when the node's own gateway was opened
	socket  string
	changed chan struct{} // the table is another one
}

// sharedTable is the gateway as its fabric drives it: each new table goes to the edge processes too.
type sharedTable struct{ sessions *sessions }

// Swap implements slicing.Gateway.
func (s sharedTable) Swap(t *edge.Table) error {
	if err := s.sessions.gateway.Swap(t); err != nil {
		return err
	}
	select {
	case s.sessions.changed <- struct{}{}:
	default:
	}
	return nil
}

// newSessions makes the home before its gateway, which wants it; serve joins the two. The key of tickets lives as long as this
// process: sessions do too.
func (n *Node) newSessions() (*sessions, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	var cluster nexus.ID
	if e := n.Engine(); e != nil {
		cluster = e.Cluster()
	}
	tickets, err := session.NewTickets(key, cluster)
	if err != nil {
		return nil, err
	}
	s := &sessions{socket: edgeSocket(n.socket), reports: newEdgeReports(), since: time.Now(), changed: make(chan struct{}, 1)}
	s.watch = newEdgeWatch(func(ev nexus.Event) {
		n.bus.Publish(ev)
		n.view.touch()
	})
	s.host = host.New(host.Config{Tickets: tickets, Logger: n.log, Route: s.route})
	s.server = link.NewServer(s.host, n.log)
	s.server.OnReport = func(name string, b []byte) {
		r, err := satellite.DecodeReport(b)
		if err != nil {
			n.log.Error("report of an edge not taken", "component", "edge", "edge", name, "error", err)
			return
		}
		s.reports.take(name, r, time.Now())
		s.watch.heard(name, r, time.Now())
		n.view.touch()
	}
	s.server.OnJoin = func(g link.Greeting) { s.watch.join(g, time.Now()) }
	s.server.OnLeave = func(name string, cause error) {
		if n.ctx.Err() == nil { // else it is the node that goes
			s.watch.leave(name, cause, time.Now())
		}
	}
	return s, nil
}

// edgeReports are the figures of edge processes; empty before the edge was started.
func (n *Node) edgeReports() *edgeReports {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sessions == nil {
		return newEdgeReports()
	}
	return n.sessions.reports
}

// route answers the home's question from the table in force.
func (s *sessions) route(name string) (host.Route, bool) {
	r, ok := s.gateway.Table().Route(name)
	return host.Route{Slice: r.SliceID.String(), Address: r.Backend.Address}, ok
}

// edgeSocket lies beside the node's own socket.
func edgeSocket(nodeSocket string) string {
	return filepath.Join(filepath.Dir(nodeSocket), control.EdgeSocketName(filepath.Base(nodeSocket)))
}

// serve opens the socket for edge processes and keeps them supplied until ctx ends. Only the node's user can open it (mode 0600).
func (n *Node) serveSessions(ctx context.Context, s *sessions) error {
	if err := os.Remove(s.socket); err != nil && !os.IsNotExist(err) {
		return err
	}
	ln, err := net.Listen("unix", s.socket)
	if err != nil {
		return nexus.Errf("listen", nexus.CodeUnfit, "socket "+s.socket, "choose another data directory", "%w", err)
	}
	if err := os.Chmod(s.socket, 0o600); err != nil {
		_ = ln.Close() // the first error matters
		return err
	}
	s.host.SetEdge(ownEdge, satellite.Addresses(s.gateway))
	n.wg.Go(func() {
		if err := s.server.Serve(ctx, ln); err != nil {
			n.log.Error("links of edges ended", "component", "session", "error", err)
		}
	})
	n.wg.Go(func() { n.publish(ctx, s) })
	n.wg.Go(func() { s.watch.run(ctx) })
	return nil
}

func (n *Node) publish(ctx context.Context, s *sessions) {
	for {
		if b, err := satellite.EncodeReportedTable(s.gateway.Table(), n.cfg.CapacityBps); err == nil {
			s.server.SetTable(b)
		} else {
			n.log.Error("table not sent to edges", "component", "session", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.changed:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(publishEvery):
		}
	}
}

// sessionStats gives the figures of sessions by slice id.
func (n *Node) sessionStats() map[string]host.Stats {
	n.mu.Lock()
	s := n.sessions
	n.mu.Unlock()
	if s == nil {
		return nil
	}
	out := map[string]host.Stats{}
	for _, st := range s.host.Stats() {
		out[st.Slice] = st
	}
	return out
}
