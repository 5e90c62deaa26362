//go:build browser

package proof_test

import (
	"context"
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
	Received int      `json:"received"`
	Edge     string   `json:"edge"`
	Edges    []string `json:"edges"`
	Moves    int      `json:"moves"`
	RTT      float64  `json:"rtt"`
	GapMs    float64  `json:"gapMs"`
	Log      []string `json:"log"`
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

// TestChromiumLosesNothing: a page's session over a killed edge, a planned move, an edge that falls silent and one that stops.
func TestChromiumLosesNothing(t *testing.T) {
	dir, err := os.MkdirTemp("", "nxfleet")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	f, err := proof.StartFleet(ctx, proof.FleetConfig{Dir: dir, Program: pageAndProgram(t), Edge: func(home, name string) *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), edgeVariable+"="+home+"|"+name)
		cmd.Stderr = os.Stderr
		return cmd
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	p := &pageTest{t: t, fleet: f, c: startChromium(t)}
	first := f.Edges()[0].Address()
	at := "http" + strings.TrimPrefix(first, "ws") + "/?session=" + url.QueryEscape(first+"/proof?every=2ms")
	p.c.must(t, "Page.navigate", map[string]any{"url": at}, nil)
	eventually(t, "the page is there", func() bool {
		var there bool
		p.c.eval(t, "typeof proof === 'object'", &there)
		return there
	})
	eventually(t, "the page knows every edge", func() bool { return len(p.state().Edges) == 2 })
	p.leaves("SIGKILL", func(e *proof.EdgeProcess) { f.Kill(e) })
	if _, err := f.AddEdge(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the page knows the new edge", func() bool { return strings.Contains(strings.Join(p.state().Edges, " "), f.Edges()[1].Address()) })
	p.leaves("planned", func(e *proof.EdgeProcess) {
		for _, to := range f.Edges() {
			if to != e {
				if err := f.Home.Move(f.Home.Sessions()[0].ID, []string{to.Address()}); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
	var silent *proof.EdgeProcess
	p.leaves("SIGSTOP", func(e *proof.EdgeProcess) {
		silent = e
		if err := e.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	})
	f.Kill(silent)
	p.flows()
	var report proof.Report
	p.c.eval(t, "proof.finish()", &report)
	if shot := os.Getenv("NEXUS_BROWSER_SHOT"); shot != "" {
		p.c.screenshot(t, shot)
	} else {
		p.c.screenshot(t, filepath.Join(t.TempDir(), "page.png"))
	}
	if !report.Clean() {
		b, _ := json.Marshal(report)
		t.Fatalf("not clean: %s\n%s\n%s", b, strings.Join(p.state().Log, "\n"), p.c.said())
	}
	if s := p.state(); s.Moves < 3 {
		t.Fatalf("%d moves: %v", s.Moves, s.Log)
	}
	if said := p.c.said(); len(said) > 0 {
		t.Errorf("the page complains: %v", said)
	}
	t.Logf("%d down, %d up, 0 lost, 0 repeated, 0 reordered", report.DownSent, report.UpSent)
}
