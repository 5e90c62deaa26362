package node_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/node"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// TestTheAnswerComesWithTheChange: the first request after the answer to an act meets what was decided at the gateway: new hosts, another backend, a dropped
// route, a suspension and its end.
func TestTheAnswerComesWithTheChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start(t, node.Config{DataDir: dir})
	owner, made := creator(t, dir, 1)
	c := client(t, dir)
	file, err := control.ReadNodeFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(backend.Close)
	late, inTime := false, 0 // the node was too slow to serve the newest act within its bound, and said so; that is no fault
	does := func(by *control.Client, kind string, unit nexus.ID, body any) wire.ActionAnswer {
		t.Helper()
		a, err := engine.NewAction(by.Signer(), by.Cluster(), kind, unit, body, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		ans, err := by.Ask(t.Context(), a)
		if late = strings.HasPrefix(ans.NotServed, "not within"); !late {
			inTime++
		}
		if err != nil || ans.NotServed != "" && !late {
			t.Fatalf("%s: %v, not served: %s", kind, err, ans.NotServed)
		}
		return ans
	}
	answers := func(what, host string, status int, index string) {
		t.Helper()
		if late {
			return
		}
		nc, r := asks(t, file.Addresses["gateway"], host)
		_ = nc.Close() // it has answered
		if got := r.Header.Get("Nexus-Route"); r.StatusCode != status || index != "" && got != index {
			t.Errorf("right after %s: %s answers %s by route %q, want %d %q", what, host, r.Status, got, status, index)
		}
	}
	for i := range 20 {
		u := does(c, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Host " + strconv.Itoa(i), OwnerName: "platform"})
		answers("imvu.create", u.Unit.Domain, http.StatusServiceUnavailable, "")
	}
	answers("imvu.create", "stage."+made.Domain, http.StatusServiceUnavailable, "")
	for range 5 {
		set := does(owner, state.KindRouteSet, made.ID, state.RouteSet{Host: made.Domain, Backend: backend.URL})
		answers("route.set", made.Domain, http.StatusNoContent, strconv.FormatUint(set.Receipt.Index, 10))
		does(owner, state.KindRouteDrop, made.ID, state.RouteSet{Host: made.Domain})
		answers("route.drop", made.Domain, http.StatusServiceUnavailable, "")
		does(c, state.KindUnitSuspend, made.ID, state.UnitReason{Reason: "a test"})
		answers("imvu.suspend", made.Domain, http.StatusNotFound, "")
		does(c, state.KindUnitResume, made.ID, state.UnitReason{Reason: "a test"})
		answers("imvu.resume", made.Domain, http.StatusServiceUnavailable, "")
	}
	does(owner, state.KindDomainClaim, made.ID, state.DomainClaim{Name: "shop." + made.Domain})
	answers("domain.claim", "shop."+made.Domain, http.StatusServiceUnavailable, "")
	if inTime == 0 {
		t.Error("none was served in time")
	}
}
