//go:build unix

package edge

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// keptConnection asks for one thing on one connection again and again.
type keptConnection struct {
	t       *testing.T
	c       net.Conn
	br      *bufio.Reader
	request string
}

func keep(t *testing.T, g *Gateway) *keptConnection {
	c, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // the test is over
	return &keptConnection{t, c, bufio.NewReader(c), "GET / HTTP/1.1\r\nHost: a.test\r\nX-Fill: " + strings.Repeat("x", 3000) + "\r\n\r\n"}
}

func (k *keptConnection) send() {
	if _, err := io.WriteString(k.c, k.request); err != nil {
		k.t.Fatal(err)
	}
}

func (k *keptConnection) receive() {
	resp, err := http.ReadResponse(k.br, nil)
	if err != nil {
		k.t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		k.t.Fatal(err)
	}
}

// Every request of a connection is counted and paid for, those too that are read in one go with the wait for them.
func TestEachRequestOfAConnectionIsPaidFor(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, text("a")))}, a))
	k := keep(t, g)
	const requests = 5
	for range requests {
		k.send()
		k.receive()
	}
	want := uint64(requests * len(k.request))
	eventually(t, "every byte of the requests is counted", func() bool { return g.Snapshot()[0].Gateway.BytesIn == want })
	if paid, _ := g.scheduler.Granted(g.states[a.ID].flow); paid < want+g.Snapshot()[0].Gateway.BytesOut {
		t.Errorf("%d bytes were paid for, %d came in", paid, want)
	}
}

// While a slice's gate is full nothing of a connection's next request is read; when it is not, an idle connection has no place.
func TestNothingIsReadWithoutAPlace(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, text("a")))}, a))
	k := keep(t, g)
	k.send()
	k.receive()
	gate := g.states[a.ID].gate
	eventually(t, "an idle connection has no place", func() bool { return gate.Stats().InFlight == 0 })
	for gate.TryEnter() {
	}
	before := g.Snapshot()[0].Gateway
	k.send()
	eventually(t, "the request waits for its place", func() bool { return g.Snapshot()[0].Gateway.Stalls > before.Stalls })
	if read := g.Snapshot()[0].Gateway.BytesIn; read != before.BytesIn {
		t.Errorf("%d bytes of a request were read that has no place", read-before.BytesIn)
	}
	for range gate.Stats().InFlight {
		gate.Leave()
	}
	k.receive()
	eventually(t, "an idle connection has no place", func() bool { return gate.Stats().InFlight == 0 })
}
