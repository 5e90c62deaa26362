//go:build linux

package satellite

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/acme"
)

// acmeHost is the one name that every machine resolves to itself, as an authority that validates must. It is of the patient group.
const acmeHost = "localhost"

// acmeIssue gives workers their certificates from an authority; nil without one. SIGHUP asks for another certificate, as its age does.
func acmeIssue(ctx context.Context, dir, directory string) func(plain, secure net.Addr) (Issuer, error) {
	if directory == "" {
		return nil
	}
	return func(plain, secure net.Addr) (Issuer, error) {
		b, err := os.ReadFile(filepath.Join(dir, "roots.pem"))
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(b)
		i, err := acme.Open(acme.Config{Directory: directory, Roots: roots, Folder: filepath.Join(dir, "acme"), Plain: plain, Secure: secure})
		if err != nil {
			return nil, err
		}
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGHUP)
		go func() {
			for range asked {
				if err := i.Renew(ctx, acmeHost); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
			}
		}()
		return testIssuer{i}, nil
	}
}

type testIssuer struct{ *acme.Issuer }

// CertStatus implements Issuer.
func (testIssuer) CertStatus(string) edge.CertStatus { return edge.CertStatus{} }

// authority is a Pebble that validates for real, and counts the certificates that it is asked for in an order whose challenges were met: those of the rig's
// other hosts, which nobody can reach, are none.
type authority struct {
	issued    *x509.CertPool
	issuances atomic.Int64
}

// orderFrom makes the workers of a rig that is not running yet order from an authority of their own.
func (r *rig) orderFrom(t *testing.T) *authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0") // it refuses one in twenty on purpose, which is then asked again and would count twice
	port := func(name string) int {
		_, p, err := net.SplitHostPort(r.Addr(name))
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(p)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	a := &authority{issued: x509.NewCertPool()}
	quiet, store := log.New(io.Discard, "", 0), db.NewMemoryStore()
	signer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "test"}})
	front := wfe.New(quiet, store, va.New(quiet, port("plain"), port("tls"), true, "", store), signer, []string{"pebble.test"}, true, false, 1, 1)
	handler := front.Handler()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/finalize-order/") {
			a.issuances.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	a.issued.AppendCertsFromPEM(signer.GetRootCert(0).PEM())
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(r.dir, "roots.pem"), root, 0o600); err != nil {
		t.Fatal(err)
	}
	directory := s.URL + wfe.DirectoryPath
	r.acme.Store(&directory)
	return a
}

// shown gives the serial numbers of the certificates that the two groups' workers show: the patient one is handed the connection, the prompt one has
// the UDP port of the TLS port's number and serves whoever comes there.
func (r *rig) shown(ctx context.Context, a *authority) (patient, prompt string, err error) {
	serial := func(state tls.ConnectionState) string { return state.PeerCertificates[0].SerialNumber.String() }
	c, err := (&tls.Dialer{Config: &tls.Config{ServerName: acmeHost, RootCAs: a.issued}}).DialContext(ctx, "tcp", r.Addr("tls"))
	if err != nil {
		return "", "", err
	}
	patient = serial(c.(*tls.Conn).ConnectionState())
	q, err := quic.DialAddr(ctx, r.Addr("tls"), &tls.Config{ServerName: acmeHost, RootCAs: a.issued, NextProtos: []string{http3.NextProtoH3}}, nil)
	if err == nil {
		prompt = serial(q.ConnectionState().TLS)
		err = q.CloseWithError(0, "")
	}
	return patient, prompt, errors.Join(err, c.Close())
}

// TestGroupsShareOneCertificate: workers of two groups on one folder order one certificate for a host, and both show it. Another one, ordered by one of
// them, is what the workers after an upgrade show without an order of their own; streams that were begun under the first, in both groups, go on.
func TestGroupsShareOneCertificate(t *testing.T) {
	r, run := newRig(t, make(chan struct{}), bothGroups...)
	a := r.orderFrom(t)
	run()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var first string
	eventually(ctx, t, "both workers show a certificate", func() bool {
		patient, prompt, err := r.shown(ctx, a)
		first = patient
		return err == nil && patient == prompt
	})
	if n := a.issuances.Load(); n != 1 {
		t.Errorf("%d certificates were issued, one is wanted", n)
	}
	streams := openSecured(ctx, t, r, a)
	if err := syscall.Kill(r.Pids("prompt")[1], syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, "the prompt worker shows the next certificate", func() bool {
		_, prompt, err := r.shown(ctx, a)
		return err == nil && prompt != first
	})
	streams.check(ctx, t)
	if err := r.Upgrade(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, "the new workers of both groups show it", func() bool {
		patient, prompt, err := r.shown(ctx, a)
		return err == nil && patient == prompt && patient != first
	})
	streams.check(ctx, t)
	if n := a.issuances.Load(); n != 2 {
		t.Errorf("%d certificates were issued, two are wanted", n)
	}
	for _, s := range streams.sockets {
		_ = s.CloseNow()
	}
	for _, c := range streams.closers {
		_ = c.Close()
	}
}

// openSecured opens streams under the certificate of now: a WebSocket and events over HTTP/2 at the patient worker, events over HTTP/3 at the prompt one.
func openSecured(ctx context.Context, t *testing.T, r *rig, a *authority) *openedStreams {
	t.Helper()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", r.Addr("tls"))
	}
	s := &openedStreams{}
	over1 := &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: a.issued}}
	ws, _, err := websocket.Dial(ctx, "wss://"+acmeHost+"/ws", &websocket.DialOptions{HTTPClient: &http.Client{Transport: over1}})
	if err != nil {
		t.Fatal(err)
	}
	s.sockets = append(s.sockets, ws)
	over2 := &http.Transport{DialContext: dial, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: a.issued}}
	over3 := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: a.issued, NextProtos: []string{http3.NextProtoH3}},
		Dial: func(ctx context.Context, _ string, c *tls.Config, q *quic.Config) (*quic.Conn, error) {
			return quic.DialAddr(ctx, r.Addr("tls"), c, q)
		}}
	t.Cleanup(func() { over2.CloseIdleConnections(); _ = over3.Close() })
	for major, way := range map[int]http.RoundTripper{2: over2, 3: over3} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+acmeHost+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := way.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.ProtoMajor != major || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
			t.Fatalf("events came as %s, %v", resp.Proto, resp.Header)
		}
		s.closers = append(s.closers, resp.Body)
		s.events, s.next = append(s.events, bufio.NewReader(resp.Body)), append(s.next, 0)
	}
	s.check(ctx, t)
	return s
}
