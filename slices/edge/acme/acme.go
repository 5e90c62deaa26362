package acme

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	stdslices "slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Names of the challenges (RFC 8555, RFC 8737).
const (
	ChallengeHTTP = "http-01"
	ChallengeALPN = "tls-alpn-01"
)

// Config of an Issuer.
type Config struct {
	Directory string         // URL of the authority's ACME directory
	Email     string         // for the authority's account; "" where it asks for none
	Folder    string         // of keys, account and certificates; made with mode 0700
	Roots     *x509.CertPool // that the directory's own certificate is checked with; nil: the system's
	Plain     net.Addr       // of the gateway's plain listener, which answers http-01; nil: none
	Secure    net.Addr       // of the gateway's TLS listener, which answers tls-alpn-01
	Challenge string         // ChallengeHTTP or ChallengeALPN: only this one; "": each that a listener can answer
	Logger    *slog.Logger   // nil: discards
}

// Status of one host's certificate.
type Status struct {
	Host     string
	NotAfter time.Time // zero: there is none yet
	Renews   time.Time // when a new one is due, unless the authority asks for it sooner
	Err      error     // of the last attempt that failed, a *nexus.Error with what to do; nil after one that did not
	At       time.Time // of that attempt
}

// Issuer obtains, keeps and renews certificates. Safe for concurrent use.
type Issuer struct {
	log       *slog.Logger
	directory string
	magic     *certmagic.Config
	issuer    *certmagic.ACMEIssuer
	cache     *certmagic.Cache
	stop      context.CancelFunc
	ctx       context.Context

	mu    sync.Mutex
	hosts map[string]*Status
}

// Open checks the configuration and prepares the folder; it asks the authority nothing. Close ends what it starts.
func Open(c Config) (*Issuer, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(c.Folder, 0o700); err != nil {
		return nil, failure("folder "+c.Folder, "make it writable or choose another", err)
	}
	a := &Issuer{log: c.Logger.With("component", "acme"), directory: c.Directory, hosts: map[string]*Status{}}
	a.ctx, a.stop = context.WithCancel(context.Background())
	quiet := zap.NewNop() // what matters comes as events
	a.cache = certmagic.NewCache(certmagic.CacheOptions{Logger: quiet,
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return a.magic, nil }})
	a.magic = certmagic.New(a.cache, certmagic.Config{Storage: &certmagic.FileStorage{Path: c.Folder}, Logger: quiet,
		OnEvent: a.event, OCSP: certmagic.OCSPConfig{DisableStapling: true}})
	template := certmagic.ACMEIssuer{CA: c.Directory, Email: c.Email, Agreed: true, TrustedRoots: c.Roots, Logger: quiet,
		DisableHTTPChallenge:    c.Plain == nil || c.Challenge == ChallengeALPN,
		DisableTLSALPNChallenge: c.Secure == nil || c.Challenge == ChallengeHTTP}
	// The library opens listeners of its own for challenges unless something listens there already: name ours.
	template.AltHTTPPort, template.ListenHost = hostPort(c.Plain, template.ListenHost)
	template.AltTLSALPNPort, template.ListenHost = hostPort(c.Secure, template.ListenHost)
	a.issuer = certmagic.NewACMEIssuer(a.magic, template)
	a.magic.Issuers = []certmagic.Issuer{a.issuer}
	return a, nil
}

func failure(subject, hint string, cause error) error {
	return &nexus.Error{Op: "acme", Code: nexus.CodeUnavailable, Subject: subject, Hint: hint, Cause: cause}
}

func (c Config) check() error {
	bad := func(subject, hint, why string) error {
		return nexus.Errf("acme", nexus.CodeUsage, subject, hint, "%s", why)
	}
	u, err := url.Parse(c.Directory)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "":
		return bad("directory "+c.Directory, "such as https://acme-v02.api.letsencrypt.org/directory", "not an https URL")
	case c.Folder == "":
		return bad("folder", "name one that only this user can read", "missing")
	case c.Challenge != "" && c.Challenge != ChallengeHTTP && c.Challenge != ChallengeALPN:
		return bad("challenge "+c.Challenge, ChallengeHTTP+" or "+ChallengeALPN, "unknown")
	case c.Secure == nil:
		return bad("TLS listener", "certificates are for one", "missing")
	case c.Challenge == ChallengeHTTP && c.Plain == nil:
		return bad("plain listener", "it answers "+ChallengeHTTP, "missing")
	}
	return nil
}

func hostPort(a net.Addr, host string) (int, string) {
	if tcp, ok := a.(*net.TCPAddr); ok {
		if host == "" && !tcp.IP.IsUnspecified() {
			host = tcp.IP.String()
		}
		return tcp.Port, host
	}
	return 0, host
}

