// Package metrics shows a node to Prometheus: the same picture that the console draws (engine/control/wire.Overview), in the
// exposition formats that client_golang speaks, with the Go runtime's and the process's own metrics. It reads and never acts.
// SPEC section 4 asks for slices' figures here.
package metrics

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// family is one metric: its description and how it is read off a picture. Durations are in seconds and rates in bits per
// second, as the names say.
type family struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string
	read       func(o *wire.Overview, emit func(value float64, labels ...string))
}

// families lists every metric once.
var families = []family{
	{"nexus_node_info", "The node, always 1.", prometheus.GaugeValue, []string{"node", "cluster", "profile", "version", "state"},
		func(o *wire.Overview, emit func(float64, ...string)) {
			emit(1, o.Node.Name, o.Node.Cluster, o.Node.Profile, o.Node.Version, o.Node.State)
		}},
	{"nexus_node_start_time_seconds", "When the node started, in seconds since 1970.", prometheus.GaugeValue, nil,
		func(o *wire.Overview, emit func(float64, ...string)) {
			if !o.Node.Started.IsZero() {
				emit(float64(o.Node.Started.UnixMilli()) / 1000)
			}
		}},
	{"nexus_ledger_entries", "Entries in the ledger's tree.", prometheus.GaugeValue, nil,
		func(o *wire.Overview, emit func(float64, ...string)) { emit(float64(o.Ledger.Size)) }},
	{"nexus_ledger_checkpoint_age_seconds", "Age of the newest signed checkpoint; absent before the first.", prometheus.GaugeValue, nil,
		func(o *wire.Overview, emit func(float64, ...string)) {
			if o.Ledger.CheckpointAgeMs >= 0 {
				emit(float64(o.Ledger.CheckpointAgeMs) / 1000)
			}
		}},
	{"nexus_ledger_cosigners", "Other parties that signed the published checkpoint.", prometheus.GaugeValue, nil,
		func(o *wire.Overview, emit func(float64, ...string)) { emit(float64(o.Ledger.Cosigners)) }},
	{"nexus_witness_lag_entries", "Entries of the log that a witness has not cosigned yet.", prometheus.GaugeValue, []string{"witness", "key"},
		perWitness(func(w *wire.WitnessRow) float64 { return float64(w.Lag) })},
	{"nexus_witness_cosigning", "1 while a witness cosigns what it is shown, 0 before, when it fails, and when it holds another history.",
		prometheus.GaugeValue, []string{"witness", "key"}, perWitness(func(w *wire.WitnessRow) float64 {
			if w.Status == wire.WitnessCosigning {
				return 1
			}
			return 0
		})},
	{"nexus_decisions_total", "Whole decisions of the 17 gates since genesis.", prometheus.CounterValue, []string{"verdict"},
		func(o *wire.Overview, emit func(float64, ...string)) {
			emit(float64(o.DecisionsAllowed), "allow")
			emit(float64(o.DecisionsDenied), "deny")
		}},
	{"nexus_gate_verdicts_total", "Verdicts of each gate since genesis, those of rolled-up floods included.", prometheus.CounterValue,
		[]string{"gate", "name", "verdict"},
		func(o *wire.Overview, emit func(float64, ...string)) {
			for _, g := range o.Gates {
				emit(float64(g.Allowed), strconv.Itoa(g.Gate), g.Name, "allow")
				emit(float64(g.Denied), strconv.Itoa(g.Gate), g.Name, "deny")
			}
		}},
	{"nexus_cluster_members", "Members of the cluster as this node sees them.", prometheus.GaugeValue, []string{"state"},
		func(o *wire.Overview, emit func(float64, ...string)) {
			count := map[string]int{"alive": 0, "suspect": 0, "failed": 0, "left": 0}
			for _, m := range o.Cluster {
				count[m.State]++
			}
			for state, n := range count {
				emit(float64(n), state)
			}
		}},
	{"nexus_slice_added_latency_seconds", "Latency that the gateway adds, seen by a client through the real listener less the direct baseline, of the " +
		"last window; absent where nothing was measured.", prometheus.GaugeValue, []string{"slice", "unit", "class", "quantile"},
		perSlice(func(s *wire.SliceRow, emit func(float64, ...string)) {
			for _, q := range []struct {
				ms   *float64
				name string
			}{{s.P50Ms, "0.5"}, {s.P99Ms, "0.99"}, {s.P999Ms, "0.999"}} {
				if q.ms != nil {
					emit(*q.ms/1000, q.name)
				}
			}
		})},
	sliceFamily("nexus_slice_latency_budget_seconds", "Added latency that the slice promises.", prometheus.GaugeValue,
		func(s *wire.SliceRow) float64 { return s.BudgetMs / 1000 }),
	sliceFamily("nexus_slice_own_limits_p99_seconds", "Of the added p99, what limits of the slice itself made its probes wait: its ceiling, its places. "+
		"The service-level record is judged by the rest.", prometheus.GaugeValue, func(s *wire.SliceRow) float64 { return s.OwnP99Ms / 1000 }),
	{"nexus_slice_minutes_total", "Minutes judged by the latency budget since the node started; void: the machine's own baseline was over it.",
		prometheus.CounterValue, []string{"slice", "unit", "class", "verdict"},
		perSlice(func(s *wire.SliceRow, emit func(float64, ...string)) {
			emit(float64(s.Minutes.Kept), "kept")
			emit(float64(s.Minutes.Broken), "broken")
			emit(float64(s.Minutes.Void), "void")
		})},
	sliceFamily("nexus_slice_samples", "Probes behind the added latency of the last window.", prometheus.GaugeValue,
		func(s *wire.SliceRow) float64 { return float64(s.Samples) }),
	sliceFamily("nexus_slice_rate_bits_per_second", "Throughput of the last second.", prometheus.GaugeValue,
		func(s *wire.SliceRow) float64 { return s.RateBps }),
	sliceFamily("nexus_slice_guaranteed_bits_per_second", "Guaranteed rate; 0 is a fair share.", prometheus.GaugeValue,
		func(s *wire.SliceRow) float64 { return float64(s.GuaranteedBps) }),
	sliceFamily("nexus_slice_guarantee_windows_total", "Windows of 2 s in which a slice with a guaranteed rate moved or waited for bytes, at all edges since the "+
		"node started.", prometheus.CounterValue, func(s *wire.SliceRow) float64 { return float64(s.GuaranteeWindows) }),
	sliceFamily("nexus_slice_guarantee_windows_kept_total", "Of these windows, those in which at least 98 % of what was owed went.", prometheus.CounterValue,
		func(s *wire.SliceRow) float64 { return float64(s.GuaranteeKept) }),
	{"nexus_slice_guarantee_kept_ratio", "Of what was owed, the least that went in a window of the last minute; absent where none was judged.",
		prometheus.GaugeValue, []string{"slice", "unit", "class"},
		perSlice(func(s *wire.SliceRow, emit func(float64, ...string)) {
			if s.GuaranteePercent != nil {
				emit(*s.GuaranteePercent / 100)
			}
		})},
	{"nexus_slice_breach_open", "1 while a breach of the service-level record is open, of the latency budget or the guaranteed rate.", prometheus.GaugeValue,
		[]string{"slice", "unit", "class", "promise"},
		perSlice(func(s *wire.SliceRow, emit func(float64, ...string)) {
			open := func(since *time.Time) float64 {
				if since == nil {
					return 0
				}
				return 1
			}
			emit(open(s.OverSince), "latency")
			emit(open(s.ShortSince), "guarantee")
		})},
	sliceFamily("nexus_slice_ceiling_bits_per_second", "Ceiling rate; 0 is the gateway's capacity.", prometheus.GaugeValue,
		func(s *wire.SliceRow) float64 { return float64(s.CeilingBps) }),
	sliceFamily("nexus_slice_in_flight", "Requests in flight.", prometheus.GaugeValue,
		func(s *wire.SliceRow) float64 { return float64(s.InFlight) }),
	sliceFamily("nexus_slice_queue", "Requests and connections that wait for a place, and what waits for bandwidth.", prometheus.GaugeValue,
		func(s *wire.SliceRow) float64 { return float64(s.Queue) }),
	sliceFamily("nexus_slice_refused_total", "Requests refused since the gateway started.", prometheus.CounterValue,
		func(s *wire.SliceRow) float64 { return float64(s.Refused) }),
	sliceFamily("nexus_slice_dropped_total", "Requests dropped in the queue since the gateway started.", prometheus.CounterValue,
		func(s *wire.SliceRow) float64 { return float64(s.Dropped) }),
	sliceFamily("nexus_slice_sessions", "Sessions that move between edges, held now.", prometheus.GaugeValue,
		func(s *wire.SliceRow) float64 { return float64(s.Sessions) }),
	{"nexus_slice_session_rtt_seconds", "Round trip client, edge, home and back in the last minute, as clients of sessions told it; absent where none did.",
		prometheus.GaugeValue, []string{"slice", "unit", "class", "quantile"},
		perSlice(func(s *wire.SliceRow, emit func(float64, ...string)) {
			if s.TripP50Ms != nil && s.TripP99Ms != nil {
				emit(*s.TripP50Ms/1000, "0.5")
				emit(*s.TripP99Ms/1000, "0.99")
			}
		})},
	sliceFamily("nexus_slice_requests_total", "Requests answered by all edges since the node started.", prometheus.CounterValue,
		func(s *wire.SliceRow) float64 { return float64(s.Requests) }),
	{"nexus_slice_bytes_total", "Bytes that crossed clients' connections at all edges since the node started.", prometheus.CounterValue,
		[]string{"slice", "unit", "class", "direction"},
		perSlice(func(s *wire.SliceRow, emit func(float64, ...string)) {
			emit(float64(s.BytesIn), "in")
			emit(float64(s.BytesOut), "out")
		})},
	edgeFamily("nexus_slice_edge_strays_total", "Connections that another process of the edge should have served, since this one started.",
		prometheus.CounterValue, func(e *wire.SliceEdge) *float64 { return value(e.Strays) }),
	edgeFamily("nexus_slice_backends_out", "Backends that get no requests now, because they gave no answer.", prometheus.GaugeValue,
		func(e *wire.SliceEdge) *float64 { return value(e.BackendsOut) }),
	edgeFamily("nexus_slice_backend_ejections_total", "Times that a backend was taken out, since the edge started.", prometheus.CounterValue,
		func(e *wire.SliceEdge) *float64 { return value(e.Ejections) }),
	edgeFamily("nexus_slice_retries_total", "Requests sent a second time, since the edge started.", prometheus.CounterValue,
		func(e *wire.SliceEdge) *float64 { return value(e.Retries) }),
	edgeFamily("nexus_slice_retries_left", "Requests that may be sent a second time now.", prometheus.GaugeValue,
		func(e *wire.SliceEdge) *float64 { return value(e.RetriesLeft) }),
	edgeFamily("nexus_slice_edge_added_p99_seconds", "Added latency at this edge by its own probes; absent where nothing was measured.", prometheus.GaugeValue,
		func(e *wire.SliceEdge) *float64 { return seconds(e.P99Ms) }),
	edgeFamily("nexus_slice_edge_link_rtt_seconds", "Round trip from an edge process to the node and back; absent where it was not measured.",
		prometheus.GaugeValue, func(e *wire.SliceEdge) *float64 { return seconds(e.LinkRTTMs) }),
	edgeFamily("nexus_slice_edge_session_rtt_p50_seconds", "Round trip client, this edge, home and back in the last minute, as clients of sessions told it; "+
		"absent where none did.", prometheus.GaugeValue, func(e *wire.SliceEdge) *float64 { return seconds(e.TripP50Ms) }),
	routeFamily("nexus_slice_backend_up", "1: the backend's last word was an answer; 0: it was none, or the backend is out; absent: not measured.",
		func(r *wire.SliceRoute) *float64 {
			switch r.State {
			case "answers":
				return value(1)
			case "failing", "out":
				return value(0)
			}
			return nil
		}),
	routeFamily("nexus_slice_certificate_expiry_seconds", "When the certificate of a host ends, in seconds since 1970; absent: there is none.",
		func(r *wire.SliceRoute) *float64 {
			if r.Certificate == nil || r.Certificate.NotAfter == nil {
				return nil
			}
			return value(r.Certificate.NotAfter.Unix())
		}),
	routeFamily("nexus_slice_certificate_failing", "1: the last attempt to obtain the certificate of a host failed.",
		func(r *wire.SliceRoute) *float64 {
			switch c := r.Certificate; {
			case c == nil:
				return nil
			case c.Error != "":
				return value(1)
			}
			return value(0)
		}),
	{"nexus_edge_tables_refused_total", "What came to an edge process as a table of hosts and was refused, since its start.", prometheus.CounterValue,
		[]string{"edge", "kind"}, func(o *wire.Overview, emit func(float64, ...string)) {
			perEdgeProcess(o, func(e *wire.EdgeRow) {
				for _, kind := range wire.TableRefusals() {
					emit(float64(e.Table.Refused[kind]), e.Name, kind)
				}
			})
		}},
	{"nexus_edge_table_refused", "1 while the newest of an edge process's tables is one that it refused: it serves the one before.", prometheus.GaugeValue,
		[]string{"edge"}, func(o *wire.Overview, emit func(float64, ...string)) {
			perEdgeProcess(o, func(e *wire.EdgeRow) {
				standing := 0.0
				if e.Table.Standing {
					standing = 1
				}
				emit(standing, e.Name)
			})
		}},
	{"nexus_edge_table_index", "The ledger's index that the table of an edge process was made at.", prometheus.GaugeValue, []string{"edge"},
		func(o *wire.Overview, emit func(float64, ...string)) {
			perEdgeProcess(o, func(e *wire.EdgeRow) { emit(float64(e.Table.Index), e.Name) })
		}},
	{"nexus_slice_handoffs_total", "Sessions handed from edge to edge since the start.", prometheus.CounterValue,
		[]string{"slice", "unit", "class", "kind"},
		perSlice(func(s *wire.SliceRow, emit func(float64, ...string)) {
			emit(float64(s.Planned), "planned")
			emit(float64(s.Recovered), "recovered")
		})},
}

