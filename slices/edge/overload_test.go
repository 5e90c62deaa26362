package edge

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// overloadEnv makes the test's program a backend, and clients of HTTP/2 that ask a gateway for it.
const overloadEnv = "NEXUS_TEST_OVERLOAD"

// overloadConnections is how many connections the clients share.
const overloadConnections = 4

// overload serves a backend of fifteen milliseconds and says where; for each line on stdin, a gateway's address, a rate in requests a second and a time, it
// sends so many at a fixed rate, whatever becomes of those before, and says how many were served and refused. It gives the exit code.
func overload() int {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 1
	}
	go func() { // ends with the process
		_ = http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(15 * time.Millisecond) // what it works
			_, _ = io.WriteString(w, "ok")
		}))
	}()
	_, _ = fmt.Println(ln.Addr())
	var addr string
	var rate int
	var seconds float64
	for {
		if n, err := fmt.Scan(&addr, &rate, &seconds); err != nil || n != 3 {
			return 0
		}
		begin := time.Now()
		served, refused, other := offer(addr, rate, time.Duration(seconds*float64(time.Second)))
		_, _ = fmt.Println(served, refused, other, time.Since(begin).Seconds())
	}
}

func offer(addr string, rate int, length time.Duration) (served, refused, other int64) {
	var counts [3]atomic.Int64
	var clients [overloadConnections]*http.Client
	for i := range clients {
		tr := &http.Transport{Protocols: new(http.Protocols), DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		}}
		tr.Protocols.SetUnencryptedHTTP2(true)
		clients[i] = &http.Client{Transport: tr}
		defer tr.CloseIdleConnections()
	}
	var asking sync.WaitGroup
	begin := time.Now()
	for n := 0; time.Since(begin) < length; time.Sleep(time.Millisecond) {
		for due := int(time.Since(begin).Seconds() * float64(rate)); n < due; n++ {
			client := clients[n%overloadConnections]
			asking.Go(func() {
				resp, err := client.Get("http://a.test/")
				if err != nil {
					counts[2].Add(1)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				switch resp.StatusCode {
				case http.StatusOK:
					counts[0].Add(1)
				case http.StatusServiceUnavailable:
					counts[1].Add(1)
				default:
					counts[2].Add(1)
				}
			})
		}
	}
	asking.Wait()
	return counts[0].Load(), counts[1].Load(), counts[2].Load()
}

// TestGoodputUnderOverload: a slice is asked for about what it can, then for ten times that, over HTTP/2, where what is too much is refused. It serves no less
// of the second than of the first. (What a refusal costs says BenchmarkRefusal.)
func TestGoodputUnderOverload(t *testing.T) { // alone: it is about time
	const inFlight, length, judged = 4, 2.0, 0.25 // the aim is 90 %, on a machine that has the time for it
	in, out, end := child(t, overloadEnv+"=1")
	var backendAddr string
	if _, err := fmt.Fscan(out, &backendAddr); err != nil {
		t.Fatal(err)
	}
	a := unit("a", func(s *slices.Slice) { s.MaxInFlight = inFlight })
	g := gateway(t, table(t, []Route{route("a.test", a, Backend{Address: backendAddr})}, a))
	type phase struct{ served, refused, other, seconds float64 }
	ask := func(rate int) (p phase) {
		if _, err := fmt.Fprintln(in, g.Addr(), rate, length); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fscan(out, &p.served, &p.refused, &p.other, &p.seconds); err != nil {
			t.Fatal(err)
		}
		return p
	}
	ask(50) // warm
	var best, most phase
	for _, rate := range []int{200, 300, 400, 600} { // around what four places of fifteen milliseconds can
		if p := ask(rate); best.seconds == 0 || p.served/p.seconds > best.served/best.seconds {
			best = p
		}
	}
	goodput := best.served / best.seconds
	for range 5 { // a machine whose processors others use serves less for that
		if p := ask(10 * int(goodput)); most.seconds == 0 || p.served/p.seconds > most.served/most.seconds {
			most = p
		}
		if most.served/most.seconds >= goodput*judged {
			break
		}
	}
	t.Logf("best: %.0f served a second; at ten times that rate: %.0f (%.0f %%), %.0f refused a second",
		goodput, most.served/most.seconds, 100*most.served/most.seconds/goodput, most.refused/most.seconds)
	if best.served == 0 || most.refused < most.served {
		t.Errorf("nothing was overloaded: %+v, %+v", best, most)
	}
	if best.other+most.other > 0 {
		t.Errorf("%.0f requests had neither an answer nor a refusal", best.other+most.other)
	}
	if most.served/most.seconds < goodput*judged {
		t.Errorf("at most %.0f a second were served under overload, %.0f without", most.served/most.seconds, goodput)
	}
	end()
}
