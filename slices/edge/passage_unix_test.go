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

// TestABufferIsLentForARead: who waits holds none, who has read gives it back, and a limit on what is read at once holds.
func TestABufferIsLentForARead(t *testing.T) {
	t.Parallel()
	up, back := upstreamPair(t)
	l := lentRead{pool: newBufferPool(), most: 8}
	turn := func() (done bool) {
		if err := up.raw.Control(func(fd uintptr) { done = l.step(fd) }); err != nil {
			t.Fatal(err)
		}
		return done
	}
	if turn() || l.buf != nil {
		t.Errorf("nothing to read: %d bytes of buffer", len(l.buf))
	}
	if _, err := io.WriteString(back, "0123456789"); err != nil {
		t.Fatal(err)
	}
	if err := waitReadable(up.raw); err != nil {
		t.Fatal(err)
	}
	if !turn() || l.err != nil || string(l.buf[:l.n]) != "01234567" || len(l.buf) != switchedBytes {
		t.Errorf("%d of %d bytes, %v", l.n, len(l.buf), l.err)
	}
	if l.give(); l.buf != nil {
		t.Error("the buffer was not given back")
	}
	l.large = true
	if !turn() || string(l.buf[:l.n]) != "89" || len(l.buf) != copyBufferBytes {
		t.Errorf("%d of %d bytes, %v", l.n, len(l.buf), l.err)
	}
	l.give()
	halves(back)
	if err := waitReadable(up.raw); err != nil {
		t.Fatal(err)
	}
	if !turn() || l.err != io.EOF {
		t.Errorf("at the end: %v", l.err)
	}
	l.give()
}
