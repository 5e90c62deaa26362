package sshd

import (
	"net"
	stdslices "slices"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/ssh"
)

// addressesMost bounds how many addresses with failed logins are remembered. When it is reached, all are forgotten: the limit is
// against guessing, and nobody guesses an Ed25519 key.
const addressesMost = 4096

// door counts connections. A connection counts as logging in until its first session begins.
type door struct {
	limits Limits

	mu       sync.Mutex // guards all below
	conns    map[*guest]struct{}
	logins   int
	failures map[string]int // failed logins by address since the time below
	since    time.Time
	left     map[string]string // keys offered by connections that were closed before their login was over, by address
}

// guest is one connection from the door's point of view.
type guest struct {
	net.Conn
	door  *door
	once  sync.Once
	mu    sync.Mutex  // guards the three below; taken before door.mu, but by admit, whose guest nobody knows yet
	late  *time.Timer // ends a login that takes too long
	known bool
	open  int      // channels
	keys  []string // offered, their fingerprints; guarded by mu
}

// Bounds of what is remembered of failed logins: keys of one connection, and connections. When the second is reached, all are forgotten.
const (
	keysNoted = 8
	leftMost  = 256
)

// offer notes a key that the client offered.
func (g *guest) offer(fingerprint string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.keys) < keysNoted && !stdslices.Contains(g.keys, fingerprint) { // a client asks first and signs then
		g.keys = append(g.keys, fingerprint)
	}
}

// admit takes a connection in, or gives nil when there is no room.
func (s *Server) admit(ctx ssh.Context, c net.Conn) net.Conn {
	d := &s.door
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); now.Sub(d.since) > d.limits.FailureTime || len(d.failures) > addressesMost {
		d.failures, d.since = map[string]int{}, now
	}
	if s.ctx.Err() != nil || len(d.conns) >= d.limits.Connections || d.logins >= d.limits.Logins ||
		d.failures[address(c.RemoteAddr())] >= d.limits.FailuresPerTime {
		return nil
	}
	if d.conns == nil {
		d.conns = map[*guest]struct{}{}
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(unsentMost) // a kernel that refuses has its own bound
	}
	g := &guest{Conn: c, door: d}
	d.conns[g] = struct{}{}
	d.logins++
	g.mu.Lock()
	g.late = time.AfterFunc(d.limits.Login, func() { _ = g.Close() })
	g.mu.Unlock()
	ctx.SetValue(guestKey{}, g)
	return g
}

// begin says that a session of the connection has begun: its login is over.
func (g *guest) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.late.Stop()
	if g.known {
		return
	}
	g.known = true
	g.door.mu.Lock()
	g.door.logins--
	g.door.mu.Unlock()
}

// channel counts one channel in; false when the connection has too many.
func (g *guest) channel(most int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open >= most {
		return false
	}
	g.open++
	return true
}

// out gives a channel back. A connection whose last session is over has the time of a login to begin another.
func (g *guest) out() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open--; g.open == 0 && g.known {
		g.late.Reset(g.door.limits.Login)
	}
}

// Close implements net.Conn, once.
func (g *guest) Close() error {
	err := net.ErrClosed
	g.once.Do(func() {
		g.mu.Lock()
		g.late.Stop()
		known, keys := g.known, strings.Join(g.keys, " ")
		g.known = true
		g.mu.Unlock()
		g.door.mu.Lock()
		delete(g.door.conns, g)
		if !known {
			g.door.logins--
		}
		if !known && keys != "" {
			if g.door.left == nil || len(g.door.left) >= leftMost {
				g.door.left = map[string]string{}
			}
			g.door.left[g.RemoteAddr().String()] = keys
		}
		g.door.mu.Unlock()
		err = g.Conn.Close()
	})
	return err
}

func (d *door) failed(a net.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failures[address(a)]++
}

// offered lists the keys that the connection from an address offered. The library has closed it by then and hands its own wrapping of it back.
func (d *door) offered(a net.Addr) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	keys, ok := d.left[a.String()]
	delete(d.left, a.String())
	if !ok {
		return "no key"
	}
	return keys
}

func (d *door) closeAll() {
	d.mu.Lock()
	all := make([]*guest, 0, len(d.conns))
	for g := range d.conns {
		all = append(all, g)
	}
	d.mu.Unlock()
	for _, g := range all {
		_ = g.Close() // it is going away
	}
}

// leaving reports whether a connection that had a session is still open.
func (d *door) leaving() bool {
	conns, logins := d.count()
	return conns > logins
}

// count is how many connections are open, and how many of them have not logged in.
func (d *door) count() (conns, logins int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns), d.logins
}

// address is what failed logins are counted by: an IPv4 address, or the /64 that an IPv6 one lies in.
func address(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	ip := net.ParseIP(host)
	if ip == nil || ip.To4() != nil {
		return host
	}
	return ip.Mask(net.CIDRMask(64, 128)).String()
}
