//go:build unix

package edge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// duo is two gateways as two workers have them: the first accepts and hands to the second what is the second's.
type duo struct {
	prompt, patient *Gateway
	ca              *DevCA
	refuse          atomic.Bool // nothing can be handed on
	passed          atomic.Int64
}

// takes is the second one's listener.
type takes struct {
	*handed
	addr net.Addr
}

func (l *takes) Addr() net.Addr { return l.addr }

// pass duplicates the socket, as the kernel does for another process.
func (l *takes) pass(socket syscall.RawConn) bool {
	ok := false
	_ = socket.Control(func(fd uintptr) { // an error leaves ok false
		copied, err := syscall.Dup(int(fd))
		if err != nil {
			return
		}
		f := os.NewFile(uintptr(copied), "connection")
		nc, err := net.FileConn(f)
		if f.Close(); err == nil {
			ok = true
			go l.give(nc)
		}
	})
	return ok
}

// newDuo serves fast.test and other.test of the prompt group and slow.test of the patient one; each answers with its gateway's name.
func newDuo(t *testing.T, edit ...func(*Config)) *duo {
	t.Helper()
	ca, err := OpenDevCA("")
	if err != nil {
		t.Fatal(err)
	}
	d := &duo{ca: ca}
	bound := func() net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	plain, secure := bound(), bound()
	plainTakes, secureTakes := &takes{newHanded(), plain.Addr()}, &takes{newHanded(), secure.Addr()}
	slow := func(s *slices.Slice) { s.Class = slices.ClassBulk }
	fast, other, bulk := unit("fast"), unit("other"), unit("slow", slow)
	start := func(c Config, name string) *Gateway {
		backed := backend(t, func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprintf(w, "%s %s", name, r.URL.Path) })
		tab := table(t, []Route{route("fast.test", fast, backed), route("other.test", other, backed), route("slow.test", bulk, backed)}, fast, other, bulk)
		return gateway(t, tab, func(config *Config) {
			*config = c
			for _, e := range edit {
				e(config)
			}
			config.Certificate = ca.Certificate
		})
	}
	d.patient = start(Config{Listener: plainTakes, TLSListener: secureTakes, Group: slices.GroupPatient}, "patient")
	d.prompt = start(Config{Listener: plain, TLSListener: secure, Group: slices.GroupPrompt, Pass: func(socket syscall.RawConn, secure bool) bool {
		to := plainTakes
		if secure {
			to = secureTakes
		}
		if d.refuse.Load() || !to.pass(socket) {
			return false
		}
		d.passed.Add(1)
		return true
	}}, "prompt")
	return d
}

// strays counts what one gateway served of the other's group.
func strays(g *Gateway) (n uint64) {
	for _, s := range g.Snapshot() {
		n += s.Gateway.Strays
	}
	return n
}

// secureClient speaks TLS to the duo's secure port, by way of dial where it is set.
func (d *duo) secureClient(t *testing.T, dial func(net.Conn) net.Conn) *http.Client {
	return client(t, d.prompt.TLSAddr(), func(tr *http.Transport) {
		tr.TLSClientConfig, tr.ForceAttemptHTTP2 = &tls.Config{RootCAs: d.ca.Pool()}, true
		if dial != nil {
			plain := tr.DialContext
			tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := plain(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				return dial(c), nil
			}
		}
	})
}

// TestEachHostIsServedInItsGroup: over HTTP/1.1, HTTP/2 with and without TLS.
func TestEachHostIsServedInItsGroup(t *testing.T) {
	t.Parallel()
	d := newDuo(t)
	for kind, c := range map[string]struct {
		client *http.Client
		scheme string
	}{"HTTP/1.1": {client(t, d.prompt.Addr()), "http"}, "h2c": {client(t, d.prompt.Addr(), h2c), "http"}, "TLS": {d.secureClient(t, nil), "https"}} {
		for host, want := range map[string]string{"fast.test": "prompt /x", "slow.test": "patient /x"} {
			a := get(t, c.client, c.scheme+"://"+host+"/x")
			if a.want(t, 200, want); kind != "HTTP/1.1" && a.proto != 2 {
				t.Errorf("%s, %s: HTTP/%d", kind, host, a.proto)
			}
		}
	}
	get(t, client(t, d.prompt.Addr()), "http://nobody.test/").want(t, 404, "not served here")
	if n := d.passed.Load(); n != 3 {
		t.Errorf("%d connections were handed on, want 3", n)
	}
	if a, b := strays(d.prompt), strays(d.patient); a+b != 0 {
		t.Errorf("%d and %d strays", a, b)
	}
}

