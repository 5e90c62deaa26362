// Package tuitest makes pictures for tests and benchmarks of the console: a rich Overview with everything that is hard
// to draw (long names, wide scripts, hostile bytes, missing measurements, every state), and a Backend in memory that
// plays pictures at any rate, dies on command and records what it was asked.
//
// Nothing here is shown to a user as fact. It imports the root package and engine/control/wire only.
package tuitest

import (
	"fmt"
	"math"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// Time is the moment of the fixture.
func Time() time.Time { return time.Date(2026, 3, 14, 14, 22, 7, 114_000_000, time.UTC) }

func at(ago time.Duration) time.Time { return Time().Add(-ago) }

func ptr[T any](v T) *T { return &v }

// Overview is the fixture: a launch in its tenth phase with one phase skipped and one degraded, slices in every state,
// denials, splits in several currencies.
func Overview() *wire.Overview {
	o := &wire.Overview{
		Seq: 1, Time: Time(),
		Node: wire.NodeInfo{Name: "edge-1", Cluster: "7f3a91bc07d4e1c10d446f02aa17b3c9", State: wire.NodeLaunching,
			Profile: "dev",
			PID:     4711, Version: "v0.1.0", Started: at(41 * time.Second),
			Addresses: map[string]string{"api": "127.0.0.1:40111", "gateway": "127.0.0.1:40112"}},
		Identity: wire.Identity{Name: "maria", Key: "m0Zz3T0cZ6v3m3uE0C0uXw3b1q2n8r5yT7kq1sV9aXo=", Fingerprint: "SHA256:91bc07aaUutGAuMvyRgMBvUe6xxqqvR3gJvYiB7SFmk",
			Roles: []string{"operator"}, Reports: []string{"operator"}},
		Ledger: wire.LedgerInfo{Size: 120441, Root: "fzqRvAfU4cENRG8CqhezyQ==", Index: 120441, CheckpointAgeMs: 2000,
			Verified: 120441, Entries: 120441, Checkpoint: checkpoint},
		Launch: launch(), Slices: sliceRows(), Gates: gateRows(), Decisions: decisions(), Cluster: members(), Edges: edges(), Units: units(),
		EventsPerSecond: 812, DecisionsAllowed: 48211, DecisionsDenied: 37,
	}
	o.Tallies, o.Totals = Tallies()
	o.TalliesTotal, o.UnitsTotal = len(o.Tallies), len(o.Units)
	o.Alerts = []wire.Alert{
		{Time: at(0), Level: wire.LevelCritical, Code: "gate.denied", Text: "denied by G07: asked for 8 cores, the " +
			"envelope has 4",
			Unit: "IMVU-003", Index: 120440, Fix: "nexus imvu scale IMVU-003 --cpu 4"},
		{Time: at(4 * time.Second), Level: wire.LevelWarning, Code: "slice.breach", Text: "p99 12.60 ms over 10.0 for 4 s",
			Unit: "IMVU-003"},
	}
	return o
}

const checkpoint = "nexus-cos/7f3a91bc07d4e1c1\n120441\nfzqRvAfU4cENRG8CqhezyXbL3q0u7Yd1mJp5t2o8Wk4=\n\n" +
	"— edge-1 Ab3dE6gH9jKlMnOpQrStUvWxYz0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX=\n"

func launch() wire.Launch {
	l := wire.Launch{Status: wire.StatusRunning, Started: at(41 * time.Second), DurationMs: 41_200,
		Log: "logs/deployment-20260314-142126.log"}
	took := [wire.PhaseCount]int64{412, 1900, 640, 61, 0, 104, 2200, 331, 1100, 1200, 0, 0}
	for i, n := range wire.PhaseNames() {
		status := wire.StatusPassed
		if i > 9 {
			status = wire.StatusPending
		}
		l.Phases[i] = wire.Phase{Number: i + 1, Name: n.Name, Title: n.Title, Status: status, DurationMs: took[i]}
		if i < 10 {
			l.Phases[i].Started = at(time.Duration(40-4*i) * time.Second)
			l.Phases[i].Checks = []wire.Check{
				{Name: "listener answers", Status: wire.StatusPassed, Detail: "127.0.0.1:40112"},
				{Name: "round trip", Status: wire.StatusPassed, Value: ptr(0.41), Unit: "ms", Limit: ptr(10.0), Bound: wire.BoundMost}}
		}
	}
	l.Phases[4].Status, l.Phases[4].Reason, l.Phases[4].Checks = wire.StatusSkipped,
		"Nexus Stream and OTT are not built yet", nil
	l.Phases[6].Status, l.Phases[6].Reason = wire.StatusDegraded, "memory ceiling is advisory: no cgroup memory controller"
	l.Phases[6].Checks = append(l.Phases[6].Checks, wire.Check{Name: "memory ceiling", Status: wire.StatusDegraded,
		Value: ptr(0.0), Unit: "kills",
		Detail: "the hog was not stopped", Remedy: "boot with cgroup_enable=memory"})
	l.Phases[9].Status = wire.StatusRunning
	return l
}

func sliceRows() []wire.SliceRow {
	type row struct {
		label, name, class string
		p50, p99, p999     float64
		rate               float64
		wave               float64
	}
	var out []wire.SliceRow
	for i, r := range []row{
		{"IMVU-001", "aria", "interactive", 1.9, 4.2, 7.8, 38e6, 0.8}, {"PLAT-001", "Nexus Stream", "live", 2.4, 8.9, 11.3,
			91e6, 3},
		{"IMVU-003", "kilo", "interactive", 3.0, 12.6, 19.4, 50e6, 4}, {"PLAT-002", "Nexus OTT Mini", "video", 1.1, 2.0,
			3.9, 12e6, 0.5},
		{"IMVU-004", "新星工作室", "interactive", 0.9, 1.7, 2.2, 4e6, 0.2}, {"IMVU-005", "evil\x1b[2Jname\r\n", "bulk", 0.6,
			1.2, 1.8, 2e6, 0.1},
		{"IMVU-006", "idle one", "interactive", 0, 0, 0, 0, 0}} {
		s := sliceFixture{wire.SliceRow{Slice: fmt.Sprintf("slice-%d", i+1), Unit: unitID(i), Label: r.label, Name: r.name,
			Class: r.class, RateBps: r.rate,
			BudgetMs: 10, Samples: uint64(48905 / (i + 1)), InFlight: 4 - i/2, Queue: i % 3, Refused: uint64(i * 7)}}
		if r.p99 > 0 {
			s.P50Ms, s.P99Ms, s.P999Ms = ptr(r.p50), ptr(r.p99), ptr(r.p999)
			s.BaselineP50Ms, s.GatewayP99Ms = ptr(0.12), ptr(r.p99/2)
			for k := range wire.HistoryCellsMax {
				if k%17 == 3 {
					s.History = append(s.History, nil)
					continue
				}
				s.History = append(s.History, ptr(max(r.p99+r.wave*math.Sin(float64(k)/3), 0.1)))
			}
		}
		if i == 2 {
			s.fillEdges()
		}
		out = append(out, s.SliceRow)
	}
	return out
}

// sliceFixture is a slice to be filled in.
type sliceFixture struct{ wire.SliceRow }

// fillEdges gives a slice two edges, of which one measured nothing yet, and hosts in good and bad states.
func (s *sliceFixture) fillEdges() {
	at := func(minutes int) *time.Time {
		t := time.Date(2026, 3, 5, 10, minutes, 0, 0, time.UTC)
		return &t
	}
	s.RoutesTotal = 2
	s.Sessions, s.PerMinute, s.Planned, s.Recovered, s.TripP50Ms, s.TripP99Ms = 14, 3, 1021, 17, ptr(1.4), ptr(6.25)
	s.SessionCap, s.CapIsOwn = 500, true
	s.GuaranteedBps, s.GuaranteeWindows, s.GuaranteeKept, s.GuaranteePercent = 30e6, 1204, 1203, ptr(93.41)
	s.Edges = []wire.SliceEdge{{Edge: "node", P99Ms: ptr(12.6), Samples: 300, RateBps: 40e6, Requests: 1000, RetriesLeft: 10, TripP50Ms: ptr(1.4)},
		{Edge: "front.2", ReportAgeMs: 1200, RateBps: 10e6, Requests: 12, BackendsOut: 1, Ejections: 2, RetriesLeft: 3, LinkRTTMs: ptr(0.21)}}
	s.Routes = []wire.SliceRoute{
		{Edge: "front.2", Host: "kilo.nexus.localhost", Backend: "127.0.0.1:8081", State: "out", InARow: 5, LastFailure: at(7),
			Certificate: &wire.Certificate{Source: "https://acme.example/directory", ErrorAt: at(6),
				Error: "acme: certificate of kilo: the authority did not reach port 80"}},
		{Edge: "node", Host: "kilo.nexus.localhost", Backend: "127.0.0.1:8081", State: "answers", LastAnswer: at(8),
			Certificate: &wire.Certificate{Source: wire.OwnAuthority, NotAfter: at(50), Renews: at(20)}},
		{Edge: "node", Host: "new.nexus.localhost", Backend: "127.0.0.1:8082", State: "not measured", Certificate: &wire.Certificate{Source: wire.OwnAuthority}}}
}

// GateNames are the slugs of SPEC section 1.
func GateNames() [wire.GateCount]string {
	return [wire.GateCount]string{"identity-binding", "imvu-isolation", "domain-ownership", "dns-authority-scoping",
		"mail-attribution",
		"revenue-metering", "resource-quota", "network-path-governance", "jurisdiction-tagging", "consent-logging",
		"audit-logging",
		"immutable-snapshots", "exit-portability", "no-silent-redirection", "no-silent-throttling", "no-cross-imvu-leakage",
		"platform-non-repudiation"}
}

func gateRows() []wire.GateRow {
	var out []wire.GateRow
	for i, name := range GateNames() {
		g := wire.GateRow{Gate: i + 1, Name: name, Rule: "the rule of " + name, Allowed: uint64(48211 - i*31),
			Decides: true, Enforced: i%3 != 1,
			EnforcedBy: "engine/state"}
		if !g.Enforced {
			g.EnforcedBy = "the compute fabric, once it is built"
		}
		if i == 6 || i == 2 {
			g.Denied, g.LastDeniedTime, g.LastReason = uint64(31-i), ptr(at(time.Second)),
				"asked for 8 cores, the envelope has 4"
		}
		out = append(out, g)
	}
	return out
}

func decisions() []wire.DecisionRow {
	actions := []string{"imvu.scale", "route.add", "revenue.post", "identity.bind", "slice.set"}
	var out []wire.DecisionRow
	for i := range 40 {
		d := wire.DecisionRow{Index: uint64(120440 - i), Time: at(time.Duration(i*137) * time.Millisecond),
			Verdict: wire.VerdictAllow,
			Action:  actions[i%len(actions)], Actor: "m0Zz3T0cZ6v3m3uE0C0uXw3b1q2n8r5yT7kq1sV9aXo=",
			ActorName: []string{"maria", "системa", "nova"}[i%3],
			Unit:      unitID(i % 5), UnitLabel: fmt.Sprintf("IMVU-%03d", i%5+1), Gates: []int{}}
		if i%9 == 0 {
			d.Verdict, d.Gates, d.UnitLabel = wire.VerdictDeny, []int{7}, "IMVU-003"
			d.Reason, d.Observed, d.Required = "asked for 8 cores, the envelope has 4", "cpu 8", "cpu at most 4"
			d.Fix = "ask for 4 cores, or raise the envelope with the owner's approval"
		}
		out = append(out, d)
	}
	return out
}

// Tallies gives tallies whose splits hold, and their totals.
func Tallies() ([]wire.TallyRow, []wire.TotalRow) {
	rows := []wire.TallyRow{
		{Unit: "IMVU-001", Name: "aria", Kind: "imvu", Rule: "55/45", Currency: "USD", Gross: 1_000_000, Events: 3,
			Owner: "maria"},
		{Unit: "IMVU-003", Name: "kilo", Kind: "imvu", Rule: "55/45", Currency: "USD", Gross: 3_122_001, Events: 2115,
			Owner: "kilo"},
		{Unit: "PLAT-001", Name: "Nexus Stream", Kind: "channel", Rule: "80/20", Currency: "USD", Gross: 500_000,
			Events: 904, Channel: "CH-001", Owner: "nova"},
		{Unit: "IMVU-004", Name: "新星工作室", Kind: "imvu", Rule: "55/45", Currency: "JPY", Gross: 88_001, Events: 311,
			Owner: "hoshi"},
		{Unit: "PLAT-003", Name: "refunds 👩‍👩‍👧‍👦 family", Kind: "platform", Rule: "80/20", Currency: "EUR", Gross: -1_999,
			Events: 2, Owner: "nova"},
	}
	totals := map[[2]string]*wire.TotalRow{}
	var order []*wire.TotalRow
	for i := range rows {
		r := &rows[i]
		percent := int64(55)
		if r.Rule == "80/20" {
			percent = 80
		}
		r.Creator = int64(math.Ceil(float64(r.Gross*percent) / 100))
		r.Platform = r.Gross - r.Creator
		r.Label, r.UnitID, r.PostedTime = r.Unit, unitID(i), at(time.Duration(i+1)*time.Second)
		key := [2]string{r.Rule, r.Currency}
		t := totals[key]
		if t == nil {
			t = &wire.TotalRow{Rule: r.Rule, Currency: r.Currency}
			totals[key], order = t, append(order, t)
		}
		t.Gross, t.Creator, t.Platform, t.Events, t.Units = t.Gross+r.Gross, t.Creator+r.Creator, t.Platform+r.Platform,
			t.Events+r.Events, t.Units+1
	}
	out := make([]wire.TotalRow, len(order))
	for i, t := range order {
		out[i] = *t
	}
	return rows, out
}

func members() []wire.MemberRow {
	return []wire.MemberRow{
		{Name: "edge-1", Node: "91bc07aa", State: "alive", Addr: "127.0.0.1:7946", Role: "voter", Admitted: true,
			RTTMs: ptr(0.2), LastSeen: at(0)},
		{Name: "edge-2", Node: "0d4411e1", State: "alive", Addr: "127.0.0.1:7947", Role: "edge", Admitted: true,
			RTTMs: ptr(1.34), LastSeen: at(0)},
		{Name: "edge-3", Node: "c1f0a277", State: "suspect", Addr: "127.0.0.1:7948", Role: "edge", Admitted: true,
			LastSeen: at(9 * time.Second)},
		{Name: "edge-4", Node: "88aa0303", State: "failed", Addr: "127.0.0.1:7949", Role: "edge", Admitted: false,
			LastSeen: at(80 * time.Second)},
	}
}

// edges are the node's own gateway, an edge of two groups and one that died.
func edges() []wire.EdgeRow {
	return []wire.EdgeRow{
		{Name: "node", Edge: "node", State: wire.EdgeServing, Since: at(time.Minute), Addresses: []string{"ws://*:40112"}, ReportAgeMs: ptr(int64(0)),
			Slices: 7, Hosts: 14, P99Ms: ptr(12.6), RateBps: 190e6, Connections: 51, Streams: 12, InFlight: 9, Requests: 91_022, Refused: 147},
		{Name: "front.2", Edge: "front", Group: "prompt", State: wire.EdgeServing, Since: at(time.Minute), Addresses: []string{"ws://*:40311"},
			ReportAgeMs: ptr(int64(1200)), Slices: 7, Hosts: 14, P99Ms: ptr(2.2), RateBps: 10e6, Connections: 1, Requests: 12, BackendsOut: 1, LinkRTTMs: ptr(0.21)},
		{Name: "front.patient.2", Edge: "front", Group: "patient", State: wire.EdgeClosing, Since: at(time.Minute), Addresses: []string{},
			ReportAgeMs: ptr(int64(1300)), Slices: 7, Hosts: 14, RateBps: 0, LinkRTTMs: ptr(0.3)},
		{Name: "west\x1b[2J", Edge: "west", State: wire.EdgeFailed, Cause: "its process ended without a goodbye", Since: at(9 * time.Second),
			Addresses: []string{"ws://*:40400"}, ReportAgeMs: ptr(int64(9900)), Slices: 7, Hosts: 14, Requests: 4123},
	}
}

func unitID(i int) string { return nexus.DeriveID("tuitest", []byte{byte(i)}).String() }

func units() []wire.UnitRow {
	var out []wire.UnitRow
	for i, name := range []string{"aria", "Nexus Stream", "kilo", "新星工作室", "evil\x1b[2Jname\r\n",
		"a name that goes on and on until nobody can read it"} {
		label, kind, rule := fmt.Sprintf("IMVU-%03d", i+1), "imvu", "55/45"
		if i == 1 {
			label, kind, rule = "PLAT-001", "platform", "80/20"
		}
		out = append(out, wire.UnitRow{ID: unitID(i), Label: label, Name: name, Kind: kind, Rule: rule,
			Owner:     "m0Zz3T0cZ6v3m3uE0C0uXw3b1q2n8r5yT7kq1sV9aXo=",
			OwnerName: "maria", Status: []string{"active", "creating", "suspended"}[i%3], Dormant: i == 5,
			Jurisdiction: "US-CCPA",
			Domain:       fmt.Sprintf("u%d.%s.nexus.localhost", i, label), StageDomain: "stage.x", Slice: fmt.Sprintf("slice-%d", i+1),
			Envelope: wire.Envelope{CPUCores: 2, MemoryBytes: 4 << 30, StorageBytes: 50 << 30, Processes: 512}})
	}
	return out
}
