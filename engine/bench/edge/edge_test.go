package edge

import (
	"strings"
	"testing"
)

func TestAnswersAreReadInAnyPieces(t *testing.T) {
	const two = "HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 5\r\n\r\nhello" +
		"HTTP/1.1 429 Too Many\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
	for size := 1; size <= len(two); size++ {
		var a answer
		var statuses []int
		for rest := []byte(two); len(rest) > 0; {
			n := min(size, len(rest))
			done, err := a.feed(rest[:n])
			if err != nil {
				t.Fatalf("pieces of %d: %v", size, err)
			}
			for range done {
				statuses = append(statuses, a.status)
			}
			rest = rest[n:]
		}
		if len(statuses) != 2 || statuses[1] != 429 || !a.closes || a.body != 0 {
			t.Errorf("pieces of %d: statuses %v, closes %v, %d bytes left", size, statuses, a.closes, a.body)
		}
	}
	for _, bad := range []string{"SSH-2.0-x and more\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", strings.Repeat("x", headBytesMax+1)} {
		var a answer
		if _, err := a.feed([]byte(bad)); err == nil {
			t.Errorf("%.40q was taken", bad)
		}
	}
	var up answer
	if _, err := up.feed([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")); err != nil || !up.stream {
		t.Errorf("a switch of protocols: %v, stream %v", err, up.stream)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n"), 7)
	f.Add([]byte("HTTP/1.0 101 x\r\n\r\n\x82\x01n"), 1)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		if cut < 0 || cut > len(b) {
			return
		}
		var whole, pieces answer
		n, err := whole.feed(b)
		m, errFirst := pieces.feed(b[:cut])
		if errFirst != nil {
			return
		}
		k, errSecond := pieces.feed(b[cut:])
		if (err == nil) != (errSecond == nil) || err == nil && n != m+k {
			t.Fatalf("whole: %d answers, %v; cut at %d: %d and %d, %v", n, err, cut, m, k, errSecond)
		}
	})
}

func TestSharesAndMedians(t *testing.T) {
	share, over := kept([]int64{100, 50, 150}, 100)
	if share != 100*2.5/3 || over != 50 {
		t.Errorf("kept %v %%, over %v %%", share, over)
	}
	if share, over := kept(nil, 100); share != 0 || over != 0 {
		t.Errorf("without windows: %v, %v", share, over)
	}
	sorted := make([]int64, 1000)
	for i := range sorted {
		sorted[i] = int64(i + 1)
	}
	if a, b, c := quantile(sorted, 500), quantile(sorted, 990), quantile(sorted, 999); a != 500 || b != 990 || c != 999 {
		t.Errorf("quantiles %d %d %d", a, b, c)
	}
	var r Report
	for _, v := range []int64{9, 1, 5} {
		r.add("case", "us", float64(v), "n", v, v+1, v+2)
	}
	r.skip("case", "measured already")
	r.skip("absent", "not installed")
	if v, p50, p99, p999 := r.Cases[0].Medians(); v != 5 || p50 != 5 || p99 != 6 || p999 != 7 || len(r.Cases) != 2 {
		t.Errorf("medians %v %d %d %d of %d cases", v, p50, p99, p999, len(r.Cases))
	}
	if len(r.Cases[1].Values) != 0 || r.Cases[0].Note != "n" {
		t.Errorf("an absent case has figures: %+v", r.Cases[1])
	}
}

// TestPairsCompareWithinARun: each run is compared with the base's of the same run, whatever the machine did in the others.
func TestPairsCompareWithinARun(t *testing.T) {
	t.Parallel()
	var r Report
	for run, p99 := range [][2]int64{{100, 50}, {10_000, 9000}, {200, 400}} {
		for i, name := range []string{"f: one", "f: two"} {
			c := r.add(name, "us p99", float64(p99[i]), "", 1, p99[i], 1)
			c.Kind = KindFlood
		}
		r.add("idle", "us p99", float64(run), "", 1, 1, 1)
	}
	r.pairs("one")
	last := r.Cases[len(r.Cases)-1]
	if len(r.Cases) != 4 || last.Name != "f, p99 of two to one" || last.Values[0] != 0.9 || !strings.HasPrefix(last.Note, "lower in 2 of 3 runs") {
		t.Errorf("%d cases, the last %+v", len(r.Cases), last)
	}
}
