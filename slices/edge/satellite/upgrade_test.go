//go:build linux

package satellite

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/quicshare"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/supervise"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/link"
)

// Variables of a worker process made of the test binary.
const (
	homeVariable   = "NEXUS_TEST_HOME"
	acmeVariable   = "NEXUS_TEST_ACME"   // directory of the authority that certificates come from; its root lies in the home's folder
	brokenVariable = "NEXUS_TEST_BROKEN" // of these groups the worker dies before it serves
)

// Hosts of the rig: of the patient group and of the prompt one.
const (
	testHost   = "up.test"
	promptHost = "now.test"
)

func TestMain(m *testing.M) {
	main := workerMain
	switch {
	case os.Getenv(supervise.Variable) != "":
	case os.Getenv(keeperVariable) != "":
		main = keeperMain
	default:
		os.Exit(m.Run())
	}
	if err := main(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func workerMain() error {
	w, err := supervise.Inherit(os.Getenv)
	if err != nil {
		return err
	}
	if set, ok := os.LookupEnv(brokenVariable); ok && strings.Contains(set, w.Group()) {
		return fmt.Errorf("broken on purpose")
	}
	dir := os.Getenv(homeVariable)
	ca, err := edge.OpenDevCA(dir)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	d, err := w.Datagrams(os.Getenv(supervise.DatagramVariable))
	if err != nil {
		return err
	}
	secret, err := quicshare.ParseSecret(d.Secret)
	if err != nil {
		return err
	}
	var pass func(syscall.RawConn, bool) bool
	if plain, secure := w.Passer("plain", "patient"), w.Passer("tls", "patient"); plain != nil && secure != nil {
		pass = func(socket syscall.RawConn, overTLS bool) bool {
			if overTLS {
				return secure.Pass(socket) == nil
			}
			return plain.Pass(socket) == nil
		}
	}
	return Run(ctx, Config{Name: fmt.Sprintf("edge-%s-%d", w.Group(), os.Getpid()), Group: slices.Group(w.Group()), Pass: pass,
		Home: filepath.Join(dir, "home"), Certificate: ca.Certificate, Issue: acmeIssue(ctx, dir, os.Getenv(acmeVariable)),
		Listener: w.Listener("plain"), TLSListener: w.Listener("tls"), Retire: w.Retire(), Gone: w.Gone(),
		QUICShare: &quicshare.Config{UDP: d.UDP, Folder: d.Folder, Secret: secret, Owner: d.Number}, DrainFor: 100 * time.Millisecond,
		Logger:  slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		OnReady: func(r Ready) { _ = w.Ready(r) }})
}

// noSessions is a home of plain routes only.
type noSessions struct{}

func (noSessions) Attach(session.Visit, session.Port) (session.Line, error) {
	return nil, nexus.Errf("attach", nexus.CodeUnavailable, "session", "", "no sessions in this test")
}
func (noSessions) SetEdge(string, []string)   {}
func (noSessions) Drain(string, []string) int { return 0 }

// rig is a home, a backend and a supervisor over workers of the test binary.
type rig struct {
	*supervise.Supervisor
	ca      *edge.DevCA
	dir     string
	reports reports
	broken  atomic.Pointer[string] // groups; nil: none
	acme    atomic.Pointer[string] // directory of an authority; nil: the development authority
	clients []*http.Transport

	stopHome context.CancelFunc
}

// downloadChunks of chunkBytes make a long download; the backend sends one at once and one for each value on the rig's channel.
const (
	downloadChunks = 8
	chunkBytes     = 64 << 10
)

func startRig(t *testing.T, chunks <-chan struct{}, groups ...string) *rig {
	t.Helper()
	r, run := newRig(t, chunks, groups...)
	run()
	return r
}

// newRig is a rig whose ports are bound and whose workers are not started yet.
func newRig(t *testing.T, chunks <-chan struct{}, groups ...string) (r *rig, run func()) {
	t.Helper()
	dir, err := os.MkdirTemp("", "nxup") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r = &rig{dir: dir}
	if r.ca, err = edge.OpenDevCA(dir); err != nil {
		t.Fatal(err)
	}
	behind := httptest.NewServer(backendMux(chunks))
	t.Cleanup(behind.Close)
	unit := slices.Default(nexus.DeriveID("test-unit", []byte("up")), "up")
	unit.Class = slices.ClassDefault // patient: what is tested is the upgrade, not the shedding of load on a busy machine
	prompt := slices.Default(nexus.DeriveID("test-unit", []byte("now")), "now")
	prompt.Class = slices.ClassControl
	var routes []edge.Route
	for host, s := range map[string]slices.Slice{testHost: unit, promptHost: prompt, acmeHost: unit} {
		routes = append(routes, edge.Route{Host: host, Unit: s.Unit, SliceID: s.ID, Backend: edge.Backend{Address: behind.Listener.Addr().String()}})
	}
	tab, err := edge.NewTable(routes, []slices.Slice{unit, prompt})
	if err != nil {
		t.Fatal(err)
	}
	b, err := testHome(true).Seal(tab, 1_000_000_000, 0)
	if err != nil {
		t.Fatal(err)
	}
	home := link.NewServer(noSessions{}, slog.New(slog.DiscardHandler))
	home.OnReport = func(name string, b []byte) { r.reports.take(t, name, b) }
	home.SetTable(b)
	ln, err := net.Listen("unix", filepath.Join(dir, "home"))
	if err != nil {
		t.Fatal(err)
	}
	r.Supervisor, err = supervise.New(supervise.Config{Groups: groups, Sockets: testSockets("127.0.0.1:0"), Datagrams: "tls",
		Worker: func(string, int) *exec.Cmd {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), homeVariable+"="+dir)
			if set := r.broken.Load(); set != nil {
				cmd.Env = append(cmd.Env, brokenVariable+"="+*set)
			}
			if directory := r.acme.Load(); directory != nil {
				cmd.Env = append(cmd.Env, acmeVariable+"="+*directory)
			}
			cmd.Stderr = os.Stderr
			return cmd
		}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	served, stopHome := context.WithCancel(ctx)
	r.stopHome = stopHome
	running.Go(func() { _ = home.Serve(served, ln) }) // ends with the context
	t.Cleanup(func() { cancel(); running.Wait() })
	return r, func() {
		running.Go(func() {
			if err := r.Run(ctx); err != nil {
				t.Errorf("supervisor: %v", err)
			}
		})
	}
}

func testSockets(secure string) []supervise.Socket {
	return []supervise.Socket{{Name: "plain", Addr: "127.0.0.1:0"}, {Name: "tls", Addr: secure}}
}

func backendMux(chunks <-chan struct{}) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})
	mux.HandleFunc("/long", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(downloadChunks*chunkBytes))
		for n := range downloadChunks {
			if n > 0 { // the first one brings the header
				select {
				case <-chunks:
				case <-r.Context().Done():
					return
				}
			}
			_, _ = w.Write(make([]byte, chunkBytes))
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			if _, err := fmt.Fprintf(w, "data: %d\n", n); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	})
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		for {
			kind, msg, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), kind, msg) != nil {
				return
			}
		}
	})
	return mux
}

