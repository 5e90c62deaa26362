package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// TestWhatIsNotServedYetIsSaid: an act that stands while the node's gateway has not taken it up is no failure, and is not silent either: a note on
// stderr, once.
func TestWhatIsNotServedYetIsSaid(t *testing.T) {
	t.Parallel()
	const why = "not within 3s; the node goes on"
	const note = "note: it is decided and stands, but the gateway of this node does not serve it yet: " + why + "\n"
	for _, c := range []struct{ answered, said string }{{why, note}, {}} {
		var stdout, stderr bytes.Buffer
		n := answering(t, wire.ActionAnswer{Receipt: &nexus.Receipt{Index: 7, Allowed: true}, Unit: &wire.UnitRow{ID: nexus.ID{1}.String(), Label: "IMVU-001",
			Domain: "a.test"}, NotServed: c.answered})
		n.app = &app{out: &stdout, err: &stderr, now: time.Now, conf: &config{}}
		r, err := n.act(t.Context(), state.KindRouteDrop, nexus.ID{1}, state.RouteSet{Host: "a.test"})
		if err != nil || r.Index != 7 || stderr.String() != c.said {
			t.Errorf("route.drop: %v, decision %d, said %q, want %q", err, r.Index, &stderr, c.said)
		}
		stderr.Reset()
		var req creationRequest
		req.Kind, req.Name = nexus.KindIMVU.String(), "A"
		if err := n.createAndPrint(t.Context(), req); err != nil || stderr.String() != c.said || !strings.Contains(stdout.String(), "created IMVU-001") {
			t.Errorf("imvu.create: %v, printed %q, said %q, want %q", err, &stdout, &stderr, c.said)
		}
	}
}

// answering connects to a node that gives one answer to every action.
func answering(t *testing.T, ans wire.ActionAnswer) *node {
	t.Helper()
	dir := t.TempDir()
	key, err := identity.GenerateKey(filepath.Join(dir, "key"), "tester")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(ans); err != nil {
			t.Error(err)
		}
	})}
	go func() { _ = s.Serve(ln) }() // until it is closed
	t.Cleanup(func() { _ = s.Close() })
	n := &node{Client: control.NewClient(socket, nexus.ID{2}, key)}
	t.Cleanup(n.Close)
	return n
}
