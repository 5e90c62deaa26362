package node_test

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/node"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// asks opens a connection of its own to a gateway and gives the answer to one request; the connection stays open until the test ends or closes it.
func asks(t *testing.T, addr, host string) (net.Conn, *http.Response) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return c, resp
}

// TestTheGatewayKeepsTheSessionCap: what slice.sessions says holds at the node's gateway; one connection more is refused with Retry-After,
// and taken when another went.
func TestTheGatewayKeepsTheSessionCap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, _, _ := start(t, node.Config{DataDir: dir})
	owner, made := creator(t, dir, 1)
	file, err := control.ReadNodeFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	row := func() (out wire.SliceRow) {
		for _, s := range n.Slices() {
			if s.Unit == made.ID.String() {
				out = s
			}
		}
		return out
	}
	capIs := func(most int, own bool) func() bool {
		return func() bool { s := row(); return s.SessionCap == most && s.CapIsOwn == own }
	}
	class := slices.Default(made.ID, "of class interactive").Sessions()
	eventually(t, "the class's number holds", capIs(class, false))
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(backend.Close)
	act(t, owner, state.KindRouteSet, made.ID, state.RouteSet{Host: made.Domain, Backend: backend.URL})
	addr := file.Addresses["gateway"]
	served := func(r *http.Response) bool { return r.StatusCode == http.StatusNoContent }
	eventually(t, "the unit is served", func() bool { c, r := asks(t, addr, made.Domain); _ = c.Close(); return served(r) })
	act(t, owner, state.KindSliceSessions, made.ID, state.SliceSessions{Sessions: 2})
	eventually(t, "the cap is at the gateway", capIs(2, true))
	var d wire.UnitDetail
	if err := owner.Get(t.Context(), "/v1/units/"+made.Label, nil, &d); err != nil || d.MaxSessions != 2 {
		t.Errorf("the unit shows a cap of %d, %v", d.MaxSessions, err)
	}
	var first net.Conn
	eventually(t, "two at once are served", func() bool { // once the gateway has seen those from before end
		one, a := asks(t, addr, made.Domain)
		other, b := asks(t, addr, made.Domain)
		if first = one; served(a) && served(b) {
			return true
		}
		_, _ = one.Close(), other.Close()
		return false
	})
	if _, c := asks(t, addr, made.Domain); c.StatusCode != http.StatusServiceUnavailable || c.Header.Get("Retry-After") == "" {
		t.Errorf("the third of two: %d, Retry-After %q", c.StatusCode, c.Header.Get("Retry-After"))
	}
	_ = first.Close()
	eventually(t, "a closed connection makes room", func() bool { _, r := asks(t, addr, made.Domain); return served(r) })
	act(t, owner, state.KindSliceSessions, made.ID, state.SliceSessions{})
	eventually(t, "the class's number holds again", capIs(class, false))
	for range 3 {
		if _, r := asks(t, addr, made.Domain); !served(r) {
			t.Errorf("without a cap: %d", r.StatusCode)
		}
	}
}
