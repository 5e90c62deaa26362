// Package satellite runs an edge as a process of its own: a gateway whose table and sessions come over a link from their home
// (DESIGN section 5). It is what `nexus slices edge` runs beside a node, so that sessions have somewhere to go.
//
// Promises: it serves the tables that the home has sealed, each newer than the one before, within the home's capacity, and nothing before the first one; what
// it refuses it tells within a second of hearing its home (decision 82); on a stop it first sends
// its sessions to other edges, then drains; when the home goes it keeps serving plain routes from the last table (fail static) and sends
// sessions away. It holds no key but the certificates' and no state. It imports the root, slices, slices/edge and slices/session/... of this module.
package satellite

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/quicshare"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/link"
	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// Config of an edge process.
type Config struct {
	Name string // unique among the home's edges
	// Edge is the name of the edge that this process serves for, where that is more than one process at a time or after each other; "": Name.
	Edge string
	// Group, if set, says that this process is one of several behind the same addresses, a latency group each (decision 52). Only the first group's is
	// listed as an edge that sessions can move to. Pass is edge.Config's.
	Group slices.Group
	Pass  func(socket syscall.RawConn, secure bool) bool
	// Link and LinkClock are edge.Config's: the home's capacity is all groups' together.
	Link      *shape.Link
	LinkClock func() int64
	Work      *edge.Work // edge.Config's

	Home string // path of the home's socket
	// Cluster and HomeKey say whose tables are served; zero: those that the first table names, for the life of this process.
	Cluster nexus.ID
	HomeKey nexus.PublicKey

	Addr        string       // plain listener, "" for none
	TLSAddr     string       // HTTPS listener, "" for none
	Listener    net.Listener // bound already, in the place of Addr; nil: binds Addr
	TLSListener net.Listener // bound already, in the place of TLSAddr; nil: binds TLSAddr
	// QUICShare is a UDP port that workers of one supervisor serve together; nil: with TLSAddr this process opens one of the same number, with
	// TLSListener there is no HTTP/3. Its socket is Run's to close.
	QUICShare   *quicshare.Config
	Certificate func(host string) (*tls.Certificate, error)
	// CertificateStatus tells how a host's certificate stands, for the figures; nil: nothing is told.
	CertificateStatus func(host string) edge.CertStatus
	// Issue, if set, makes the source of certificates once the listeners are bound; it is told the hosts of each table, and
	// takes the place of Certificate.
	Issue    func(plain, secure net.Addr) (Issuer, error)
	Public   []string      // addresses to tell clients; nil: made from the listeners, for every host
	Logger   *slog.Logger  // nil: discards
	OnReady  func(Ready)   // called once, when the first table is served
	DrainFor time.Duration // most time to send sessions elsewhere at a stop; 0: 5 s

	// Retire, once closed, ends Run in the way of an upgrade: nothing is accepted any more, sessions are sent to other edges, and
	// everything else runs to its own end, however long that takes unless RetireFor is set. nil: never.
	Retire    <-chan struct{}
	RetireFor time.Duration // what is open for longer after that is cut; 0: nothing is
	// Gone is closed when nobody keeps QUICShare's port any more: HTTP/3 ends at once, for who comes next cannot bind the port while this process
	// has it. nil: never.
	Gone <-chan struct{}
}

// Issuer obtains certificates for the hosts that it is told, and says how it went.
type Issuer interface {
	edge.Issuer
	Manage(hosts []string) error
	CertStatus(host string) edge.CertStatus
	Close()
}

// Ready says where an edge process listens.
type Ready struct {
	Name      string       `json:"name"`
	Group     slices.Group `json:"group,omitempty"` // that it is there for, beside another process
	Addr      string       `json:"addr,omitempty"`
	TLSAddr   string       `json:"tls_addr,omitempty"`
	Addresses []string     `json:"addresses"`
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
	s := &satellite{config: c, log: c.Logger.With("component", "edge"), tabled: make(chan struct{}),
		guard: guard{cluster: c.Cluster, home: c.HomeKey}, tables: tables{wake: make(chan struct{}, 1)}}
	_, _ = rand.Read(s.reporter.process[:]) // never fails (crypto/rand)
	return s.run(ctx)
}

type satellite struct {
	config  Config
	log     *slog.Logger
	gateway *edge.Gateway
	client  *link.Client
	once    sync.Once
	reports atomic.Bool   // the home takes them
	closing atomic.Bool   // nothing new is accepted
	tabled  chan struct{} // closed when the gateway serves its first table

	reporter reporter
	guard    guard  // the link's reader has it
	tables   tables // what is told of it

	plain, secure net.Listener
	addresses     []string // where clients reach this edge
	issuer        Issuer   // nil: certificates come from Config.Certificate
}

