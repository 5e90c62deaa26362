//go:build linux

package satellite

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// cable is a client's UDP socket that can be pulled: nothing goes out and nothing comes in any more, as when a phone leaves the wireless network.
type cable struct {
	*net.UDPConn
	pulled    atomic.Bool
	sent, got atomic.Int64 // datagrams since
}

// WriteTo implements net.PacketConn.
func (c *cable) WriteTo(p []byte, to net.Addr) (int, error) {
	if c.pulled.Load() {
		return len(p), nil
	}
	c.sent.Add(1)
	return c.UDPConn.WriteTo(p, to)
}

// ReadFrom implements net.PacketConn.
func (c *cable) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.UDPConn.ReadFrom(p)
		if err != nil || !c.pulled.Load() {
			c.got.Add(1)
			return n, from, err
		}
	}
}

// onlyPackets hides what else a UDP socket can do, so that QUIC uses ReadFrom and WriteTo.
type onlyPackets struct{ net.PacketConn }

// plug opens a path of a client.
func plug(t *testing.T) (*cable, *quic.Transport) {
	t.Helper()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{UDPConn: udp}
	tr := &quic.Transport{Conn: onlyPackets{c}}
	t.Cleanup(func() { _ = tr.Close(); _ = udp.Close() })
	return c, tr
}

// TestQUICMigration: a client changes its path, from another port and with the old one dead, to a UDP port that workers of two generations and groups
// hold. Its datagrams name their worker by the connection's ids, not by their address, so the stream goes on without a gap: with the worker that serves
// now, and with one that retired before the change.
func TestQUICMigration(t *testing.T) {
	for _, c := range []struct {
		name   string
		groups []string
		host   string
	}{{"one group", nil, testHost}, {"two groups", bothGroups, promptHost}} {
		t.Run(c.name, func(t *testing.T) {
			r := startRig(t, nil, c.groups...)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			m := startMigrant(ctx, t, r, c.host)
			m.events(t, 20)
			m.move(ctx, t, "while its worker serves")
			if err := r.Upgrade(ctx); err != nil {
				t.Fatal(err)
			}
			m.events(t, 20)
			m.move(ctx, t, "after its worker has retired")
			if err := post(ctx, m.client, "https://"+c.host, 1); err != nil { // a new stream of the same connection
				t.Error(err)
			}
			group := ""
			if len(c.groups) > 0 {
				group = c.groups[0]
			}
			if pids := r.Pids(group); pids[1] == 0 || pids[2] == 0 {
				t.Errorf("the workers are %v: the first has the stream", pids)
			}
		})
	}
}

// migrant is a client of HTTP/3 with one connection and an event stream on it.
type migrant struct {
	client *http.Client
	conn   *quic.Conn
	path   *cable
	lines  *bufio.Reader
	next   int
}

func startMigrant(ctx context.Context, t *testing.T, r *rig, host string) *migrant {
	t.Helper()
	m := &migrant{}
	path, tr := plug(t)
	m.path = path
	to, err := net.ResolveUDPAddr("udp", r.Addr("tls"))
	if err != nil {
		t.Fatal(err)
	}
	h3 := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: r.ca.Pool(), NextProtos: []string{http3.NextProtoH3}},
		Dial: func(ctx context.Context, _ string, c *tls.Config, q *quic.Config) (*quic.Conn, error) {
			qc, err := tr.Dial(ctx, to, c, q)
			m.conn = qc
			return qc, err
		}}
	t.Cleanup(func() { _ = h3.Close() })
	m.client = &http.Client{Transport: h3}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := m.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	m.lines = bufio.NewReader(resp.Body)
	return m
}

// events reads n events, of which none may be missing.
func (m *migrant) events(t *testing.T, n int) {
	t.Helper()
	for range n {
		if line, err := m.lines.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", m.next) {
			t.Fatalf("event %q, %v, want %d", line, err, m.next)
		}
		m.next++
	}
}

// move takes the connection to a new path, pulls the old one and reads on.
func (m *migrant) move(ctx context.Context, t *testing.T, when string) {
	t.Helper()
	cable, tr := plug(t)
	path, err := m.conn.AddPath(tr)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.Probe(ctx); err != nil {
		t.Fatalf("%s: the new path is not taken: %v", when, err)
	}
	if err := path.Switch(); err != nil {
		t.Fatal(err)
	}
	m.path.pulled.Store(true)
	m.path = cable
	before := cable.got.Load()
	m.events(t, 50)
	for range 20_000 { // what a reader that is late still finds came by the old path
		if cable.got.Load() > before {
			break
		}
		m.events(t, 1)
	}
	if cable.got.Load() == before || cable.sent.Load() == 0 {
		t.Errorf("%s: nothing went over the new path", when)
	}
}