// perWitness emits a figure of each witness, named with the id of its key: two may have one name.
func perWitness(figure func(*wire.WitnessRow) float64) func(*wire.Overview, func(float64, ...string)) {
	return func(o *wire.Overview, emit func(float64, ...string)) {
		for i := range o.Ledger.Witnesses {
			w := &o.Ledger.Witnesses[i]
			_, rest, _ := strings.Cut(w.Key, "+")
			id, _, _ := strings.Cut(rest, "+")
			emit(figure(w), w.Name, id)
		}
	}
}

// perEdgeProcess reads the edges that have told of a table: all but the node's own gateway.
func perEdgeProcess(o *wire.Overview, read func(*wire.EdgeRow)) {
	for i := range o.Edges {
		if e := &o.Edges[i]; e.Table.Number > 0 || len(e.Table.Refused) > 0 {
			read(e)
		}
	}
}

// perSlice reads every slice of a picture, its three labels first.
func perSlice(read func(s *wire.SliceRow, emit func(float64, ...string))) func(*wire.Overview, func(float64, ...string)) {
	return func(o *wire.Overview, emit func(float64, ...string)) {
		for i := range o.Slices {
			s := &o.Slices[i]
			read(s, func(v float64, more ...string) { emit(v, append([]string{s.Slice, s.Label, s.Class}, more...)...) })
		}
	}
}

