package control

import (
	"net/http"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// A creator is shown the routes of its own units, and not a word of where anybody else's hosts lead (gate 16); whoever acts for the platform
// is shown all, and a node that was removed nothing.
func TestRoutesAreShownToTheirOwners(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	carl, node := signer(4), signer(5)
	c.must(c.keys.Operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "carl", Key: carl.Public(), Role: uint8(gates.RoleCreator)})
	var made state.UnitCreated
	if err := nexus.Decode(c.must(carl, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Carl's"}).Result, &made); err != nil {
		t.Fatal(err)
	}
	var host string
	c.eng.View(func(st *state.State) { host = st.Units[c.unit].Domain })
	c.must(c.eve, state.KindRouteSet, c.unit, state.RouteSet{Host: host, Backend: "http://127.0.0.1:9301"})
	c.must(carl, state.KindRouteSet, made.ID, state.RouteSet{Host: made.Domain, Backend: "http://127.0.0.1:9302"})
	c.must(c.keys.Operator, state.KindNodeAdmit, nexus.ID{}, state.NodeAdmit{Key: node.Public(), Name: "second"})
	shown := func(s nexus.Signer) []wire.RouteRow { return into[wire.Routes](c, s, "/v1/routes").Routes }
	if all := shown(c.keys.Operator); len(all) != 2 || len(shown(node)) != 2 {
		t.Fatalf("an operator is shown %+v, a node %+v", all, shown(node))
	}
	for name, x := range map[string]struct {
		key  nexus.Signer
		want string
	}{"eve": {c.eve, "http://127.0.0.1:9301"}, "carl": {carl, "http://127.0.0.1:9302"}} {
		rows := shown(x.key)
		if len(rows) != 1 || rows[0].Backend != x.want || rows[0].Index == 0 || rows[0].Label == "" {
			t.Errorf("%s is shown %+v", name, rows)
		}
		code, raw := c.read(x.key, "/v1/units/"+rows[0].Label, nil)
		if code != http.StatusOK || strings.Count(string(raw), "http://127.0.0.1:930") != 1 || !strings.Contains(string(raw), x.want) {
			t.Errorf("%s's unit: %d %s", name, code, raw)
		}
	}
	c.must(c.keys.Operator, state.KindNodeRemove, nexus.ID{}, state.NodeAdmit{Key: node.Public(), Name: "second"})
	if rows := shown(node); len(rows) != 0 {
		t.Errorf("a removed node is shown %+v", rows)
	}
	if code, raw := c.read(node, "/v1/units/"+c.unit.String(), nil); code != http.StatusForbidden {
		t.Errorf("a removed node reads a unit: %d %s", code, raw)
	}
}

// What is one's own is given alone when that is asked for, to an operator too: a home beyond the thousand units of a picture is made of it.
func TestOnesOwnUnitsAndTalliesAlone(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	c.must(c.keys.Operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "The operator's"})
	c.sell("a", 1, 100)
	for name, x := range map[string]struct {
		key      nexus.Signer
		all, own int
	}{"operator": {c.keys.Operator, 4, 1}, "eve": {c.eve, 1, 1}} {
		all, own := into[wire.Units](c, x.key, "/v1/units").Units, into[wire.Units](c, x.key, "/v1/units?mine=1").Units
		if len(all) != x.all || len(own) != x.own || own[0].Owner != x.key.Public().String() {
			t.Errorf("%s sees %d units, of them %d own: %+v", name, len(all), len(own), own)
		}
		tallies := into[wire.Tally](c, x.key, "/v1/tally?mine=1").Units
		if want := map[string]int{"eve": 1, "operator": 0}[name]; len(tallies) != want || len(into[wire.Tally](c, x.key, "/v1/tally").Units) != 1 {
			t.Errorf("%s has the tallies %+v", name, tallies)
		}
	}
}
