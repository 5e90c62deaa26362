package acme_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/acme"
)

// testHost is the one name that every machine resolves to itself.
const testHost = "localhost"

// authority is a Pebble: an ACME authority for tests that really validates.
type authority struct {
	directory string
	roots     *x509.CertPool // of the directory
	issued    *x509.CertPool // of the certificates that it gives
	store     *db.MemoryStore
}

// startAuthority runs a Pebble that validates on the given ports.
func startAuthority(t *testing.T, httpPort, tlsPort int) *authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	signer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "test"}})
	front := wfe.New(quiet, store, va.New(quiet, httpPort, tlsPort, true, "", store), signer, []string{"pebble.test"}, true, false, 1, 1)
	s := httptest.NewTLSServer(front.Handler())
	t.Cleanup(s.Close)
	a := &authority{directory: s.URL + wfe.DirectoryPath, roots: x509.NewCertPool(), issued: x509.NewCertPool(), store: store}
	a.roots.AddCert(s.Certificate())
	a.issued.AppendCertsFromPEM(signer.GetRootCert(0).PEM())
	return a
}

// fixture is a gateway whose certificates come from an authority.
type fixture struct {
	gateway *edge.Gateway
	issuer  *acme.Issuer
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func start(t *testing.T, plain, secure net.Listener, config acme.Config) *fixture {
	t.Helper()
	config.Plain, config.Secure = plain.Addr(), secure.Addr()
	issuer, err := acme.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(issuer.Close)
	g, err := edge.New(edge.Config{Listener: plain, TLSListener: secure, Issuer: issuer})
	if err != nil {
		t.Fatal(err)
	}
	unit := slices.Default(nexus.DeriveID("test-unit", []byte("acme")), "acme")
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }))
	t.Cleanup(behind.Close)
	table, err := edge.NewTable([]edge.Route{{Host: testHost, Unit: unit.Unit, SliceID: unit.ID,
		Backend: edge.Backend{Address: behind.Listener.Addr().String()}}}, []slices.Slice{unit})
	if err == nil {
		err = g.Swap(table)
	}
	if err == nil {
		err = g.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(0); err != nil {
			t.Error(err)
		}
	})
	if err := issuer.Manage([]string{testHost}); err != nil {
		t.Fatal(err)
	}
	return &fixture{g, issuer}
}

// await asks for the host's status until ok.
func (f *fixture) await(t *testing.T, what string, ok func(acme.Status) bool) acme.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		all := f.issuer.Status()
		if len(all) == 1 && ok(all[0]) {
			return all[0]
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not within a minute: %s; status %+v", what, all)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (f *fixture) handshake(pool *x509.CertPool) (*x509.Certificate, error) {
	c, err := tls.Dial("tcp", f.gateway.TLSAddr(), &tls.Config{ServerName: testHost, RootCAs: pool})
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	return c.ConnectionState().PeerCertificates[0], nil
}

func port(ln net.Listener) int { return ln.Addr().(*net.TCPAddr).Port }

func TestCertificateByEachChallenge(t *testing.T) {
	for _, challenge := range []string{acme.ChallengeHTTP, acme.ChallengeALPN} {
		t.Run(challenge, func(t *testing.T) {
			plain, secure := listen(t), listen(t)
			// The authority can reach the one listener that the challenge needs, and no other.
			httpPort, tlsPort := port(plain), 1
			if challenge == acme.ChallengeALPN {
				httpPort, tlsPort = 1, port(secure)
			}
			a := startAuthority(t, httpPort, tlsPort)
			folder := t.TempDir()
			f := start(t, plain, secure, acme.Config{Directory: a.directory, Roots: a.roots, Folder: folder, Challenge: challenge})
			f.await(t, "a certificate", func(s acme.Status) bool { return !s.NotAfter.IsZero() && s.Err == nil })
			cert, err := f.handshake(a.issued)
			if err != nil {
				t.Fatal(err)
			}
			if err := cert.VerifyHostname(testHost); err != nil || len(cert.DNSNames) != 1 {
				t.Errorf("certificate for %v: %v", cert.DNSNames, err)
			}
			// Another process with the same folder uses the certificate that is there.
			again := start(t, listen(t), listen(t), acme.Config{Directory: a.directory, Roots: a.roots, Folder: folder})
			again.await(t, "the certificate of the folder", func(s acme.Status) bool { return !s.NotAfter.IsZero() })
			same, err := again.handshake(a.issued)
			if err != nil || !same.Equal(cert) {
				t.Errorf("after a restart another certificate is shown, %v", err)
			}
		})
	}
}

