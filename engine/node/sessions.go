package node

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
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
	sealer  *satellite.Sealer
	whole   chan struct{} // closed when the table was made whole for the first time
	made    sync.Once     // closes it
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
	s := &sessions{socket: edgeSocket(n.socket), reports: newEdgeReports(), since: time.Now(), changed: make(chan struct{}, 1), whole: make(chan struct{})}
	s.sealer = satellite.NewSealer(n.tableSigner(key), cluster, true)
	s.watch = newEdgeWatch(n.log, func(ev nexus.Event) {
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
		if s.watch.heard(name, r, time.Now()) {
			n.log.Error("an edge refused a table", "component", "edge", "edge", name, "kind", r.Table.Kind, "refusals", r.Table.Refusals(), "cause", r.Table.Why)
		}
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

// tableSigner is the key that edges know their home by: the node's, or where it has none yet, one that lives as long as this process.
func (n *Node) tableSigner(own ed25519.PrivateKey) nexus.Signer {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.key != nil {
		return n.key
	}
	return nexus.KeySigner(own)
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
	ours, err := os.Lstat(s.socket)
	if err != nil {
		return err
	}
	n.wg.Go(func() { n.publish(ctx, s) })
	n.wg.Go(func() { s.watch.run(ctx, func() error { return ownSocket(s.socket, ours) }) })
	return nil
}

// ownSocket says what is wrong when another file stands at the path of the socket for edges: they would link themselves to whoever put it there.
func ownSocket(path string, ours os.FileInfo) error {
	now, err := os.Lstat(path)
	switch {
	case os.IsNotExist(err):
		return errors.New("the socket for edges was removed: " + path)
	case err != nil:
		return err
	case !os.SameFile(ours, now):
		return errors.New("another file stands in the place of the socket for edges: " + path)
	case now.Mode() != ours.Mode():
		return fmt.Errorf("the socket for edges has mode %v, not %v: %s", now.Mode(), ours.Mode(), path)
	}
	return nil
}

// publish sends each new table to the edges. The first is sent when the table is whole: edges that outlived a restart of the node keep what they have
// until then.
func (n *Node) publish(ctx context.Context, s *sessions) {
	select {
	case <-ctx.Done():
		return
	case <-s.whole:
	}
	for {
		var index uint64
		if e := n.Engine(); e != nil {
			index = e.Status().Applied
		}
		if b, err := s.sealer.Seal(s.gateway.Table(), n.cfg.CapacityBps, index); err == nil {
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
