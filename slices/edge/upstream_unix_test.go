//go:build unix

package edge

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// upstreamPair gives a connection as it comes from the pool, and its backend's end.
func upstreamPair(t *testing.T) (*upstream, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	up, err := newUpstreams().get(t.Context(), ln.Addr().String(), true, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	back, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = up.Close(), back.Close() })
	up.reused, up.stall = true, time.Minute
	_ = back.SetDeadline(time.Now().Add(time.Minute))
	return up, back
}

// ask sends a request as the forwarder does and reads the line of the answer.
func (u *upstream) ask(request []byte) (string, error) {
	u.asked, u.until, u.unsent = time.Now(), time.Now().Add(time.Minute), request
	return u.br.ReadString('\n')
}

// answerOne answers a request of n bytes with a line.
func answerOne(back net.Conn, n int, line string) error {
	b := make([]byte, n)
	if _, err := io.ReadFull(back, b); err != nil {
		return err
	}
	if !bytes.Equal(b, bytes.Repeat([]byte("r"), n)) {
		return errors.New("not the request")
	}
	_, err := io.WriteString(back, line)
	return err
}

// TestRequestsGoOutWithTheFirstRead: of every size, also of more than the socket takes at once.
func TestRequestsGoOutWithTheFirstRead(t *testing.T) {
	t.Parallel()
	up, back := upstreamPair(t)
	for _, n := range []int{1, 300, 8 << 20, 300} {
		answered := make(chan error, 1)
		go func() { answered <- answerOne(back, n, "yes\n") }()
		line, err := up.ask(bytes.Repeat([]byte("r"), n))
		if line != "yes\n" || err != nil {
			t.Fatalf("%d bytes: %q, %v", n, line, err)
		}
		if err := <-answered; err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		up.rest()
	}
}

// TestNothingIsSentOnWhatHasEnded: neither when the backend has ended its side, nor when it has said what nobody asked for, which would be taken
// for the answer.
func TestNothingIsSentOnWhatHasEnded(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(net.Conn) error{
		"ended": func(c net.Conn) error { return c.(*net.TCPConn).CloseWrite() },
		"said":  func(c net.Conn) error { _, err := io.WriteString(c, "yes\n"); return err },
	} {
		up, back := upstreamPair(t)
		if err := end(back); err != nil {
			t.Fatal(err)
		}
		if err := waitReadable(up.raw); err != nil { // it is here
			t.Fatal(err)
		}
		if line, err := up.ask([]byte("request")); line != "" || !errors.Is(err, errEnded) {
			t.Errorf("%s: %q, %v", name, line, err)
		}
		_ = up.Close()
		if b, err := io.ReadAll(back); len(b) > 0 && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: the backend got %q", name, b)
		}
	}
}

// TestDeadlinesOfEarlierRequestsEndNothing: one that passed before, and one that passes within the wait.
func TestDeadlinesOfEarlierRequestsEndNothing(t *testing.T) {
	t.Parallel()
	up, back := upstreamPair(t)
	for _, left := range []time.Duration{-time.Second, time.Microsecond, 30 * time.Millisecond} {
		up.untilSet = time.Now().Add(left)
		if err := up.SetReadDeadline(up.untilSet); err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		go func() {
			first := make([]byte, 1)
			_, err := io.ReadFull(back, first) // the request is here: the deadline may pass now
			time.Sleep(2 * max(left, 0))
			answered <- errors.Join(err, answerOne(back, 6, "yes\n"))
		}()
		if line, err := up.ask(bytes.Repeat([]byte("r"), 7)); line != "yes\n" || err != nil {
			t.Errorf("a deadline in %v: %q, %v", left, line, err)
		}
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
		up.rest()
	}
	up.until = time.Now().Add(time.Millisecond)
	if _, err := up.br.ReadByte(); !isTimeout(err) {
		t.Errorf("its own: %v", err)
	}
}
