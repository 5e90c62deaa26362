package node

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// press is an engine in November 2026 whose ledger began in September, with a price list, and its page for the public.
type press struct {
	t    *testing.T
	eng  *engine.Engine
	keys identity.Keys
	web  *httptest.Server
	open atomic.Pointer[engine.Engine]
}

func newPress(t *testing.T) *press {
	t.Helper()
	dir := t.TempDir()
	gen, err := identity.NewGenesis(dir, identity.GenesisOptions{Profile: identity.ProfileDev, NodeName: "test", OperatorName: "operator"})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := identity.LoadKeys(dir, gen)
	if err != nil {
		t.Fatal(err)
	}
	act, err := engine.Found(gen, keys.Platform)
	if err != nil {
		t.Fatal(err)
	}
	var nowMs atomic.Int64
	nowMs.Store(time.Date(2026, 9, 7, 12, 0, 0, 0, time.UTC).UnixMilli())
	clock := func() time.Time { return time.UnixMilli(nowMs.Load()) }
	p := &press{t: t, keys: keys}
	p.eng, err = engine.Open(engine.Config{DataDir: dir, NodeName: "test", Cluster: gen.Cluster, Node: keys.Node, Genesis: act, Bus: bus.New(bus.Limits{}),
		Logger: slog.New(slog.DiscardHandler), Capacity: engine.Capacity{CPUMilli: 2000, MemoryBytes: 8 << 30, NetworkBps: 1e9}, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.eng.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := p.eng.Sweep(t.Context()); err != nil { // the rules of this version
		t.Fatal(err)
	}
	p.do(keys.Operator, state.KindPricesPublish, state.PricesPublish{FromMonth: 202609, Currency: "USD",
		Lines: []ledger.PriceLine{{Meter: state.MeterBytesOut, Per: 1_000_000_000, Minor: 5}}}, clock())
	nowMs.Store(time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC).UnixMilli())
	if err := p.eng.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.open.Store(p.eng)
	other := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "the log: "+r.URL.Path) })
	p.web = httptest.NewServer(newPublications(p.open.Load, slog.New(slog.DiscardHandler)).beside(other))
	t.Cleanup(p.web.Close)
	return p
}

func (p *press) do(s nexus.Signer, kind string, body any, at time.Time) {
	p.t.Helper()
	a, err := engine.NewActionOf(s, p.eng.Cluster(), kind, nexus.ID{}, nexus.Encode(body), at)
	if err == nil {
		_, err = p.eng.Do(context.Background(), a)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *press) get(path string) (*http.Response, []byte) {
	p.t.Helper()
	resp, err := p.web.Client().Get(p.web.URL + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp, b
}

// Anybody reads what is published, and the files prove themselves with the key of the log alone.
func TestPublicationsArePublic(t *testing.T) {
	t.Parallel()
	p := newPress(t)
	resp, raw := p.get("/publications")
	var list wire.Published
	if err := json.Unmarshal(raw, &list); err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" ||
		resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Cache-Control") != "no-cache" {
		t.Fatalf("%s %v: %s, %v", resp.Status, resp.Header, raw, err)
	}
	if list.First != "2026-09" || len(list.Exits) != 2 || list.Exits[1].Month != "2026-10" || len(list.Missing) != 0 || len(list.Prices) != 1 ||
		!list.Prices[0].Holds {
		t.Errorf("listed %+v", list)
	}
	o := verify.Options{Cluster: p.eng.Cluster(), Key: p.eng.NodeKey()}
	for path, month := range map[string]string{"/publications/exits/2026-09.json": "2026-09", "/publications/exits/2026-10.json": "2026-10"} {
		_, file := p.get(path)
		if rep, err := verify.CheckPublication(file, o); err != nil || rep.Exits == nil || rep.Exits.Month != month {
			t.Errorf("%s: %v in %s", path, err, file)
		}
	}
	_, file := p.get("/publications/prices/1.json")
	rep, err := verify.CheckPublication(file, o)
	if err != nil || rep.Prices == nil || rep.Prices.Number != 1 || rep.Prices.Digest.String() != list.Prices[0].Digest {
		t.Fatalf("%v in %s", err, file)
	}
	p.eng.View(func(s *state.State) {
		if s.Chain.Size() == 0 || bytes.Contains(file, []byte("operator")) {
			t.Error("the file names somebody")
		}
	})
	var wait sync.WaitGroup
	for range 20 { // a file that was made is served as it was made, to as many as ask
		wait.Go(func() {
			if _, again := p.get("/publications/prices/1.json"); !bytes.Equal(again, file) {
				t.Error("asked again it is another file")
			}
		})
	}
	wait.Wait()
}

// What is not published is not found, whatever it is called; nothing is changed by asking; and the log's own paths stay the log's.
func TestWhatIsNotPublishedIsNotFound(t *testing.T) {
	t.Parallel()
	p := newPress(t)
	size := p.eng.Store().Size()
	for _, path := range []string{"/publications/exits/2026-11.json", "/publications/exits/2026-08.json", "/publications/exits/2026-13.json",
		"/publications/exits/x.json", "/publications/exits/..%2f..%2fgenesis.json", "/publications/exits/.json",
		"/publications/prices/0.json", "/publications/prices/2.json", "/publications/prices/01.json",
		"/publications/prices/-1.json", "/publications/prices/4294967297.json", "/publications/prices/one.json"} {
		if resp, body := p.get(path); resp.StatusCode != http.StatusNotFound || !strings.Contains(string(body), "GET /publications") {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
	}
	for _, path := range []string{"/publications", "/publications/prices/1.json"} {
		resp, err := p.web.Client().Post(p.web.URL+path, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(body) != "the log: "+path || p.eng.Store().Size() != size { // the log's handler refuses what is no GET
			t.Errorf("POST %s: %s %s, %v", path, resp.Status, body, err)
		}
	}
	if _, body := p.get("/checkpoint"); string(body) != "the log: /checkpoint" {
		t.Errorf("the log's checkpoint: %s", body)
	}
	p.open.Store(nil)
	for _, path := range []string{"/publications", "/publications/exits/2026-10.json", "/publications/prices/1.json"} {
		if resp, body := p.get(path); resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "no ledger is open") {
			t.Errorf("%s without a ledger: %s %s", path, resp.Status, body)
		}
	}
}
