//go:build linux

package supervise

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// ends are a queue as two workers have it, and the supervisor's own ends of it.
type ends struct {
	sender, receiver *os.File
	passer           *Passer
	queue            *queue
}

func newEnds(t *testing.T) *ends {
	t.Helper()
	sender, receiver, err := queuePair()
	if err != nil {
		t.Fatal(err)
	}
	e := &ends{sender: sender, receiver: receiver}
	f, raw, err := inherited(dup(t, sender))
	if err != nil {
		t.Fatal(err)
	}
	e.passer = &Passer{file: f, raw: raw}
	e.passer.up.Store(true)
	e.queue = e.another(t)
	t.Cleanup(func() {
		for _, c := range []io.Closer{sender, receiver, f, e.queue} {
			_ = c.Close() // some tests have closed theirs
		}
	})
	return e
}

// another is the receiving end of one more worker.
func (e *ends) another(t *testing.T) *queue {
	t.Helper()
	q, err := newQueue(dup(t, e.receiver), &net.TCPAddr{Port: 1})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func dup(t *testing.T, f *os.File) int {
	t.Helper()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// listen gives a listener and a function that connects to it and gives both ends.
func listen(t *testing.T) func() (client, accepted *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return func() (*net.TCPConn, *net.TCPConn) {
		t.Helper()
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		a, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return c.(*net.TCPConn), a.(*net.TCPConn)
	}
}

// pass hands a connection over as a worker does: its own descriptor is closed afterwards.
func (e *ends) pass(t *testing.T, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err = e.passer.Pass(raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// talk checks that what one says the other hears, both ways.
func talk(t *testing.T, client, server net.Conn, before string) {
	t.Helper()
	for _, way := range []struct {
		from, to net.Conn
		first    string
	}{{client, server, before}, {server, client, ""}} {
		if _, err := io.WriteString(way.from, "ping"); err != nil {
			t.Fatal(err)
		}
		_ = way.to.SetReadDeadline(time.Now().Add(time.Minute))
		got := make([]byte, len(way.first)+4)
		if _, err := io.ReadFull(way.to, got); err != nil || string(got) != way.first+"ping" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

// openFiles counts this process's descriptors.
func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestPassedConnectionsGoOn: 10,000 connections, each with bytes that were not read yet, arrive whole and leave no descriptor behind.
func TestPassedConnectionsGoOn(t *testing.T) {
	e, dial := newEnds(t), listen(t)
	turn := func() {
		client, accepted := dial()
		if _, err := io.WriteString(client, "unread"); err != nil {
			t.Fatal(err)
		}
		e.pass(t, accepted)
		got, err := e.queue.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got.RemoteAddr().String() != client.LocalAddr().String() {
			t.Fatalf("the client is %s, not %s", got.RemoteAddr(), client.LocalAddr())
		}
		talk(t, client, got, "unread")
		_ = client.SetLinger(0) // no port is kept by what was
		for _, c := range []net.Conn{client, got} {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	turn()
	before := openFiles(t)
	for range 10_000 {
		turn()
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// TestFullQueueKeepsNothing: a queue that is full refuses at once, the connection stays with the sender, and what lies in it is served by the next
// receiver after the first one's end.
func TestFullQueueKeepsNothing(t *testing.T) {
	e, dial := newEnds(t), listen(t)
	var clients []*net.TCPConn
	for {
		client, accepted := dial()
		raw, err := accepted.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err = e.passer.Pass(raw); err != nil {
			if !errors.Is(err, syscall.EAGAIN) {
				t.Fatal(err)
			}
			talk(t, client, accepted, "")
			_, _ = client.Close(), accepted.Close()
			break
		}
		_ = accepted.Close() // its other descriptor is in the queue
		if clients = append(clients, client); len(clients) > 30_000 {
			t.Fatal("the queue has no end")
		}
	}
	t.Logf("%d connections fit", len(clients))
	if len(clients) < 100 {
		t.Errorf("only %d connections fit the queue", len(clients))
	}
	next := e.another(t)
	defer func() { _ = next.Close() }()
	if err := e.queue.Close(); err != nil {
		t.Fatal(err)
	}
	for _, client := range clients {
		got, err := next.Accept()
		if err != nil {
			t.Fatal(err)
		}
		talk(t, client, got, "")
		_, _ = client.Close(), got.Close()
	}
}

func TestNobodyThereIsSaid(t *testing.T) {
	t.Parallel()
	e, dial := newEnds(t), listen(t)
	w := &Worker{passers: map[string]map[string]*Passer{"plain": {"patient": e.passer}}}
	client, accepted := dial()
	defer func() { _, _ = client.Close(), accepted.Close() }()
	raw, err := accepted.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	w.note("patient", false)
	if err := e.passer.Pass(raw); !errors.Is(err, ErrNoWorker) {
		t.Errorf("passed to nobody: %v", err)
	}
	w.note("other", true)
	if err := e.passer.Pass(raw); !errors.Is(err, ErrNoWorker) {
		t.Errorf("another group is no help: %v", err)
	}
	w.note("patient", true)
	if err := e.passer.Pass(raw); err != nil {
		t.Error(err)
	}
}

// send puts a message on the queue as a hostile or broken sender would.
func (e *ends) send(t *testing.T, word string, fds ...int) {
	t.Helper()
	var oob []byte
	if len(fds) > 0 {
		oob = syscall.UnixRights(fds...)
	}
	if err := syscall.Sendmsg(int(e.sender.Fd()), []byte(word), oob, nil, syscall.MSG_DONTWAIT); err != nil {
		t.Fatal(err)
	}
}

// TestOtherMessagesArePassedOver: what is no message with exactly one connected TCP socket is counted, its descriptors are closed, and the
// connection behind it is served.
func TestOtherMessagesArePassedOver(t *testing.T) {
	e, dial := newEnds(t), listen(t)
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	listening, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	file, err := listening.File()
	if err != nil {
		t.Fatal(err)
	}
	udp, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	client, accepted := dial()
	kept, err := accepted.File()
	if err != nil {
		t.Fatal(err)
	}
	good, last := dial()
	before := openFiles(t)
	tcp := int(kept.Fd())
	for _, m := range []struct {
		word string
		fds  []int
	}{{"c", nil}, {"x", []int{tcp}}, {"cc", []int{tcp}}, {"ccc", []int{tcp}}, {"c", []int{tcp, tcp}}, {"c", []int{tcp, tcp, tcp, tcp, tcp, tcp, tcp}},
		{"c", []int{pair[0]}}, {"c", []int{int(file.Fd())}}, {"c", []int{udp}}, {"c", []int{int(plain.Fd())}}} {
		e.send(t, m.word, m.fds...)
	}
	e.pass(t, last)
	got, err := e.queue.Accept()
	if err != nil {
		t.Fatal(err)
	}
	talk(t, good, got, "")
	if n := e.queue.lost.Load(); n != 10 {
		t.Errorf("%d messages counted as lost, want 10", n)
	}
	if after := openFiles(t); after != before { // got has come, last has gone
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	for _, c := range []io.Closer{client, accepted, kept, good, got, listening, file, plain} {
		_ = c.Close()
	}
	for _, fd := range []int{pair[0], pair[1], udp} {
		_ = syscall.Close(fd)
	}
}

// TestClientThatResetOnTheWay is no connection any more, and no error.
func TestClientThatResetOnTheWay(t *testing.T) {
	t.Parallel()
	e, dial := newEnds(t), listen(t)
	gone, accepted := dial()
	good, last := dial()
	e.pass(t, accepted)
	_ = gone.SetLinger(0)
	_ = gone.Close()
	e.pass(t, last)
	got, err := e.queue.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got.RemoteAddr().String() == good.LocalAddr().String() {
		talk(t, good, got, "")
	} else { // the reset had not arrived: it is the first read's
		if _, err := got.Read(make([]byte, 1)); err == nil {
			t.Error("a reset connection can be read")
		}
	}
	_, _ = good.Close(), got.Close()
}

// TestNoDescriptorLeft: with none left Accept says so before it takes anything out of the queue.
func TestNoDescriptorLeft(t *testing.T) {
	e, dial := newEnds(t), listen(t)
	client, accepted := dial()
	e.pass(t, accepted)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = 3
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	_, err := e.queue.Accept()
	if restored := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); restored != nil {
		t.Fatal(restored)
	}
	var passing interface{ Temporary() bool }
	if !errors.Is(err, syscall.EMFILE) || !errors.As(err, &passing) || !passing.Temporary() {
		t.Fatalf("%v", err)
	}
	got, err := e.queue.Accept()
	if err != nil {
		t.Fatal(err)
	}
	talk(t, client, got, "")
	_, _ = client.Close(), got.Close()
}

// TestEndOfTheSendersIsNoError: a worker whose supervisor has gone is retired by that, so its listener waits to be closed.
func TestEndOfTheSendersIsNoError(t *testing.T) {
	t.Parallel()
	e := newEnds(t)
	ended := make(chan error, 1)
	go func() {
		_, err := e.queue.Accept()
		ended <- err
	}()
	_, _ = e.sender.Close(), e.passer.file.Close()
	select {
	case err := <-ended:
		t.Fatalf("ended with the senders: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	_ = e.queue.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := e.queue.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}
