package metrics

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// counted is what a bus counted.
func counted() Bus {
	return Bus{Published: 9, Delivered: 7, Dropped: 2, Coalesced: 1, CutOff: 3, Subscribers: 4,
		Took: []Took{{Class: "lossy", Count: 9, Sum: 0.5, Buckets: map[float64]uint64{0.000002: 8, 0.00005: 9}}}}
}

func scrape(t *testing.T, o *wire.Overview) (int, string) {
	t.Helper()
	srv := httptest.NewServer(Handler(func() *wire.Overview { return o }, counted))
	defer srv.Close()
	resp, err := http.Get(srv.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// picture has a value for every figure.
func picture() *wire.Overview {
	p50, p99, percent, until := 0.5, 2.25, 97.5, time.Unix(2000, 0)
	return &wire.Overview{
		Node:  wire.NodeInfo{Name: "n1", Cluster: "c1", Profile: "dev", Version: "v1", State: wire.NodeServing, Started: time.UnixMilli(1500)},
		Edges: []wire.EdgeRow{{Name: "node"}, {Name: "e2", Table: wire.EdgeTable{Index: 42, Number: 2, Refused: map[string]uint64{"old": 3}, Standing: true}}},
		Ledger: wire.LedgerInfo{Size: 42, CheckpointAgeMs: 250, Cosigners: 2, Witnesses: []wire.WitnessRow{
			{Name: "w.example", Key: "w.example+00000001+BA", Status: wire.WitnessCosigning},
			{Name: "w.example", Key: "w.example+00000002+BB", Status: wire.WitnessFailing, Lag: 9}}},
		DecisionsAllowed: 7, DecisionsDenied: 3,
		Gates:   []wire.GateRow{{Gate: 11, Name: "revenue-metering", Allowed: 5, Denied: 1}},
		Cluster: []wire.MemberRow{{State: "alive"}, {State: "alive"}, {State: "failed"}},
		Slices: []wire.SliceRow{{Slice: "s1", Label: "IMVU-001", Class: `a"b\`, P50Ms: &p50, P99Ms: &p99, Samples: 40, BudgetMs: 10, RateBps: 8e6,
			GuaranteedBps: 1000, GuaranteeWindows: 20, GuaranteeKept: 19, GuaranteePercent: &percent, ShortSince: &until,
			CeilingBps: 2000, InFlight: 1, Queue: 2, Refused: 3, Dropped: 4, Sessions: 5, Planned: 6, Recovered: 7,
			OwnP99Ms: 0.5, Minutes: wire.MinuteCounts{Kept: 30, Broken: 1, Void: 2},
			TripP50Ms: &p50, TripP99Ms: &p99, Requests: 8, BytesIn: 9, BytesOut: 10,
			Edges: []wire.SliceEdge{{Edge: "node", RetriesLeft: 10}, {Edge: "e2", P99Ms: &p99, LinkRTTMs: &p50, BackendsOut: 1, Ejections: 2, Retries: 11}},
			Routes: []wire.SliceRoute{{Edge: "node", Host: "a.test", State: "answers", Certificate: &wire.Certificate{NotAfter: &until}},
				{Edge: "e2", Host: "a.test", State: "out", Certificate: &wire.Certificate{Error: "no"}}, {Edge: "node", Host: "b.test", State: "not measured"}}}},
	}
}

func TestEveryFigureOfThePicture(t *testing.T) {
	t.Parallel()
	code, body := scrape(t, picture())
	if code != http.StatusOK {
		t.Fatalf("%d: %s", code, body)
	}
	slice := `{class="a\"b\\",slice="s1",unit="IMVU-001"`
	for _, want := range []string{
		`nexus_node_info{cluster="c1",node="n1",profile="dev",state="serving",version="v1"} 1`,
		`nexus_node_start_time_seconds 1.5`, `nexus_ledger_entries 42`, `nexus_ledger_checkpoint_age_seconds 0.25`, `nexus_ledger_cosigners 2`,
		`nexus_witness_cosigning{key="00000001",witness="w.example"} 1`, `nexus_witness_cosigning{key="00000002",witness="w.example"} 0`,
		`nexus_witness_lag_entries{key="00000002",witness="w.example"} 9`,
		`nexus_decisions_total{verdict="allow"} 7`, `nexus_decisions_total{verdict="deny"} 3`,
		`nexus_gate_verdicts_total{gate="11",name="revenue-metering",verdict="deny"} 1`,
		`nexus_cluster_members{state="alive"} 2`, `nexus_cluster_members{state="failed"} 1`, `nexus_cluster_members{state="left"} 0`,
		`nexus_slice_added_latency_seconds{class="a\"b\\",quantile="0.5",slice="s1",unit="IMVU-001"} 0.0005`,
		`nexus_slice_added_latency_seconds{class="a\"b\\",quantile="0.99",slice="s1",unit="IMVU-001"} 0.00225`,
		`nexus_slice_latency_budget_seconds` + slice + `} 0.01`, `nexus_slice_samples` + slice + `} 40`,
		`nexus_slice_rate_bits_per_second` + slice + `} 8e+06`, `nexus_slice_guaranteed_bits_per_second` + slice + `} 1000`,
		`nexus_slice_guarantee_windows_total` + slice + `} 20`, `nexus_slice_guarantee_windows_kept_total` + slice + `} 19`,
		`nexus_slice_guarantee_kept_ratio` + slice + `} 0.975`, `nexus_slice_breach_open{class="a\"b\\",promise="guarantee",slice="s1",unit="IMVU-001"} 1`,
		`nexus_slice_breach_open{class="a\"b\\",promise="latency",slice="s1",unit="IMVU-001"} 0`,
		`nexus_slice_ceiling_bits_per_second` + slice + `} 2000`, `nexus_slice_in_flight` + slice + `} 1`, `nexus_slice_queue` + slice + `} 2`,
		`nexus_slice_refused_total` + slice + `} 3`, `nexus_slice_dropped_total` + slice + `} 4`, `nexus_slice_sessions` + slice + `} 5`,
		`nexus_slice_requests_total` + slice + `} 8`, `nexus_slice_bytes_total{class="a\"b\\",direction="out",slice="s1",unit="IMVU-001"} 10`,
		`nexus_slice_retries_left{class="a\"b\\",edge="node",slice="s1",unit="IMVU-001"} 10`,
		`nexus_slice_retries_total{class="a\"b\\",edge="e2",slice="s1",unit="IMVU-001"} 11`, `nexus_slice_own_limits_p99_seconds` + slice + `} 0.0005`,
		`nexus_slice_minutes_total{class="a\"b\\",slice="s1",unit="IMVU-001",verdict="kept"} 30`,
		`nexus_slice_minutes_total{class="a\"b\\",slice="s1",unit="IMVU-001",verdict="broken"} 1`,
		`nexus_slice_minutes_total{class="a\"b\\",slice="s1",unit="IMVU-001",verdict="void"} 2`,
		`nexus_slice_backends_out{class="a\"b\\",edge="e2",slice="s1",unit="IMVU-001"} 1`,
		`nexus_slice_backend_ejections_total{class="a\"b\\",edge="e2",slice="s1",unit="IMVU-001"} 2`,
		`nexus_slice_edge_added_p99_seconds{class="a\"b\\",edge="e2",slice="s1",unit="IMVU-001"} 0.00225`,
		`nexus_edge_tables_refused_total{edge="e2",kind="old"} 3`, `nexus_edge_tables_refused_total{edge="e2",kind="stranger"} 0`,
		`nexus_edge_table_refused{edge="e2"} 1`, `nexus_edge_table_index{edge="e2"} 42`,
		`nexus_slice_edge_link_rtt_seconds{class="a\"b\\",edge="e2",slice="s1",unit="IMVU-001"} 0.0005`,
		`nexus_slice_backend_up{class="a\"b\\",edge="node",host="a.test",slice="s1",unit="IMVU-001"} 1`,
		`nexus_slice_backend_up{class="a\"b\\",edge="e2",host="a.test",slice="s1",unit="IMVU-001"} 0`,
		`nexus_slice_certificate_expiry_seconds{class="a\"b\\",edge="node",host="a.test",slice="s1",unit="IMVU-001"} 2000`,
		`nexus_slice_certificate_failing{class="a\"b\\",edge="e2",host="a.test",slice="s1",unit="IMVU-001"} 1`,
		`nexus_slice_session_rtt_seconds{class="a\"b\\",quantile="0.99",slice="s1",unit="IMVU-001"} 0.00225`,
		`nexus_slice_handoffs_total{class="a\"b\\",kind="planned",slice="s1",unit="IMVU-001"} 6`,
		`nexus_slice_handoffs_total{class="a\"b\\",kind="recovered",slice="s1",unit="IMVU-001"} 7`,
		`nexus_bus_events_total{fate="published"} 9`, `nexus_bus_events_total{fate="delivered"} 7`, `nexus_bus_events_total{fate="dropped"} 2`,
		`nexus_bus_events_total{fate="coalesced"} 1`, `nexus_bus_cut_off_total 3`, `nexus_bus_subscribers 4`,
		`nexus_bus_publish_seconds_bucket{class="lossy",le="2e-06"} 8`, `nexus_bus_publish_seconds_bucket{class="lossy",le="5e-05"} 9`,
		`nexus_bus_publish_seconds_bucket{class="lossy",le="+Inf"} 9`, `nexus_bus_publish_seconds_sum{class="lossy"} 0.5`,
		"go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(body, want+"\n") && !(strings.HasSuffix(want, " ") && strings.Contains(body, "\n"+want)) {
			t.Errorf("no line %s", want)
		}
	}
	if strings.Contains(body, `nexus_edge_table_index{edge="node"}`) {
		t.Error("the node's own gateway has a table of its own")
	}
	// What was not measured is not shown: no zero stands for an unknown.
	if strings.Contains(body, `quantile="0.999"`) {
		t.Error("a quantile that nobody measured is shown")
	}
}

func TestBeforeTheLedgerOpens(t *testing.T) {
	t.Parallel()
	code, body := scrape(t, &wire.Overview{Ledger: wire.LedgerInfo{CheckpointAgeMs: -1}})
	if code != http.StatusOK || strings.Contains(body, "checkpoint_age") || strings.Contains(body, "start_time_seconds -") {
		t.Errorf("%d: %s", code, body)
	}
	if !strings.Contains(body, "nexus_ledger_entries 0\n") {
		t.Error("the empty ledger is not shown")
	}
}

// Two rows with the same labels are a fault of the picture: the scrape fails as a whole and says so.
func TestAPictureThatContradictsItself(t *testing.T) {
	t.Parallel()
	row := wire.SliceRow{Slice: "s1", Label: "IMVU-001", Class: "interactive"}
	if code, body := scrape(t, &wire.Overview{Slices: []wire.SliceRow{row, row}}); code != http.StatusInternalServerError {
		t.Errorf("%d: %s", code, body)
	}
}

func TestOnlyReads(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(Handler(func() *wire.Overview { return &wire.Overview{} }, counted))
	defer srv.Close()
	for path, want := range map[string]int{"/": http.StatusNotFound, "/metrics/x": http.StatusNotFound} {
		resp, err := http.Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("GET %s: %d", path, resp.StatusCode)
		}
	}
	resp, err := http.Post(srv.URL+"/metrics", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", resp.StatusCode)
	}
}