// client speaks HTTP/1.1, or HTTP/2 over TLS, to the rig's sockets.
func (r *rig) client(t *testing.T, secure bool) (*http.Client, string) {
	return r.clientOf(t, testHost, secure)
}

func (r *rig) clientOf(t *testing.T, host string, secure bool) (*http.Client, string) {
	addr, base := r.Addr("plain"), "http://"+host
	if secure {
		addr, base = r.Addr("tls"), "https://"+host
	}
	tr := &http.Transport{MaxIdleConnsPerHost: 64, ForceAttemptHTTP2: secure, TLSClientConfig: &tls.Config{RootCAs: r.ca.Pool()},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		}}
	r.clients = append(r.clients, tr)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}, base
}

// closeIdle closes the idle connections of all clients.
func (r *rig) closeIdle() {
	for _, tr := range r.clients {
		tr.CloseIdleConnections()
	}
}

// once hides a body's kind, so that net/http cannot send the request a second time behind the test's back.
type once struct{ io.Reader }

// post sends a request and checks the answer. Nobody may repeat it: whatever the edge lets fall shows.
func post(ctx context.Context, c *http.Client, base string, n int) error {
	for {
		later, err := postOnce(ctx, c, base, n)
		if !later {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// postOnce sends the request once. It reports later where the edge said so: a machine that is busy with other things lets a queue grow too old,
// and that push-back, told in full, is no cut.
func postOnce(ctx context.Context, c *http.Client, base string, n int) (later bool, err error) {
	want := fmt.Sprintf("request-%d", n)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/echo", once{strings.NewReader(want)})
	if err != nil {
		return false, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || string(b) != want) {
		later = resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "" && strings.Contains(string(b), "queue too old")
		err = fmt.Errorf("status %d, %q", resp.StatusCode, b)
	}
	return later, err
}

// load sends requests at a fixed rate, whatever becomes of those before, until stop; it gives their number and their errors.
func load(ctx context.Context, stop <-chan struct{}, every time.Duration, c *http.Client, base string) (sent int, errs []error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			wg.Wait()
			return sent, errs
		case <-tick.C:
		}
		sent++
		n := sent
		wg.Go(func() {
			if err := post(ctx, c, base, n); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("request %d: %w", n, err))
			}
		})
	}
}

