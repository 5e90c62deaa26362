package edge

import (
	_ "embed"
	"strconv"
	"strings"
	"testing"
)

//go:embed testdata/smuggling.txt
var smuggling string

// Whatever can be read in two ways is refused before anything of it, or of what follows, reaches a backend; the last lines are what
// looks strange and is not.
func TestSmugglingCorpus(t *testing.T) {
	t.Parallel()
	cases := 0
	for line := range strings.Lines(smuggling) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		part := strings.SplitN(line, " | ", 3)
		if len(part) != 3 {
			t.Fatalf("line %q is not status, name and bytes", line)
		}
		send, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.ReplaceAll(part[2], `"`, `\"`), "HOST", `Host: a.test\r\n`) + `"`)
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		cases++
		t.Run(part[1], func(t *testing.T) {
			t.Parallel()
			seen := &seenBackend{}
			a := unit("a")
			g := gateway(t, table(t, []Route{route("a.test", a, backend(t, seen.handle))}, a))
			got := raw(t, g.Addr(), send+"GET /smuggled HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
			if !strings.HasPrefix(got, "HTTP/1.1 "+part[0]+" ") {
				t.Fatalf("answer %.80q, want status %s", got, part[0])
			}
			all := seen.all()
			if part[0] == "200" {
				if len(all) != 2 || all[1].target != "/smuggled" {
					t.Errorf("the backend saw %+v, want the request and the one behind it", all)
				}
				return
			}
			for _, r := range all {
				if r.target == "/smuggled" || len(all) > 1 || !strings.Contains(part[1], "chunk") && !strings.Contains(part[1], "trailer") {
					t.Errorf("the backend saw %+v", all)
				}
				t.Errorf("the backend took %s %s with body %q for a whole request", r.method, r.target, r.body)
			}
			if strings.Count(got, "HTTP/1.1 ") != 1 || !strings.Contains(got, "Connection: close\r\n") {
				t.Errorf("the connection went on:\n%s", got)
			}
		})
	}
	if cases < 90 {
		t.Errorf("only %d cases in the corpus", cases)
	}
}
