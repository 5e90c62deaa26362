package edge

import (
	"bufio"
	"io"
	"net/http"
	"testing"
	"time"
)

// TestBackendThatNeverEndsAnUpgrade: a client opens a WebSocket and ends its side; the backend takes no notice. Closing the gateway ends the stream all
// the same.
func TestBackendThatNeverEndsAnUpgrade(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, func(w http.ResponseWriter, _ *http.Request) {
		nc, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return // the client sees no answer
		}
		_, _ = io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n") // read by the client
		<-over
		_ = nc.Close() // the gateway has by then
	}))}, a))
	nc := dialed(t, g.Addr())
	if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(nc), nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", resp, err)
	}
	if err := closeWrite(nc); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is a stream", func() bool { return g.Snapshot()[0].Gateway.Streams == 1 })
	ended := make(chan error, 1)
	go func() { ended <- g.Close(50 * time.Millisecond) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the gateway does not end")
	}
}
