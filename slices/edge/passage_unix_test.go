//go:build unix

package edge

import (
	"bytes"
	"io"
	"net"
	"testing"
)

// TestPassagesWithoutPumps: what is copied where there are none arrives, ends as it should, and ends when it is closed.
func TestPassagesWithoutPumps(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"the backend's end", "closed"} {
		up, back := upstreamPair(t)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		client := dialed(t, ln.Addr().String())
		user, err := ln.Accept()
		_ = ln.Close()
		if err != nil {
			t.Fatal(err)
		}
		_ = up.SetDeadline(aLongTimeAgo) // of the request before
		e := newCopiedEnd(up, newBufferPool())
		e.begin(nil, user)
		all := counted(3 << 20)
		got := make(chan []byte, 1)
		go func() {
			b, _ := io.ReadAll(client)
			got <- b
		}()
		if _, err := back.Write(all); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(e, "hello"); err != nil {
			t.Error(err)
		}
		hello := make([]byte, 5)
		if _, err := io.ReadFull(back, hello); err != nil || string(hello) != "hello" {
			t.Errorf("the backend got %q, %v", hello, err)
		}
		if how == "closed" {
			_ = e.Close()
		} else {
			halves(back)
		}
		<-e.ended()
		if b := <-got; how != "closed" && !bytes.Equal(b, all) {
			t.Errorf("the client got %d bytes of %d", len(b), len(all))
		}
		_ = user.Close()
	}
}
