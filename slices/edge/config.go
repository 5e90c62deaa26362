package edge

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/quicshare"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// Config is what a gateway is built from. Zero values of limits mean the defaults written beside them.
type Config struct {
	Addr    string // plain HTTP/1.1 and h2c: "127.0.0.1:0"; "" for no plain listener
	TLSAddr string // HTTPS with HTTP/2 by ALPN; "" for none
	// Listener and TLSListener are sockets that are bound already, from a process before this one; each takes the place of
	// its address. The gateway closes them.
	Listener, TLSListener net.Listener

	CapacityBps uint64       // bits per second that clients' connections share, both directions, until SwapWithin says otherwise; 0: 1 Gbit/s
	Logger      *slog.Logger // nil: discards

	// QUIC adds HTTP/3 and WebTransport over UDP, at the port of the TLS listener.
	QUIC bool
	// QUICShare, with QUIC, is a UDP port that other processes serve too, in the place of one of the gateway's own; it is read from Start on,
	// and its socket is the gateway's to close from then on.
	QUICShare *quicshare.Config

	// Certificate gives the certificate of a host; called for hosts of the current table only, from many goroutines at
	// once. Needed with TLSAddr. DevCA.Certificate is one.
	Certificate func(host string) (*tls.Certificate, error)

	// CertificateStatus tells of the certificate of a host of the current table, for the figures; nil: nothing is told. DevCA.Status is
	// one. Called from any goroutine.
	CertificateStatus func(host string) CertStatus

	// Issuer takes the place of Certificate where certificates are obtained from an authority that asks questions.
	Issuer Issuer

	// Group, if set, is the latency group that this process is there for, beside another process for the others; the rest is served too, and
	// counted as strays. Pass, if set, hands a connection of another group on, of which nothing has been read, and reports whether it did; then its
	// descriptor here is closed. It must not wait. secure: it came to the TLS listener.
	Group slices.Group
	Pass  func(socket syscall.RawConn, secure bool) bool

	// Link, if set, is what all processes behind these addresses share: together they carry no more than CapacityBps. LinkClock is the clock of it, in
	// nanoseconds. nil: this process has the capacity for itself.
	Link      *shape.Link
	LinkClock func() int64

	// Work, with Group and LinkClock, is how the process of the prompt group tells that of the patient group when it has work. nil: neither tells.
	Work *Work

	Name     string           // this edge's name, told to the home of sessions; "" will do where there is one edge
	Sessions session.Attacher // the home of sessions that move; nil: they are passed on like any other WebSocket

	HeaderBytesMax int           // of one request, bytes; 0: 32 KiB
	BodyBytesMax   int64         // of one request, bytes; 0: 1 GiB
	ConnectionsMax int           // of all slices together; beyond it nothing is accepted; 0: slices.GatewayConnectionsMax
	HeaderTimeout  time.Duration // from the first byte of a request to the end of its header; 0: 5 s
	IdleTimeout    time.Duration // of a keep-alive connection between requests; 0: 75 s
	StallTimeout   time.Duration // without one byte of a started body or response moving; 0: 30 s
	BackendTimeout time.Duration // from request sent to response header; 0: 60 s
	DrainTimeout   time.Duration // how long Run lets streams finish after its context ends; 0: 10 s
}

// Issuer gives certificates and answers its authority's challenges; acme.Issuer is one. Both are called for hosts of the current table
// only, from many goroutines at once.
type Issuer interface {
	// Certificate gives the certificate of a handshake: the host's, or that of a tls-alpn-01 challenge.
	Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
	// Challenge answers an http-01 challenge and reports whether the request was one.
	Challenge(w http.ResponseWriter, r *http.Request) bool
}

func (c Config) withDefaults() (Config, error) {
	bad := func(subject, hint, why string) (Config, error) {
		return c, nexus.Errf("edge", nexus.CodeUsage, subject, hint, "%s", why)
	}
	switch {
	case c.Addr == "" && c.TLSAddr == "" && c.Listener == nil && c.TLSListener == nil:
		return bad("addresses", "give Addr or TLSAddr, 127.0.0.1:0 for any port", "no listener")
	case (c.TLSAddr != "" || c.TLSListener != nil) && c.Certificate == nil && c.Issuer == nil:
		return bad("TLSAddr "+c.TLSAddr, "set Certificate, for example to DevCA.Certificate", "no certificate source")
	case c.HeaderBytesMax < 0 || c.BodyBytesMax < 0 || c.ConnectionsMax < 0:
		return bad("limits", "0 for the default or a positive number", "negative")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	orInt := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	orTime := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	orInt(&c.HeaderBytesMax, 32<<10)
	orInt(&c.ConnectionsMax, slices.GatewayConnectionsMax)
	if c.BodyBytesMax == 0 {
		c.BodyBytesMax = 1 << 30
	}
	if c.CapacityBps == 0 {
		c.CapacityBps = 1_000_000_000
	}
	orTime(&c.HeaderTimeout, 5*time.Second)
	orTime(&c.IdleTimeout, 75*time.Second)
	orTime(&c.StallTimeout, 30*time.Second)
	orTime(&c.BackendTimeout, 60*time.Second)
	orTime(&c.DrainTimeout, 10*time.Second)
	return c, nil
}