func sliceFamily(name, help string, kind prometheus.ValueType, value func(*wire.SliceRow) float64) family {
	return family{name, help, kind, []string{"slice", "unit", "class"},
		perSlice(func(s *wire.SliceRow, emit func(float64, ...string)) { emit(value(s)) })}
}

// edgeFamily is a figure of each slice at each edge; nil is absent.
func edgeFamily(name, help string, kind prometheus.ValueType, read func(*wire.SliceEdge) *float64) family {
	return family{name, help, kind, []string{"slice", "unit", "class", "edge"}, perSlice(func(s *wire.SliceRow, emit func(float64, ...string)) {
		for i := range s.Edges {
			if v := read(&s.Edges[i]); v != nil {
				emit(*v, s.Edges[i].Edge)
			}
		}
	})}
}

// routeFamily is a figure of each host at each edge, of the hosts that the picture has (wire.SliceRoutesMax); nil is absent.
func routeFamily(name, help string, read func(*wire.SliceRoute) *float64) family {
	return family{name, help, prometheus.GaugeValue, []string{"slice", "unit", "class", "edge", "host"},
		perSlice(func(s *wire.SliceRow, emit func(float64, ...string)) {
			for i := range s.Routes {
				if v := read(&s.Routes[i]); v != nil {
					emit(*v, s.Routes[i].Edge, s.Routes[i].Host)
				}
			}
		})}
}

