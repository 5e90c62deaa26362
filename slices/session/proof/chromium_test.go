//go:build browser

package proof_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/session"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/proof"
)

// pageAndProgram is the unit's program: the page under proof, and the counter that its session speaks to.
func pageAndProgram(t *testing.T) http.Handler {
	t.Helper()
	page, err := os.ReadFile("testdata/page.html")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/proof", proof.Program{})
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page) // the browser may have gone
	})
	return mux
}

// pageState is what the page shows.
type pageState struct {
	Received  int      `json:"received"`
	Edge      string   `json:"edge"`
	Edges     []string `json:"edges"`
	Moves     int      `json:"moves"`
	Transport string   `json:"transport"`
	RTT       float64  `json:"rtt"`
	GapMs     float64  `json:"gapMs"`
	Log       []string `json:"log"`
}

type pageTest struct {
	t     *testing.T
	fleet *proof.Fleet
	c     *chromium
}

func (p *pageTest) state() (s pageState) {
	p.t.Helper()
	p.c.eval(p.t, "proof.state()", &s)
	return s
}

// flows waits until messages come.
func (p *pageTest) flows() {
	p.t.Helper()
	n := p.state().Received
	eventually(p.t, "messages come to the page", func() bool { return p.state().Received > n+100 })
}

// leaves does something to the edge in use and waits until the page is elsewhere.
func (p *pageTest) leaves(what string, do func(*proof.EdgeProcess)) {
	p.t.Helper()
	p.flows()
	victim := p.fleet.At(p.state().Edge)
	if victim == nil {
		p.t.Fatalf("the page is at %q, which is none of the fleet's: %v", p.state().Edge, p.c.said())
	}
	p.c.eval(p.t, "proof.resetGap()", nil)
	do(victim)
	eventually(p.t, what+": the page leaves the edge", func() bool { e := p.state().Edge; return e != "" && p.fleet.At(e) != victim })
	p.flows()
	s := p.state()
	p.t.Logf("%s: longest time without a message %.1f ms, round trip %.1f ms, now at %s", what, s.GapMs, s.RTT, s.Edge)
}

// certificateHash gives the SHA-256 of the certificate that an edge shows for the fleet's host, in hexadecimal.
func certificateHash(t *testing.T, e *proof.EdgeProcess) string {
	t.Helper()
	// Trust is what the page gets from this hash: nothing is sent over this connection.
	c, err := tls.Dial("tcp", e.TLSAddr, &tls.Config{ServerName: proof.FleetHost, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }() // nothing was sent
	sum := sha256.Sum256(c.ConnectionState().PeerCertificates[0].Raw)
	return hex.EncodeToString(sum[:])
}

// open starts edges and browser and shows the page, whose session is at the first edge.
func openPage(t *testing.T, secure bool) *pageTest {
	t.Helper()
	dir, err := os.MkdirTemp("", "nxfleet")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	f, err := proof.StartFleet(ctx, proof.FleetConfig{Dir: dir, Edges: 3, Program: pageAndProgram(t), Edge: func(home, name string) *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), edgeVariable+"="+home+"|"+name)
		if secure {
			cmd.Env = append(cmd.Env, secureVariable+"=1")
		}
		cmd.Stderr = os.Stderr
		return cmd
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	p := &pageTest{t: t, fleet: f, c: startChromium(t)}
	at := f.Edges()[0].Address()
	query := url.Values{"session": {at + "/proof?every=2ms"}}
	if secure {
		var hashes []string
		for _, e := range f.Edges() {
			hashes = append(hashes, certificateHash(t, e))
		}
		_, port, _ := strings.Cut(f.Edges()[0].TLSAddr, ":")
		query = url.Values{"session": {"wss://" + proof.FleetHost + ":" + port + "/proof?every=2ms"}, "hashes": {strings.Join(hashes, " ")}}
	}
	p.c.must(t, "Page.navigate", map[string]any{"url": "http" + strings.TrimPrefix(at, "ws") + "/?" + query.Encode()}, nil)
	eventually(t, "the page is there", func() bool {
		var there bool
		p.c.eval(t, "typeof proof === 'object'", &there)
		return there
	})
	eventually(t, "the page knows every edge", func() bool { return len(p.state().Edges) == 3 })
	return p
}

// survive moves the page's session off a killed edge, one that is asked to hand over and one that falls silent.
func (p *pageTest) survive() {
	p.t.Helper()
	p.leaves("SIGKILL", func(e *proof.EdgeProcess) { p.fleet.Kill(e) })
	p.leaves("planned", func(e *proof.EdgeProcess) {
		for _, to := range p.fleet.Edges() {
			if to == e {
				continue
			}
			var list []string
			for _, a := range to.Addresses {
				list = append(list, session.ExpandAddress(a, proof.FleetHost))
			}
			if err := p.fleet.Home.Move(p.fleet.Home.Sessions()[0].ID, list); err != nil {
				p.t.Fatal(err)
			}
			return
		}
	})
	var silent *proof.EdgeProcess
	p.leaves("SIGSTOP", func(e *proof.EdgeProcess) {
		silent = e
		if err := e.Signal(syscall.SIGSTOP); err != nil {
			p.t.Fatal(err)
		}
	})
	p.fleet.Kill(silent)
	p.flows()
}

// judge ends the session, keeps a picture and fails unless the page counted exactly what was sent.
func (p *pageTest) judge(transport string) {
	p.t.Helper()
	before := p.state()
	if before.Transport != transport {
		p.t.Errorf("the session is carried by %q, not by %s", before.Transport, transport)
	}
	var report proof.Report
	p.c.eval(p.t, "proof.finish()", &report)
	shot := os.Getenv("NEXUS_BROWSER_SHOTS")
	if shot == "" {
		shot = p.t.TempDir()
	}
	p.c.screenshot(p.t, filepath.Join(shot, "browser-"+transport+".png"))
	after := p.state()
	if !report.Clean() {
		b, _ := json.Marshal(report)
		p.t.Fatalf("not clean: %s\n%s\n%s", b, strings.Join(after.Log, "\n"), p.c.said())
	}
	if after.Moves < 3 {
		p.t.Fatalf("%d moves: %v", after.Moves, after.Log)
	}
	if said := p.c.said(); len(said) > 0 {
		p.t.Errorf("the page complains: %v", said)
	}
	p.t.Logf("%s: %d down, %d up, 0 lost, 0 repeated, 0 reordered\n%s", transport, report.DownSent, report.UpSent, strings.Join(after.Log, "\n"))
}

// TestChromiumOverWebSocket: the page's session over a killed edge, a planned move and an edge that falls silent.
func TestChromiumOverWebSocket(t *testing.T) {
	p := openPage(t, false)
	p.survive()
	p.judge("websocket")
}

// TestChromiumOverWebTransport: the same over HTTP/3. The page trusts the edges' certificates for WebTransport only, so a WebSocket could
// not have carried it.
func TestChromiumOverWebTransport(t *testing.T) {
	p := openPage(t, true)
	p.survive()
	p.judge("webtransport")
}