// crumbs sends what is written byte by byte.
type crumbs struct {
	net.Conn
	pause time.Duration
}

func (c crumbs) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := c.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
		if i%100 == 0 {
			time.Sleep(c.pause) // so that the other end sees many beginnings; none of them decides the test
		}
	}
	return len(p), nil
}

func TestHelloAndHeadInCrumbs(t *testing.T) {
	t.Parallel()
	d := newDuo(t)
	for _, pause := range []time.Duration{0, 2 * time.Millisecond} {
		c := d.secureClient(t, func(nc net.Conn) net.Conn { return crumbs{nc, pause} })
		get(t, c, "https://slow.test/").want(t, 200, "patient")
		get(t, c, "https://fast.test/").want(t, 200, "prompt")
	}
	c := client(t, d.prompt.Addr(), func(tr *http.Transport) {
		plain := tr.DialContext
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := plain(ctx, network, addr)
			return crumbs{nc, time.Millisecond}, err
		}
	})
	get(t, c, "http://slow.test/").want(t, 200, "patient")
	get(t, c, "http://fast.test/").want(t, 200, "prompt")
}

// TestWhatComesBehindGoesAlong: requests and bodies behind the first head are read where the connection goes.
func TestWhatComesBehindGoesAlong(t *testing.T) {
	t.Parallel()
	d := newDuo(t)
	last := "GET /3 HTTP/1.1\r\nHost: slow.test\r\nConnection: close\r\n\r\n"
	got := raw(t, d.prompt.Addr(), "GET /1 HTTP/1.1\r\nHost: slow.test\r\n\r\nPOST /2 HTTP/1.1\r\nHost: slow.test\r\nContent-Length: 4\r\n\r\nbody"+last)
	for _, want := range []string{"patient /1", "patient /2", "patient /3"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	// A request for a host of another slice gets what it always gets, whichever group that is of.
	for first, second := range map[string]string{"slow.test": "fast.test", "fast.test": "slow.test"} {
		got := raw(t, d.prompt.Addr(), "GET / HTTP/1.1\r\nHost: "+first+"\r\n\r\nGET / HTTP/1.1\r\nHost: "+second+"\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 200") || !strings.Contains(got, "HTTP/1.1 421") {
			t.Errorf("%s, then %s: %q", first, second, got)
		}
	}
}

func TestLateHosts(t *testing.T) {
	t.Parallel()
	d := newDuo(t)
	head := func(n int) string {
		return "GET /x HTTP/1.1\r\n" + strings.Repeat("Filler: "+strings.Repeat("y", 90)+"\r\n", n/100) + "Host: slow.test\r\nConnection: close\r\n\r\n"
	}
	if got := raw(t, d.prompt.Addr(), head(8<<10)); !strings.Contains(got, "patient /x") {
		t.Errorf("Host after 8 KB: %q", got)
	}
	// Further behind than anybody looks: served where it is, and counted.
	if got := raw(t, d.prompt.Addr(), head(20<<10)); !strings.Contains(got, "prompt /x") {
		t.Errorf("Host after 20 KB: %q", got)
	}
	if n := strays(d.prompt); n != 1 {
		t.Errorf("%d strays, want 1", n)
	}
}

// TestWhatNamesNoHostIsServedHere: every kind of beginning that names no host of the table is answered as without groups, at once.
func TestWhatNamesNoHostIsServedHere(t *testing.T) {
	t.Parallel()
	d := newDuo(t, func(c *Config) { c.HeaderTimeout = 3 * time.Minute })
	begin := time.Now()
	for send, want := range map[string]string{
		"GET / HTTP/1.1\r\n\r\n":                                               "HTTP/1.1 400",
		"GET / HTTP/1.1\r\nHost: a b\r\n\r\n":                                  "HTTP/1.1 400",
		"GET / HTTP/1.1\r\nHost: " + strings.Repeat("a", 9000) + "\r\n\r\n":    "HTTP/1.1 400",
		"\x16\x03\x01\x00\x05\r\n\r\n":                                         "HTTP/1.1 400", // TLS at the plain port
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00": "\x00\x00",     // waits to be answered
	} {
		c, err := net.Dial("tcp", d.prompt.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, send); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
			t.Errorf("%.30q: %q, %v", send, got, err)
		}
		_ = c.Close()
	}
	if err := tlsFails(d.prompt.TLSAddr(), &tls.Config{InsecureSkipVerify: true}); err == nil {
		t.Error("a hello without a name is served")
	}
	if err := tlsFails(d.prompt.TLSAddr(), &tls.Config{ServerName: strings.Repeat("a.", 4000) + "test", InsecureSkipVerify: true}); err == nil {
		t.Error("a name of 8 KB is served")
	}
	if got := raw(t, d.prompt.TLSAddr(), "GET / HTTP/1.1\r\nHost: slow.test\r\n\r\n"); strings.Contains(got, "200") {
		t.Errorf("no TLS at the TLS port: %q", got)
	}
	if took := time.Since(begin); took > 2*time.Minute {
		t.Errorf("took %s: something waited for a deadline", took)
	}
	if n := d.passed.Load(); n != 0 {
		t.Errorf("%d connections were handed on", n)
	}
}

