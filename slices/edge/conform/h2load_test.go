package conform_test

import (
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// TestH2Load: another implementation's load generator, many streams on many connections over TLS; every request is answered.
func TestH2Load(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("h2load")
	if err != nil {
		t.Fatalf("%v: install nghttp2-client, or run make setup", err)
	}
	busy := unit("h2load", func(s *slices.Slice) { s.Class = slices.ClassBulk }) // patient: requests wait, none is dropped
	g := start(t, []site{{"localhost", busy, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 256)) // h2load judges
	})}})
	out, err := exec.CommandContext(t.Context(), program, "-n", "2000", "-c", "10", "-m", "10", "https://localhost:"+portOf(t, g.TLSAddr())+"/").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout`, `status codes: 2000 2xx, 0 3xx, 0 4xx, 0 5xx`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
	t.Logf("%s", regexp.MustCompile(`finished in .*`).Find(out))
}