// Manage obtains certificates for hosts that it was not told before, in the background, and renews them for as long as the Issuer is open.
// The gateway must answer for a host before it is managed.
func (a *Issuer) Manage(hosts []string) error {
	a.mu.Lock()
	var fresh []string
	for _, h := range hosts {
		if a.hosts[h] == nil && certmagic.SubjectQualifiesForCert(h) {
			a.hosts[h] = &Status{Host: h}
			fresh = append(fresh, h)
		}
	}
	a.mu.Unlock()
	if len(fresh) == 0 || a.ctx.Err() != nil {
		return nil
	}
	if err := a.magic.ManageAsync(a.ctx, fresh); err != nil {
		return failure("certificates in "+a.directory, "mend the folder of the keys", err)
	}
	return nil
}

// Certificate implements edge.Issuer: the certificate of a handshake's host, or the answer to a challenge. The error of a host without one
// says why there is none yet.
func (a *Issuer) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	cert, err := a.magic.GetCertificate(hello)
	if err == nil {
		return cert, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.hosts[hello.ServerName]
	switch {
	case s == nil:
		return nil, nexus.Errf("acme", nexus.CodeNotFound, "host "+hello.ServerName, "use a host that this edge serves", "no certificate is kept for it")
	case s.Err != nil:
		return nil, s.Err
	}
	return nil, failure("certificate of "+hello.ServerName, "try again in some seconds", errors.New("it is being obtained"))
}

// Challenge implements edge.Issuer: it answers an http-01 challenge and reports whether the request was one.
func (a *Issuer) Challenge(w http.ResponseWriter, r *http.Request) bool {
	return a.issuer.HandleHTTPChallenge(w, r)
}

// Status tells of every managed host, by name.
func (a *Issuer) Status() []Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]Status, 0, len(a.hosts))
	for _, s := range a.hosts {
		out = append(out, a.withCertificate(*s))
	}
	stdslices.SortFunc(out, func(x, y Status) int { return strings.Compare(x.Host, y.Host) })
	return out
}

// StatusOf tells of one host; one that is not managed has neither certificate nor error.
func (a *Issuer) StatusOf(host string) Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Status{Host: host}
	if kept := a.hosts[host]; kept != nil {
		s = *kept
	}
	return a.withCertificate(s)
}

// Directory is the URL of the authority's directory.
func (a *Issuer) Directory() string { return a.directory }

// withCertificate adds what the certificate in use says.
func (a *Issuer) withCertificate(s Status) Status {
	for _, c := range a.cache.AllMatchingCertificates(s.Host) {
		if c.Leaf != nil && c.Leaf.NotAfter.After(s.NotAfter) {
			life := float64(c.Leaf.NotAfter.Sub(c.Leaf.NotBefore))
			s.NotAfter = c.Leaf.NotAfter
			s.Renews = s.NotAfter.Add(-time.Duration(life * cmp.Or(a.magic.RenewalWindowRatio, certmagic.DefaultRenewalWindowRatio)))
		}
	}
	return s
}

// Close ends renewal and attempts under way. Certificates stay in the folder.
func (a *Issuer) Close() {
	a.stop()
	a.cache.Stop()
}

// event is called by the library for each attempt.
func (a *Issuer) event(_ context.Context, name string, data map[string]any) error {
	host, _ := data["identifier"].(string)
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.hosts[host]
	if s == nil {
		return nil
	}
	switch name {
	case "cert_failed":
		cause, _ := data["error"].(error)
		s.Err, s.At = a.explain(host, cause), time.Now()
		a.log.Error("no certificate; it is tried again by itself", "host", host, "renewal", data["renewal"], "remaining", fmt.Sprint(data["remaining"]),
			"error", s.Err)
	case "cert_obtained":
		s.Err, s.At = nil, time.Now()
		a.log.Info("certificate obtained", "host", host, "renewal", data["renewal"])
	}
	return nil
}

// Renew obtains a new certificate for a managed host now, whatever is left of the present one, and returns when handshakes show it.
// Connections that were begun before go on.
func (a *Issuer) Renew(ctx context.Context, host string) error {
	var old []string
	for _, c := range a.cache.AllMatchingCertificates(host) {
		old = append(old, c.Hash())
	}
	if err := a.magic.RenewCertSync(ctx, host, true); err != nil {
		return a.explain(host, err)
	}
	if _, err := a.magic.CacheManagedCertificate(ctx, host); err != nil {
		return a.explain(host, err)
	}
	a.cache.Remove(old) // last: no handshake is without a certificate meanwhile
	return nil
}