func tlsFails(addr string, c *tls.Config) error {
	nc, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Minute}, "tcp", addr, c)
	if err == nil {
		_ = nc.Close()
	}
	return err
}

// TestHalfHeads: a client that ends its side, goes away, or takes too long within its head or hello costs no more than without groups.
func TestHalfHeads(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		name  string
		limit time.Duration // of a head
		end   func(*net.TCPConn)
	}{
		{"ends its side", 3 * time.Minute, func(c *net.TCPConn) { _ = c.CloseWrite() }}, // not by the limit, then
		{"takes too long", 400 * time.Millisecond, func(*net.TCPConn) {}},
	} {
		d := newDuo(t, func(c *Config) { c.HeaderTimeout = way.limit })
		for _, addr := range []string{d.prompt.Addr(), d.prompt.TLSAddr()} {
			half := "GET / HTTP/1.1\r\nHo"
			if addr == d.prompt.TLSAddr() {
				half = "\x16\x03\x01\x02\x00\x01\x00"
			}
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(c, half); err != nil {
				t.Fatal(err)
			}
			way.end(c.(*net.TCPConn))
			_ = c.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%q, %s: never ended", half, way.name)
			}
			_ = c.Close()
		}
		eventually(t, "all have gone", func() bool { return d.prompt.Connections() == 0 })
	}
}

// TestTheWholeHeadHasItsTime: looking at it gives a client that drips no more time than before.
func TestTheWholeHeadHasItsTime(t *testing.T) {
	t.Parallel()
	d := newDuo(t, func(c *Config) { c.HeaderTimeout = 500 * time.Millisecond })
	for _, addr := range []string{d.prompt.Addr(), d.prompt.TLSAddr()} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		go func() { // a host that is served here, and then no end
			drip := "GET / HTTP/1.1\r\nHost: fast.test\r\n" + strings.Repeat("X: y\r\n", 1000)
			if addr == d.prompt.TLSAddr() {
				drip = "\x16\x03\x01\x10\x00\x01\x00\x0f\xfc\x03\x03" + strings.Repeat("x", 4000)
			}
			for _, b := range []byte(drip) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
		_, _ = io.Copy(io.Discard, c) // ends with the connection
		if took := time.Since(begin); took < 300*time.Millisecond || took > 20*time.Second {
			t.Errorf("ended after %s", took)
		}
		_ = c.Close()
	}
}

// TestTimeOfTheLookCounts: a client that names its host late has only what is left of its time for the rest.
func TestTimeOfTheLookCounts(t *testing.T) {
	t.Parallel()
	d := newDuo(t, func(c *Config) { c.HeaderTimeout = 4 * time.Second })
	hello := &firstWrite{}
	_ = tls.Client(hello, &tls.Config{ServerName: "fast.test", InsecureSkipVerify: true}).HandshakeContext(t.Context()) // it ends with its first write
	named := bytes.Index(hello.b, []byte("fast.test")) + len("fast.test")
	for addr, parts := range map[string][2]string{
		d.prompt.Addr():    {"GET / HTTP/1.1\r\n", "Host: fast.test\r\nX: "},
		d.prompt.TLSAddr(): {string(hello.b[:20]), string(hello.b[20 : named+1])},
	} {
		t.Run(addr, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			begin := time.Now()
			for _, p := range parts {
				if _, err := io.WriteString(c, p); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3500 * time.Millisecond) // the passing of time is what is tested
			}
			_, _ = io.Copy(io.Discard, c)                                // ends with the connection
			if took := time.Since(begin); took > 7300*time.Millisecond { // 7.5 s if what is left began anew
				t.Errorf("ended after %s, with 4 s for all of it", took)
			}
		})
	}
}

