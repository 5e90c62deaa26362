package control

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// crowd is a served node whose bundles and imports last as long as the test wants.
type crowd struct {
	Node
	t      *testing.T
	server *Server
	eng    *engine.Engine
	keys   identity.Keys
	unit   nexus.ID // eve's
	eve    nexus.KeySigner

	running atomic.Int64
	most    atomic.Int64
	goOn    chan struct{} // closed: works end
	endless bool          // bundles are written for ever
}

func (c *crowd) works(ctx context.Context) error {
	defer c.running.Add(-1)
	for n := c.running.Add(1); ; {
		if most := c.most.Load(); n <= most || c.most.CompareAndSwap(most, n) {
			break
		}
	}
	select {
	case <-c.goOn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *crowd) Bundle(ctx context.Context, _ nexus.ID, w *multipart.Writer, _ func(int, int, string, int)) error {
	if !c.endless {
		return c.works(ctx)
	}
	c.running.Add(1)
	defer c.running.Add(-1)
	p, err := w.CreatePart(textproto.MIMEHeader{})
	for err == nil {
		_, err = p.Write(make([]byte, 64<<10))
	}
	return err
}

func (c *crowd) TakeIn(ctx context.Context, _ string, _, _ nexus.PublicKey) (state.UnitImportSlice, error) {
	return state.UnitImportSlice{}, c.works(ctx)
}

func signer(n byte) nexus.KeySigner {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return nexus.KeySigner(ed25519.NewKeyFromSeed(seed))
}

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	dir, c := t.TempDir(), &crowd{t: t, goOn: make(chan struct{}), eve: signer(1)}
	gen, err := identity.NewGenesis(dir, identity.GenesisOptions{Profile: identity.ProfileDev, NodeName: "test", OperatorName: "operator"})
	if err != nil {
		t.Fatal(err)
	}
	if c.keys, err = identity.LoadKeys(dir, gen); err != nil {
		t.Fatal(err)
	}
	act, err := engine.Found(gen, c.keys.Platform)
	if err != nil {
		t.Fatal(err)
	}
	b, log := bus.New(bus.Limits{}), slog.New(slog.DiscardHandler)
	c.eng, err = engine.Open(engine.Config{DataDir: dir, NodeName: "test", Cluster: gen.Cluster, Node: c.keys.Node, Genesis: act, Bus: b, Logger: log,
		Capacity: engine.Capacity{CPUMilli: 2000, MemoryBytes: 8 << 30, NetworkBps: 1e9}})
	if err != nil {
		t.Fatal(err)
	}
	if c.server, err = NewServer(filepath.Join(dir, "s"), c, b, log); err != nil {
		t.Fatal(err)
	}
	c.server.Attach(c.eng)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := c.eng.Close(); err != nil {
			t.Error(err)
		}
	})
	rec := c.must(c.keys.Operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Shop", OwnerName: "eve", OwnerKey: c.eve.Public()})
	var made state.UnitCreated
	if err := nexus.Decode(rec.Result, &made); err != nil {
		t.Fatal(err)
	}
	c.unit = made.ID
	return c
}

func (c *crowd) must(s nexus.Signer, kind string, unit nexus.ID, body any) nexus.Receipt {
	c.t.Helper()
	a, err := engine.NewActionOf(s, c.eng.Cluster(), kind, unit, nexus.Encode(body), time.Now())
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := c.eng.Do(context.Background(), a)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// operator issues one more, who may read every unit.
func (c *crowd) operator(n byte) nexus.KeySigner {
	k := signer(n)
	c.must(c.keys.Operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "op" + string('a'+rune(n)), Key: k.Public(), Role: 1})
	return k
}

// ask sends a signed request and gives status, body and Retry-After.
func (c *crowd) ask(ctx context.Context, s nexus.Signer, path string, in any) (*http.Response, error) {
	cl := NewClient(c.server.socket.Addr().String(), c.eng.Cluster(), s)
	method, body, raw := http.MethodGet, io.Reader(nil), []byte(nil)
	if in != nil {
		raw, _ = json.Marshal(in)
		method, body = http.MethodPost, strings.NewReader(string(raw))
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://node"+path, body)
	if err != nil {
		return nil, err
	}
	if err := cl.sign(req, signedTarget(path, raw, "")); err != nil {
		return nil, err
	}
	return cl.http.Do(req)
}

// hold keeps one request open until the test ends, and waits until its work runs.
func (c *crowd) hold(s nexus.Signer, path string, in any) (end context.CancelFunc) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	before, done := c.running.Load(), make(chan struct{})
	go func() {
		defer close(done)
		if resp, err := c.ask(ctx, s, path, in); err == nil {
			if !c.endless {
				_, _ = io.Copy(io.Discard, resp.Body)
			}
			if resp.StatusCode >= 400 {
				c.t.Errorf("%s was refused: %s", path, resp.Status)
			}
			<-ctx.Done()
			_ = resp.Body.Close()
		}
	}()
	c.t.Cleanup(func() { cancel(); <-done })
	c.until("the work runs", func() bool { return c.running.Load() > before })
	return cancel
}

