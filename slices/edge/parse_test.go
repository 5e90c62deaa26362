package edge

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices"
)

func TestParseHost(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a.test": "a.test", "A.Test.": "a.test", "a.test:8080": "a.test", "127.0.0.1:80": "127.0.0.1", "[::1]:80": "::1",
		"[::1]": "::1", "::1": "::1", "_x.a.test": "_x.a.test", "[0:0:0:0:0:0:0:1]": "::1", "a.test:": "",
		"": "", ".": "", "a..test": "", "-a.test": "", "a-.test": "", "a b": "", "a.test:x": "", "a.test:99999": "",
		"[a.test]:80": "", "[::1": "", "a.test/": "", "ü.test": "", "*.test": "", "a@b": "", "[127.0.0.1]": "",
		strings.Repeat("a", 64) + ".test": "", strings.Repeat("a.", 130) + "test": "",
	} {
		got, err := ParseHost(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
}

func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"a.test", "A.test.:80", "[::1]:443", "127.0.0.1", "", "a..b", "[", "::ffff:1.2.3.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, err := ParseHost(s)
		if err != nil {
			if host != "" {
				t.Fatalf("%q refused with host %q", s, host)
			}
			return
		}
		// The one form is a fixed point, and says nothing a table key may not.
		again, err := ParseHost(host)
		if err != nil || again != host || host == "" || strings.ToLower(host) != host ||
			strings.ContainsAny(host, "[]/@ \r\n\x00") {
			t.Fatalf("%q became %q, then %q, %v", s, host, again, err)
		}
	})
}

// FuzzRequestBytes throws bytes at the real listener's parser: whatever comes, the gateway answers or closes, and the
// next client is served.
func FuzzRequestBytes(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
		"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "\x16\x03\x01\x00\x05",
	} {
		f.Add([]byte(s))
	}
	a := unit("a")
	tab, err := NewTable([]Route{route("a.test", a, Backend{})}, []slices.Slice{a})
	if err != nil {
		f.Fatal(err)
	}
	g, err := New(Config{Addr: "127.0.0.1:0", HeaderTimeout: 50 * time.Millisecond, IdleTimeout: 50 * time.Millisecond,
		StallTimeout: 50 * time.Millisecond})
	if err != nil {
		f.Fatal(err)
	}
	if err := g.Swap(tab); err != nil {
		f.Fatal(err)
	}
	if err := g.Start(); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := g.Close(time.Second); err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		raw(t, g.Addr(), string(b))
		got := get(t, client(t, g.Addr(), func(tr *http.Transport) { tr.DisableKeepAlives = true }), "http://a.test/")
		got.want(t, 503, "nothing is deployed")
	})
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d deadline
		socket := func(time.Time) error { return nil }
		passed := func(c <-chan struct{}) bool {
			synctest.Wait()
			select {
			case <-c:
				return true
			default:
				return false
			}
		}
		c := d.begin()
		if passed(c) {
			t.Error("no deadline has passed")
		}
		_ = d.set(time.Now().Add(time.Second), socket)
		_ = d.set(time.Now().Add(3*time.Second), socket)
		time.Sleep(2 * time.Second)
		if passed(c) {
			t.Error("the old deadline fired")
		}
		time.Sleep(2 * time.Second)
		if !passed(c) {
			t.Error("the deadline did not fire")
		}
		d.end()
		_ = d.set(time.Time{}, socket)
		c = d.begin()
		if passed(c) {
			t.Error("a cleared deadline fired")
		}
		_ = d.set(time.Now().Add(time.Second), socket) // sooner than what the timer was set for before
		time.Sleep(time.Second)
		if !passed(c) {
			t.Error("a deadline that came nearer did not fire")
		}
		d.end()
		_ = d.set(time.Now().Add(time.Minute), socket) // for which the timer is left running
		d.begin()
		d.end()
		_ = d.set(time.Now().Add(time.Second), socket)
		c = d.begin()
		time.Sleep(time.Second)
		if !passed(c) {
			t.Error("a deadline before that of the wait before did not fire")
		}
		d.end()
		_ = d.set(time.Time{}, socket)
		c = d.begin()
		d.kick()
		if !passed(c) || passed(d.begin()) {
			t.Error("a kick ends the waits of its moment and no others")
		}
		d.close()
		if c = d.begin(); !passed(c) || !d.isClosed() {
			t.Error("a closed deadline waits")
		}
	})
}

// TestSocketDeadlinesFollowLazily: the socket's deadline is never after the one wanted, is left alone while it is before, and a wait that it ends
// too soon is told from one that is over.
func TestSocketDeadlinesFollowLazily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d deadline
		var has time.Time
		moved := 0
		socket := func(at time.Time) error { has = at; moved++; return nil }
		in := func(n int) time.Time { return time.Now().Add(time.Duration(n) * time.Second) }
		first := in(5)
		for _, n := range []int{5, 75, 5, 0, 75} {
			at := in(n)
			if n == 0 {
				at = time.Time{}
			}
			d.by(at, socket)
		}
		if moved != 1 || !has.Equal(first) {
			t.Errorf("moved %d times, to %v", moved, has)
		}
		d.by(in(2), socket)
		if moved != 2 || !has.Equal(in(2)) {
			t.Errorf("a sooner one: moved %d times, to %v", moved, has)
		}
		d.by(in(60), socket)
		time.Sleep(2 * time.Second)
		if !d.early(os.ErrDeadlineExceeded, socket) || !has.Equal(in(58)) {
			t.Errorf("two seconds of sixty are over: the socket has %v", has)
		}
		if d.early(io.EOF, socket) {
			t.Error("another error is nobody's deadline")
		}
		time.Sleep(58 * time.Second)
		if d.early(os.ErrDeadlineExceeded, socket) {
			t.Error("the time is over")
		}
		d.by(time.Time{}, socket)
		if !d.early(os.ErrDeadlineExceeded, socket) || !has.IsZero() {
			t.Errorf("without a deadline: %v", has)
		}
		_ = d.set(in(60), socket)
		_ = d.set(aLongTimeAgo, socket)
		if d.early(os.ErrDeadlineExceeded, socket) || !has.Equal(aLongTimeAgo) {
			t.Error("an interrupt was passed over")
		}
	})
}

// TestDatesAreOfTheirSecond: whichever was asked for before.
func TestDatesAreOfTheirSecond(t *testing.T) {
	t.Parallel()
	var d date
	first := time.Date(2026, 11, 27, 18, 59, 59, 999_999_999, time.FixedZone("", 3600))
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{first, "Fri, 27 Nov 2026 17:59:59 GMT"}, {first.Add(-time.Millisecond), "Fri, 27 Nov 2026 17:59:59 GMT"},
		{first.Add(1), "Fri, 27 Nov 2026 18:00:00 GMT"}, {first, "Fri, 27 Nov 2026 17:59:59 GMT"},
	} {
		if got := d.at(c.at); got != c.want {
			t.Errorf("%v: %s, want %s", c.at, got, c.want)
		}
	}
}