// firstWrite keeps what is written first and fails there.
type firstWrite struct {
	net.Conn
	b []byte
}

func (f *firstWrite) Write(p []byte) (int, error) {
	f.b = append(f.b, p...)
	return 0, io.ErrClosedPipe
}
func (f *firstWrite) Close() error                     { return nil }
func (f *firstWrite) SetWriteDeadline(time.Time) error { return nil }

// TestWhatCannotBeHandedOnIsServedHere and counted, and neither cut nor refused.
func TestWhatCannotBeHandedOnIsServedHere(t *testing.T) {
	t.Parallel()
	d := newDuo(t)
	d.refuse.Store(true)
	get(t, client(t, d.prompt.Addr()), "http://slow.test/").want(t, 200, "prompt")
	get(t, d.secureClient(t, nil), "https://slow.test/").want(t, 200, "prompt")
	if n := strays(d.prompt); n != 2 {
		t.Errorf("%d strays, want 2", n)
	}
}

// TestSlowLorisIsCheap: 2,000 connections within their heads or hellos count as connections, hold no memory for looking, and cost no CPU while nothing comes.
func TestSlowLorisIsCheap(t *testing.T) {
	d := newDuo(t, func(c *Config) { c.HeaderTimeout, c.ConnectionsMax = 30*time.Second, 2010 })
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for i := range 2000 {
		addr, half := d.prompt.Addr(), "GET / HTTP/1.1\r\nHost: slow.te"
		if i%2 == 1 {
			addr, half = d.prompt.TLSAddr(), "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
		}
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, half); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	eventually(t, "all are open", func() bool { return d.prompt.Connections() == 2000 })
	before := cpu(t)
	time.Sleep(300 * time.Millisecond)
	if used := cpu(t) - before; used > 150*time.Millisecond {
		t.Errorf("%s of CPU in 300 ms while nothing came", used)
	}
	get(t, client(t, d.prompt.Addr()), "http://slow.test/").want(t, 200, "patient")
	for i, c := range conns { // the rest of some of the heads
		if i%200 == 0 {
			if _, err := io.WriteString(c, "st\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("connection %d: %v, %v", i, resp, err)
			}
			_ = resp.Body.Close()
		}
	}
	eventually(t, "what was handed on counts here no more", func() bool { return d.prompt.Connections() == 1990 })
}

// cpu is this process's time on the processors so far.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestStopWithinLooks: closing the gateway ends connections that are looked at.
func TestStopWithinLooks(t *testing.T) {
	t.Parallel()
	d := newDuo(t, func(c *Config) { c.HeaderTimeout = time.Minute })
	var ended sync.WaitGroup
	for _, addr := range []string{d.prompt.Addr(), d.prompt.TLSAddr()} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "G"); err != nil {
			t.Fatal(err)
		}
		ended.Go(func() {
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		})
	}
	eventually(t, "both are open", func() bool { return d.prompt.Connections() > 0 })
	if err := d.prompt.Close(50 * time.Millisecond); err != nil {
		t.Error(err)
	}
	ended.Wait()
}

// TestProbesMeasureTheirGroup: each gateway's prober asks for its own group's slices; the patient one's go the way that clients go.
func TestProbesMeasureTheirGroup(t *testing.T) {
	t.Parallel()
	d := newDuo(t)
	for g, want := range map[*Gateway]map[string]bool{d.prompt: {"fast": true, "other": true}, d.patient: {"slow": true}} {
		p := NewProber(g, ProberConfig{PerSecond: 100, Timeout: time.Minute})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		eventually(t, "all of the group are measured", func() bool {
			n := 0
			for _, s := range g.Snapshot() {
				if s.Added.Samples-s.Added.Missed > 20 { // a busy machine misses some
					n++
				}
			}
			return n == len(want)
		})
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for _, s := range g.Snapshot() {
			if (s.Added.Samples > 0) != want[s.Slice.Name] || s.Gateway.Requests > 0 {
				t.Errorf("%s: %+v, %d requests", s.Slice.Name, s.Added, s.Gateway.Requests)
			}
		}
	}
	if d.passed.Load() == 0 {
		t.Error("no probe went the way of the clients")
	}
}