func value[N int | int64 | uint64](n N) *float64 { v := float64(n); return &v }

func seconds(ms *float64) *float64 {
	if ms == nil {
		return nil
	}
	v := *ms / 1000
	return &v
}

// Bus is what the node's event bus counted since the node started. Took lists, for each class of event, how many publications took at
// most so many seconds, all together and in all.
type Bus struct {
	Published, Delivered, Dropped, Coalesced, CutOff uint64
	Subscribers                                      int
	Took                                             []Took
}

// Took is how long publications of one class took.
type Took struct {
	Class   string             // lossy or must-deliver
	Count   uint64             // of publications
	Sum     float64            // seconds
	Buckets map[float64]uint64 // at most so many seconds: publications
}

// The bus's metrics, beside the picture's families.
var (
	busEvents = prometheus.NewDesc("nexus_bus_events_total", "Events on the bus since the node started: published, and for all subscribers together "+
		"delivered, dropped from a full queue, and coalesced into a newer one.", []string{"fate"}, nil)
	busCutOff      = prometheus.NewDesc("nexus_bus_cut_off_total", "Subscribers ended because too many must-deliver events waited for them.", nil, nil)
	busSubscribers = prometheus.NewDesc("nexus_bus_subscribers", "Subscribers now.", nil, nil)
	busTook        = prometheus.NewDesc("nexus_bus_publish_seconds", "Time of handing one event to all subscribers.", []string{"class"}, nil)
)