// TestUpgradeUnderLoadCutsNothing: three upgrades of real processes under open loop load of HTTP/1.1 and HTTP/2, with WebSockets,
// event streams and long downloads begun before the first one.
func TestUpgradeUnderLoadCutsNothing(t *testing.T) {
	upgrades := 3
	if os.Getenv("NEXUS_SOAK") != "" {
		upgrades = 30
	}
	chunks := make(chan struct{}, 2*(upgrades+downloadChunks))
	r := startRig(t, chunks)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	plain, plainBase := r.client(t, false)
	secure, secureBase := r.client(t, true)
	streams := openStreams(ctx, t, r, testHost)

	stop := make(chan struct{})
	type result struct {
		sent int
		errs []error
	}
	results := make(chan result, 2)
	for _, c := range []struct {
		client *http.Client
		base   string
	}{{plain, plainBase}, {secure, secureBase}} {
		go func() {
			sent, errs := load(ctx, stop, 2*time.Millisecond, c.client, c.base)
			results <- result{sent, errs}
		}()
	}
	for range upgrades {
		if err := r.Upgrade(ctx); err != nil {
			t.Fatal(err)
		}
		for range 2 { // one chunk for each of the two downloads
			chunks <- struct{}{}
		}
		streams.check(ctx, t)
	}
	if pids := r.Pids(""); pids[1] == 0 || pids[1+upgrades] == 0 {
		t.Errorf("the first worker has open streams and the newest serves, yet the workers are %v", pids)
	}
	close(stop)
	for range 2 {
		res := <-results
		for _, err := range res.errs {
			t.Error(err)
		}
		if res.sent == 0 {
			t.Error("no load")
		}
		t.Logf("%d requests, %d failed", res.sent, len(res.errs))
	}
	for range 2 * downloadChunks {
		chunks <- struct{}{}
	}
	streams.finish(t)
	// With their last connection the old workers end.
	r.closeIdle()
	eventually(ctx, t, "only the newest worker is left", func() bool { pids := r.Pids(""); return len(pids) == 1 && pids[1+upgrades] != 0 })
	if err := post(ctx, plain, plainBase, 1); err != nil {
		t.Error(err)
	}
}

// openedStreams are streams begun before an upgrade.
type openedStreams struct {
	sockets   []*websocket.Conn
	events    []*bufio.Reader
	next      []int
	downloads []*http.Response
	closers   []io.Closer
}

func openStreams(ctx context.Context, t *testing.T, r *rig, host string) *openedStreams {
	t.Helper()
	s := &openedStreams{}
	open := func(secure bool, path string) *http.Response {
		c, base := r.clientOf(t, host, secure)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		s.closers = append(s.closers, resp.Body)
		return resp
	}
	for range 10 {
		c, base := r.clientOf(t, host, false)
		ws, _, err := websocket.Dial(ctx, base+"/ws", &websocket.DialOptions{HTTPClient: c})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ws.CloseNow() })
		s.sockets = append(s.sockets, ws)
	}
	for _, secure := range []bool{false, true} {
		s.events = append(s.events, bufio.NewReader(open(secure, "/events").Body))
		s.next = append(s.next, 0)
	}
	return s.download(t, open)
}