func (c *crowd) until(what string, ok func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("waited for: %s", what)
		}
	}
}

// refused asks once more and wants the limit named.
func (c *crowd) refused(s nexus.Signer, path string, in any, want int, words ...string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	resp, err := c.ask(ctx, s, path, in)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var ans struct{ Error *wire.Problem }
	raw, _ := io.ReadAll(resp.Body)
	if err := json.Unmarshal(raw, &ans); err != nil || ans.Error == nil || resp.StatusCode != want || resp.Header.Get("Retry-After") == "" ||
		ans.Error.Code != nexus.CodeUnavailable || ans.Error.Hint == "" {
		c.t.Fatalf("%s: %s, Retry-After %q, %s", path, resp.Status, resp.Header.Get("Retry-After"), raw)
	}
	for _, w := range words {
		if !strings.Contains(ans.Error.Err().Error(), w) {
			c.t.Errorf("%s: %q does not say %q", path, ans.Error.Err(), w)
		}
	}
}

// However many ask, so many bundles are written and taken in at once; who is turned away learns the limit and when to come back, and an owner
// whose unit leaves is not kept waiting by those who only read.
func TestBundlesAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	bundle := "/v1/bundle?unit=" + c.unit.String()
	takeIn := wire.TakeIn{Dir: "/nowhere", Key: c.keys.Node.Public().String()}
	first, second, third := c.keys.Operator, c.operator(11), c.operator(12)
	for path, in := range map[string]any{bundle: nil, "/v1/imports": takeIn} {
		var ends []context.CancelFunc
		for _, s := range []nexus.Signer{first, first} {
			ends = append(ends, c.hold(s, path, in))
		}
		c.refused(first, path, in, http.StatusTooManyRequests, "identity "+first.Public().Short(), "at most 2 of one identity")
		ends = append(ends, c.hold(second, path, in), c.hold(second, path, in))
		for range 20 {
			c.refused(third, path, in, http.StatusServiceUnavailable, "at most 4 at once on this node")
		}
		if path == bundle {
			c.refused(c.eve, path, in, http.StatusServiceUnavailable, "at most 4")
			c.must(c.eve, state.KindExitBegin, c.unit, state.ExitBegin{})
			c.refused(third, path, in, http.StatusServiceUnavailable, "at most 4")
			ends = append(ends, c.hold(c.eve, path, in), c.hold(c.eve, path, in))
			c.refused(c.eve, path, in, http.StatusTooManyRequests, "at most 2 of one identity")
		}
		if got, want := c.most.Load(), int64(len(ends)); got != want {
			t.Errorf("%s: %d ran at once, %d were let in", path, got, want)
		}
		for _, end := range ends { // who goes away gives the place back
			end()
		}
		c.until("all have ended", func() bool { return c.running.Load() == 0 })
		c.hold(third, path, in)()
		c.until("the last has ended", func() bool { return c.running.Load() == 0 })
		c.most.Store(0)
	}
}

// Who takes a place and does not read gives way to others who wait, and is cut off in any case once nothing moves.
func TestAStalledReaderKeepsNoPlace(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(p *places){
		"others wait":   func(p *places) { p.all, p.slow, p.stall = 1, 50*time.Millisecond, time.Hour },
		"nothing moves": func(p *places) { p.all, p.slow, p.stall = 1, time.Hour, 200*time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrowd(t)
			c.endless = true
			change(&c.server.readers)
			bundle := "/v1/bundle?unit=" + c.unit.String()
			c.hold(c.keys.Operator, bundle, nil)
			other := c.operator(11)
			got := 0
			c.until("the place is given up", func() bool {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				resp, err := c.ask(ctx, other, bundle, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				got++
				return resp.StatusCode == http.StatusOK
			})
			if got < 2 {
				t.Error("the first place was no place: nothing was tried")
			}
		})
	}
}

// One who reads on is not cut off because others wait.
func TestAReaderWhoReadsKeepsItsPlace(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	c.endless = true
	c.server.readers.all, c.server.readers.slow = 1, 0
	bundle := "/v1/bundle?unit=" + c.unit.String()
	resp, err := c.ask(context.Background(), c.keys.Operator, bundle, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	other := c.operator(11)
	for range 20 {
		if n, err := io.CopyN(io.Discard, resp.Body, 4<<20); err != nil {
			t.Fatalf("cut off after %d bytes: %v", n, err)
		}
		c.refused(other, bundle, nil, http.StatusServiceUnavailable)
	}
}