// collect emits the bus's metrics.
func (b Bus) collect(out chan<- prometheus.Metric) {
	for _, e := range []struct {
		fate string
		n    uint64
	}{{"published", b.Published}, {"delivered", b.Delivered}, {"dropped", b.Dropped}, {"coalesced", b.Coalesced}} {
		out <- prometheus.MustNewConstMetric(busEvents, prometheus.CounterValue, float64(e.n), e.fate)
	}
	out <- prometheus.MustNewConstMetric(busCutOff, prometheus.CounterValue, float64(b.CutOff))
	out <- prometheus.MustNewConstMetric(busSubscribers, prometheus.GaugeValue, float64(b.Subscribers))
	for _, t := range b.Took {
		out <- prometheus.MustNewConstHistogram(busTook, t.Count, t.Sum, t.Buckets, t.Class)
	}
}

// collector turns the newest picture, and what the bus counted, into metrics, at each scrape.
type collector struct {
	read  func() *wire.Overview
	bus   func() Bus
	descs []*prometheus.Desc // of families, in order
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range append([]*prometheus.Desc{busEvents, busCutOff, busSubscribers, busTook}, c.descs...) {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	c.bus().collect(out)
	o := c.read()
	for i, f := range families {
		f.read(o, func(v float64, labels ...string) {
			m, err := prometheus.NewConstMetric(c.descs[i], f.kind, v, labels...)
			if err != nil {
				m = prometheus.NewInvalidMetric(c.descs[i], err)
			}
			out <- m
		})
	}
}

// Handler answers GET and HEAD of /metrics with the picture that read gives at that moment. read returns an immutable picture and
// is called by many goroutines at once, as bus is. A family that cannot be shown fails the whole scrape with 500: half a picture would be
// taken for a whole one.
func Handler(read func() *wire.Overview, bus func() Bus) http.Handler {
	c := &collector{read: read, bus: bus}
	for _, f := range families {
		c.descs = append(c.descs, prometheus.NewDesc(f.name, f.help, f.labels, nil))
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(c, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	show := promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: 4})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", show)
	return mux
}