func (s *satellite) run(ctx context.Context) error {
	c := s.config
	if err := s.bind(); err != nil {
		return err
	}
	late := &lateHome{}
	config := edge.Config{Name: c.Name, Certificate: c.Certificate, CertificateStatus: c.CertificateStatus,
		Logger: c.Logger, Sessions: late, Listener: s.plain, TLSListener: s.secure,
		QUIC: s.quic(), QUICShare: c.QUICShare, Group: c.Group, Pass: c.Pass, Link: c.Link, LinkClock: c.LinkClock, Work: c.Work}
	if err := s.issue(&config); err != nil {
		return errors.Join(err, s.unbind())
	}
	if s.issuer != nil {
		defer s.issuer.Close()
	}
	g, err := edge.New(config)
	if err != nil {
		return errors.Join(err, s.unbind())
	}
	s.gateway = g
	ready := Ready{Name: c.Name, Group: c.Group, Addr: addrOf(s.plain), TLSAddr: addrOf(s.secure), Addresses: c.Public}
	if ready.Addresses == nil {
		quic := ""
		switch {
		case c.QUICShare != nil:
			quic = c.QUICShare.UDP.LocalAddr().String()
		case s.quic():
			quic = ready.TLSAddr // the UDP port of the same number
		}
		ready.Addresses = addresses(ready.Addr, ready.TLSAddr, quic)
	}
	s.addresses = ready.Addresses
	greeting := link.Greeting{Name: c.Name, Addresses: ready.Addresses, Edge: c.Edge, Group: string(c.Group)}
	if c.Group != "" && c.Group != slices.Groups()[0] {
		greeting.Addresses = nil // they are another process's, which hands on
	}
	s.client = link.NewClient(s.dial, greeting, func(b []byte) (bool, error) { return s.take(b, ready) }, c.Logger)
	late.set(s.client)
	linked, unlink := context.WithCancel(context.WithoutCancel(ctx))
	var links sync.WaitGroup
	links.Go(func() { _ = s.client.Run(linked) }) // it returns nil
	links.Go(func() { s.reportLoop(linked) })
	err = s.serveUntil(ctx)
	s.reportLast()
	unlink()
	links.Wait()
	return err
}

// serveUntil serves from the first table until an end is asked for: a stop (ctx), a retirement, or a listener's death. Before the first
// table, clients wait in the sockets' backlog: an edge that knows no host would refuse what the edge beside it serves.
func (s *satellite) serveUntil(ctx context.Context) error {
	select {
	case <-s.tabled:
	case <-ctx.Done():
		return errors.Join(s.gateway.Close(0), s.unbind())
	case <-s.config.Retire:
		return errors.Join(s.gateway.Close(0), s.unbind())
	}
	ended := make(chan struct{})
	var freeing sync.WaitGroup
	freeing.Go(func() { s.freeQUIC(ended) })
	defer freeing.Wait()
	defer close(ended)
	served := make(chan error, 1)
	gatewayCtx, stopGateway := context.WithCancel(context.WithoutCancel(ctx))
	defer stopGateway()
	go func() { served <- s.gateway.Run(gatewayCtx) }()
	probing, stopProbing := context.WithCancel(gatewayCtx)
	var probes sync.WaitGroup
	probes.Go(func() { s.probe(probing) })
	defer probes.Wait()
	defer stopProbing()
	var err error
	select {
	case err = <-served:
		return err
	case <-ctx.Done():
		stopProbing()
		s.closing.Store(true)
		s.drain(context.WithoutCancel(ctx), s.addresses) // the ports close, whichever process listens there beside this one
	case <-s.config.Retire:
		stopProbing()
		s.closing.Store(true)
		err = s.retire(ctx)
	}
	stopGateway()
	return errors.Join(err, <-served)
}

// bind opens the sockets that were not inherited.
func (s *satellite) bind() error {
	open := func(bound net.Listener, addr string) (net.Listener, error) {
		if bound != nil || addr == "" {
			return bound, nil
		}
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, &nexus.Error{Op: "edge listen", Code: nexus.CodeConflict, Subject: "address " + addr, Cause: err,
				Hint: "free the port or configure another; port 0 takes any"}
		}
		return ln, nil
	}
	var err error
	if s.plain, err = open(s.config.Listener, s.config.Addr); err != nil {
		return err
	}
	if s.secure, err = open(s.config.TLSListener, s.config.TLSAddr); err != nil {
		return errors.Join(err, s.unbind())
	}
	return nil
}

// quic reports whether this process speaks HTTP/3. A worker needs a UDP port that it shares with the worker that retires beside it.
func (s *satellite) quic() bool {
	return s.secure != nil && (s.config.TLSListener == nil || s.config.QUICShare != nil)
}

// issue opens the source of certificates.
func (s *satellite) issue(config *edge.Config) error {
	if s.config.Issue == nil || s.secure == nil {
		return nil
	}
	var plain net.Addr
	if s.plain != nil {
		plain = s.plain.Addr()
	}
	var err error
	if s.issuer, err = s.config.Issue(plain, s.secure.Addr()); err == nil {
		config.Issuer, config.CertificateStatus = s.issuer, s.issuer.CertStatus
	}
	return err
}

