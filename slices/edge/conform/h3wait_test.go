package conform_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// TestHTTP3RequestsWithoutBodyWait: the many requests of a page on one connection wait for their turn. HTTP/3 does not say at once that no body
// follows; the bound on bodies that wait is none of theirs.
func TestHTTP3RequestsWithoutBodyWait(t *testing.T) {
	t.Parallel()
	const requests = 40
	release := make(chan struct{})
	let := sync.OnceFunc(func() { close(release) })
	g := start(t, []site{{"a.test", unit("a", func(s *slices.Slice) { s.Class, s.MaxInFlight = slices.ClassBulk, 1 }),
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })}}, func(c *edge.Config) { c.QUIC = true })
	defer let() // a failure too lets the backend end
	c := g.h3Client(t)
	var wg sync.WaitGroup
	for range requests {
		wg.Go(func() {
			resp, err := c.Get("https://a.test/")
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close() // the status says it
			if resp.StatusCode != http.StatusOK {
				t.Errorf("answered %s", resp.Status)
			}
		})
	}
	g.eventually(t, "all but one wait", func(s edge.SliceStats) bool { return s.Gateway.Queue == requests-1 || s.Gateway.Refused > 0 })
	let()
	wg.Wait()
}
