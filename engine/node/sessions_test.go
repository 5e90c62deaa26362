package node

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/satellite"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/link"
)

// TestTheFirstTableIsWhole: an edge that is there before the node has made its table anew is sent nothing until then: it would serve none of its hosts.
func TestTheFirstTableIsWhole(t *testing.T) {
	t.Parallel()
	quiet := slog.New(slog.DiscardHandler)
	g, err := edge.New(edge.Config{Addr: "127.0.0.1:0", CapacityBps: 1_000_000_000, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	key := nexus.KeySigner(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	s := &sessions{gateway: g, server: link.NewServer(watchHome{}, quiet), sealer: satellite.NewSealer(key, nexus.ID{1}, true),
		changed: make(chan struct{}, 1), whole: make(chan struct{})}
	joined := make(chan struct{})
	s.server.OnJoin = func(link.Greeting) { close(joined) }
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	n := &Node{cfg: Config{CapacityBps: 1_000_000_000}, log: quiet}
	running.Go(func() { _ = s.server.Serve(ctx, ln) }) // ends with ctx
	running.Go(func() { n.publish(ctx, s) })
	tables := make(chan []byte, 8)
	dial := func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "unix", path) }
	c := link.NewClient(dial, link.Greeting{Name: "front"}, func(b []byte) (bool, error) { tables <- b; return true, nil }, quiet)
	running.Go(func() { _ = c.Run(ctx) }) // ends with ctx
	select {
	case <-joined:
	case <-ctx.Done():
		t.Fatal("the edge does not join")
	}
	unit := slices.Default(nexus.ID{2}, "unit")
	table, err := edge.NewTable([]edge.Route{{Host: "a.test", Unit: unit.Unit, SliceID: unit.ID}}, []slices.Slice{unit})
	if err == nil {
		err = g.Swap(table)
	}
	if err != nil {
		t.Fatal(err)
	}
	close(s.whole)
	select {
	case b := <-tables:
		var got struct{ Routes []edge.Route }
		if err := json.Unmarshal(b, &got); err != nil || len(got.Routes) != 1 {
			t.Errorf("the first table has %d routes: %v", len(got.Routes), err)
		}
	case <-ctx.Done():
		t.Fatal("no table comes")
	}
}