// unbind closes sockets that no gateway has taken over.
func (s *satellite) unbind() error {
	var errs []error
	for _, ln := range []net.Listener{s.plain, s.secure} {
		if ln != nil {
			errs = append(errs, ln.Close())
		}
	}
	if c := s.config.QUICShare; c != nil {
		errs = append(errs, c.UDP.Close())
	}
	return errors.Join(errs...)
}

func addrOf(ln net.Listener) string {
	if ln == nil {
		return ""
	}
	return ln.Addr().String()
}

// dial reaches the home's socket, and refuses one that is another user's.
func (s *satellite) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", s.config.Home)
	if err != nil {
		return nil, err
	}
	if err := checkPeer(c); err != nil {
		_ = c.Close() // nothing was sent
		s.refuse(&refusal{RefusedStranger, err})
		return nil, link.NotHome{Err: err}
	}
	return c, nil
}

// take judges what came as a table and serves it (link.NewClient's onTable).
func (s *satellite) take(b []byte, ready Ready) (proven bool, err error) {
	f, same, no := s.guard.judge(b)
	switch {
	case no != nil && no.ends():
		s.refuse(no)
		return false, no.err
	case no != nil:
		s.refuse(no)
		return false, nil
	case !same:
		no, err := s.serve(&f, ready)
		if err != nil {
			s.log.Error("table not served", "error", err)
			return true, nil
		}
		if no != nil {
			s.refuse(no)
			return true, nil
		}
		s.guard.serves(&f, b)
	}
	s.tables.took(&s.guard)
	return true, nil
}

// refuse tells of a table that is not served: what is in force stays so.
func (s *satellite) refuse(no *refusal) {
	if s.tables.refused(no, time.Now()) {
		s.log.Error("table refused, the one before stays in force", "kind", no.kind, "error", no.err)
	}
}

// serve puts a table of the home's in force. Error: this edge is stopping.
func (s *satellite) serve(f *tableFile, ready Ready) (*refusal, error) {
	t, err := f.content()
	if err == nil {
		err = s.gateway.SwapWithin(t, f.Capacity)
	}
	if nexus.CodeOf(err) == nexus.CodeUnavailable {
		return nil, err
	}
	if err != nil {
		return &refusal{RefusedUnfit, err}, nil
	}
	s.reports.Store(f.Reports)
	defer s.manage(t) // once its challenges can be answered
	s.once.Do(func() {
		if err := s.gateway.Start(); err != nil {
			s.log.Error("edge not started", "error", err) // stopped in the meantime
			return
		}
		close(s.tabled)
		if s.config.OnReady != nil {
			s.config.OnReady(ready)
		}
	})
	return nil, nil
}

// manage names the hosts of a table to the issuer.
func (s *satellite) manage(t *edge.Table) {
	if s.issuer == nil {
		return
	}
	var hosts []string
	for _, r := range t.Routes() {
		hosts = append(hosts, r.Host)
	}
	if err := s.issuer.Manage(hosts); err != nil {
		s.log.Error("certificates not asked for", "error", err)
	}
}

// freeQUIC gives the UDP port up when it is Gone.
func (s *satellite) freeQUIC(ended <-chan struct{}) {
	select {
	case <-s.config.Gone:
		err := s.gateway.CloseQUIC()
		if c := s.config.QUICShare; c != nil { // whoever made the folder cannot remove it any more, and nobody uses it
			err = errors.Join(err, os.RemoveAll(c.Folder))
		}
		if err != nil {
			s.log.Warn("HTTP/3 ended", "error", err)
		}
	case <-ended:
	}
}

// retire ends the way that Config.Retire describes; a stop in between (ctx) cuts what is still open.
func (s *satellite) retire(ctx context.Context) error {
	s.gateway.StopListening() // first: sessions that come back must meet another edge
	s.drain(ctx, nil)
	if s.config.RetireFor > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.config.RetireFor)
		defer cancel()
	}
	cut, err := s.gateway.Retire(ctx)
	if cut > 0 {
		s.log.Warn("connections cut at the end of the retirement", "count", cut)
	}
	return err
}

// drain sends the clients of sessions to other edges, but not to the addresses in leave, and waits until they have gone.
func (s *satellite) drain(ctx context.Context, leave []string) {
	ctx, cancel := context.WithTimeout(ctx, s.config.DrainFor)
	defer cancel()
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for turn := 0; s.client.Clients() > 0; turn++ {
		if turn%25 == 0 { // asked again now and then: a client may have come in between
			s.client.Drain(ctx, leave)
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
func Addresses(g *edge.Gateway) []string { return addresses(g.Addr(), g.TLSAddr(), g.QUICAddr()) }

func addresses(plain, secure, quic string) []string {
	var out []string
	for _, l := range []struct{ scheme, addr string }{{"ws", plain}, {"wss", secure}, {"https", quic}} {
		if _, port, err := net.SplitHostPort(l.addr); err == nil {
			out = append(out, fmt.Sprintf("%s://*:%s", l.scheme, port))
		}
	}
	return out
}