// TestRenewalCutsNoConnection: handshakes after a renewal show the new certificate, and a connection begun under the old one goes on.
func TestRenewalCutsNoConnection(t *testing.T) {
	plain, secure := listen(t), listen(t)
	a := startAuthority(t, port(plain), port(secure))
	f := start(t, plain, secure, acme.Config{Directory: a.directory, Roots: a.roots, Folder: t.TempDir()})
	f.await(t, "a certificate", func(s acme.Status) bool { return !s.NotAfter.IsZero() })
	old, err := tls.Dial("tcp", f.gateway.TLSAddr(), &tls.Config{ServerName: testHost, RootCAs: a.issued})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = old.Close() })
	before := old.ConnectionState().PeerCertificates[0]
	if err := f.issuer.Renew(t.Context(), testHost); err != nil {
		t.Fatal(err)
	}
	now, err := f.handshake(a.issued)
	if err != nil || now.Equal(before) {
		t.Fatalf("a handshake after the renewal shows the old certificate, %v", err)
	}
	if _, err := io.WriteString(old, "GET /still HTTP/1.1\r\nHost: "+testHost+"\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = old.SetReadDeadline(time.Now().Add(20 * time.Second))
	if b, err := io.ReadAll(old); err != nil || !strings.Contains(string(b), "/still") {
		t.Errorf("a connection begun before the renewal: %q, %v", b, err)
	}
}

func TestFailuresSayWhatToDo(t *testing.T) {
	t.Run("unreachable edge", func(t *testing.T) {
		plain, secure := listen(t), listen(t)
		a := startAuthority(t, 1, 1)
		f := start(t, plain, secure, acme.Config{Directory: a.directory, Roots: a.roots, Folder: t.TempDir()})
		s := f.await(t, "a failure", func(s acme.Status) bool { return s.Err != nil })
		wantHint(t, s.Err, "must reach this edge")
		if _, err := f.handshake(a.issued); err == nil {
			t.Error("a handshake passed without a certificate")
		}
	})
	t.Run("refused host", func(t *testing.T) {
		plain, secure := listen(t), listen(t)
		a := startAuthority(t, port(plain), port(secure))
		if err := a.store.AddBlockedDomain(testHost); err != nil {
			t.Fatal(err)
		}
		f := start(t, plain, secure, acme.Config{Directory: a.directory, Roots: a.roots, Folder: t.TempDir()})
		wantHint(t, f.await(t, "a failure", func(s acme.Status) bool { return s.Err != nil }).Err, "choose another host")
	})
	t.Run("untrusted directory", func(t *testing.T) {
		plain, secure := listen(t), listen(t)
		a := startAuthority(t, port(plain), port(secure))
		f := start(t, plain, secure, acme.Config{Directory: a.directory, Roots: x509.NewCertPool(), Folder: t.TempDir()})
		wantHint(t, f.await(t, "a failure", func(s acme.Status) bool { return s.Err != nil }).Err, "name its root's file")
	})
	t.Run("absent directory", func(t *testing.T) {
		f := start(t, listen(t), listen(t), acme.Config{Directory: "https://127.0.0.1:1/dir", Folder: t.TempDir()})
		wantHint(t, f.await(t, "a failure", func(s acme.Status) bool { return s.Err != nil }).Err, "can be reached")
	})
}

func wantHint(t *testing.T, err error, part string) {
	t.Helper()
	var e *nexus.Error
	if !errors.As(err, &e) || !strings.Contains(e.Hint, part) || !strings.Contains(e.Subject, testHost) {
		t.Errorf("got %v (%+v), want a hint with %q", err, e, part)
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	for name, c := range map[string]acme.Config{
		"no TLS":            {Directory: "http://x.test/dir", Folder: "x", Secure: addr},
		"no folder":         {Directory: "https://x.test/dir", Secure: addr},
		"no listener":       {Directory: "https://x.test/dir", Folder: "x"},
		"unknown challenge": {Directory: "https://x.test/dir", Folder: "x", Secure: addr, Challenge: "dns-01"},
		"http-01, no port":  {Directory: "https://x.test/dir", Folder: "x", Secure: addr, Challenge: acme.ChallengeHTTP},
	} {
		if _, err := acme.Open(c); nexus.CodeOf(err) != nexus.CodeUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
}