// download begins the long downloads: the answer's header comes with the first bytes.
func (s *openedStreams) download(t *testing.T, open func(bool, string) *http.Response) *openedStreams {
	t.Helper()
	for _, secure := range []bool{false, true} {
		s.downloads = append(s.downloads, open(secure, "/long"))
	}
	return s
}

// check: every WebSocket answers, and the event streams go on without a gap.
func (s *openedStreams) check(ctx context.Context, t *testing.T) {
	t.Helper()
	for i, ws := range s.sockets {
		if err := ws.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
			t.Fatalf("WebSocket %d: %v", i, err)
		}
		if _, msg, err := ws.Read(ctx); err != nil || string(msg) != "hello" {
			t.Fatalf("WebSocket %d: %q, %v", i, msg, err)
		}
	}
	for i, e := range s.events {
		for range 20 {
			if line, err := e.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", s.next[i]) {
				t.Fatalf("event stream %d: %q, %v, want %d", i, line, err, s.next[i])
			}
			s.next[i]++
		}
	}
}

// finish reads the downloads to their end and closes the rest.
func (s *openedStreams) finish(t *testing.T) {
	t.Helper()
	for i, d := range s.downloads {
		if n, err := io.Copy(io.Discard, d.Body); err != nil || n != downloadChunks*chunkBytes {
			t.Errorf("download %d: %d bytes of %d, %v", i, n, downloadChunks*chunkBytes, err)
		}
	}
	for _, c := range s.closers {
		_ = c.Close() // read to the end, or a stream without one
	}
	for _, ws := range s.sockets {
		_ = ws.CloseNow()
	}
}

func TestCrashedWorkerIsReplaced(t *testing.T) {
	r := startRig(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, base := r.client(t, false)
	for generation := 1; generation <= 3; generation++ {
		if err := post(ctx, c, base, generation); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(r.Pids("")[generation], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		// A client that connects now waits for the next worker; it is not refused.
		fresh, _ := r.client(t, false)
		eventually(ctx, t, "the next worker is there", func() bool { return r.Pids("")[generation] == 0 })
		if err := post(ctx, fresh, base, generation); err != nil {
			t.Fatalf("after kill %d: %v", generation, err)
		}
		c.CloseIdleConnections()
	}
}

func TestUpgradeThatFailsLeavesTheOldWorker(t *testing.T) {
	r := startRig(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, base := r.client(t, false)
	if err := post(ctx, c, base, 1); err != nil {
		t.Fatal(err)
	}
	r.broken.Store(new(string))
	if err := r.Upgrade(ctx); nexus.CodeOf(err) != nexus.CodeUnavailable {
		t.Errorf("upgrade to a broken worker: %v", err)
	}
	if pids := r.Pids(""); len(pids) != 1 || pids[1] == 0 {
		t.Errorf("workers %v", pids)
	}
	if err := post(ctx, c, base, 2); err != nil {
		t.Error(err)
	}
}

// TestTheHomesEndLeavesRoutes: when the home has gone, plain routes of the last table are served as before, on connections that are open and on new ones.
func TestTheHomesEndLeavesRoutes(t *testing.T) {
	r := startRig(t, nil, bothGroups...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r.serving(ctx, t)
	open, base := r.client(t, true)
	if err := post(ctx, open, base, 1); err != nil {
		t.Fatal(err)
	}
	r.stopHome()
	eventually(ctx, t, "nobody answers at the home's socket", func() bool {
		c, err := net.Dial("unix", filepath.Join(r.dir, "home"))
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	for n := range 100 {
		if err := post(ctx, open, base, n); err != nil {
			t.Fatal(err)
		}
		if n%10 == 0 {
			fresh, freshBase := r.clientOf(t, promptHost, false)
			if err := post(ctx, fresh, freshBase, n); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func eventually(ctx context.Context, t *testing.T, what string, ok func() bool) {
	t.Helper()
	for !ok() {
		if ctx.Err() != nil {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
