package witness

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// TestWitnessThatDatesAtWill: a witness chooses the date of its cosignature. One that no calendar has is none: it would stand in what the
// node shows of its witnesses, and that could not be written any more.
func TestWitnessThatDatesAtWill(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 10)
	for seconds, want := range map[uint64]bool{1: true, 253402300799: true, 253402300800: false, 1 << 60: false, 1<<63 - 1: false} {
		c := config(t, "dates.example", l)
		key := keyOf(t, c)
		srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			req, err := ParseRequest(body)
			if err != nil {
				t.Error(err)
				return
			}
			sig, err := c.Signer.Sign(verify.CosignatureMessage(bodyOf(req.Checkpoint), seconds))
			if err != nil {
				t.Error(err)
			}
			_, _ = io.WriteString(rw, key.CosignatureLine(seconds, sig))
		}))
		t.Cleanup(srv.Close)
		f := feed(t, l, quick, "", Target{URL: srv.URL, Key: key})
		eventually(t, "it was asked", func() bool { s := f.Status()[0]; return s.Err != nil || s.Size > 0 })
		s := f.Status()[0]
		if got := s.Err == nil; got != want {
			t.Errorf("dated %d: taken %v, %v", seconds, got, s.Err)
		}
		if _, err := json.Marshal(s.Time); err != nil {
			t.Errorf("dated %d: %v", seconds, err)
		}
		sig, err := c.Signer.Sign(verify.CosignatureMessage(bodyOf(l.Head().Note), seconds))
		if err != nil {
			t.Fatal(err)
		}
		kept := filepath.Join(t.TempDir(), "cosigned") // by an earlier version
		if err := os.WriteFile(kept, []byte(l.Head().Note+key.CosignatureLine(seconds, sig)), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := NewFeeder(FeederConfig{Log: l, LogKey: signerOf("log " + origin).Public(), Targets: []Target{{URL: srv.URL, Key: key}}, File: kept})
		if err != nil {
			t.Fatal(err)
		}
		if s := again.Status()[0]; s.Time.IsZero() == want {
			t.Errorf("kept and dated %d: %+v", seconds, s)
		}
	}
}

// TestSlowSendersHoldUpNobody: as many as are judged at once begin a request and do not end it.
func TestSlowSendersHoldUpNobody(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 10)
	url := serve(t, open(t, config(t, "w.example", l))).URL
	for range requestsMax + 4 {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := io.WriteString(c, "POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 60000\r\nExpect: 100-continue\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, len("HTTP/1.1 100 Continue\r\n"))); err != nil { // its body is being waited for
			t.Fatal(err)
		}
	}
	resp, err := http.Post(url+"/add-checkpoint", "text/plain", strings.NewReader(string(l.request(t, 0, 10).Encode())))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("an honest log is answered %d", resp.StatusCode)
	}
}
