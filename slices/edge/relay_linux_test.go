package edge

import (
	"io"
	"net"
	"testing"
	"time"
)

// TestABacklogIsNotOvertaken: what comes while something waits to be written is written behind it, though the socket would take it; and a backlog
// is bounded.
func TestABacklogIsNotOvertaken(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	client := dialed(t, ln.Addr().String())
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	r := newRelay(-1)
	r.conn = &conn{Conn: nc, raw: raw, gateway: &Gateway{config: Config{StallTimeout: 10 * time.Second}}}
	r.user = nc
	r.backlog, r.flushing = []byte("first "), true // is about to be written
	if n, err := r.write([]byte("second")); n != 6 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	r.failure = io.EOF // the backend's, which is told behind the backlog
	r.writeBacklog()
	if b, err := io.ReadAll(client); err != nil || string(b) != "first second" {
		t.Errorf("the client got %q, %v", b, err)
	}
	select {
	case <-r.ended():
	default:
		t.Error("nobody was told of the end")
	}
	if _, err := r.write(make([]byte, backlogMax)); err != nil {
		t.Errorf("up to the bound: %v", err)
	}
	if _, err := r.write([]byte("x")); err != errBacklog {
		t.Errorf("beyond the bound: %v", err)
	}
}

// running counts the pumps that are there.
func (p *pumps) running() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.list {
		if one != nil {
			n++
		}
	}
	return n
}
