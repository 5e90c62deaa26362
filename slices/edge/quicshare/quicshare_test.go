package quicshare

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

const testWait = 20 * time.Second

// house is a shared socket as its keeper holds it, with what its processes need.
type house struct {
	t      *testing.T
	keep   *net.UDPConn
	folder string
	secret Secret
	tls    *tls.Config
	next   uint16
}

func newHouse(t *testing.T, addr string) *house {
	t.Helper()
	at, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	keep, err := net.ListenUDP("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keep.Close() })
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"a.test"}}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "nxq") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return &house{t: t, keep: keep, folder: folder, secret: NewSecret(),
		tls: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"echo"}}}
}

// lodger is one process's part, with a QUIC server on it that answers each stream with its own bytes and says by its number who it is.
type lodger struct {
	port     *Port
	tr       *quic.Transport
	ln       *quic.Listener
	number   uint16
	accepted sync.WaitGroup
}

// move in opens the part of one more process, on a descriptor of its own as an inherited one would be.
func (h *house) moveIn() *lodger {
	h.t.Helper()
	f, err := h.keep.File()
	if err != nil {
		h.t.Fatal(err)
	}
	c, err := net.FilePacketConn(f)
	if err = errors.Join(err, f.Close()); err != nil {
		h.t.Fatal(err)
	}
	h.next++
	l := &lodger{number: h.next}
	if l.port, err = Open(Config{UDP: c.(*net.UDPConn), Folder: h.folder, Secret: h.secret, Owner: h.next}); err != nil {
		h.t.Fatal(err)
	}
	l.tr = l.port.Transport()
	if l.ln, err = l.tr.Listen(h.tls, &quic.Config{MaxIdleTimeout: testWait, KeepAlivePeriod: time.Second}); err != nil {
		h.t.Fatal(err)
	}
	l.accepted.Go(l.accept)
	h.t.Cleanup(l.moveOut)
	return l
}

func (l *lodger) accept() {
	for {
		c, err := l.ln.Accept(context.Background())
		if err != nil {
			return
		}
		l.accepted.Go(func() {
			for {
				s, err := c.AcceptStream(context.Background())
				if err != nil {
					return
				}
				l.accepted.Go(func() {
					_, _ = fmt.Fprintf(s, "%d ", l.number)
					_, _ = io.Copy(s, s)
					_ = s.Close()
				})
			}
		})
	}
}

// moveOut ends all of it with a word to its clients; vanish is a kill: no word is said.
func (l *lodger) moveOut() {
	_ = l.ln.Close()
	_ = l.tr.Close()
	_ = l.port.Close()
	l.accepted.Wait()
}

func (h *house) dial(tr *quic.Transport) *quic.Conn {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), testWait)
	defer cancel()
	to := h.keep.LocalAddr().(*net.UDPAddr)
	if to.IP.IsUnspecified() {
		to = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: to.Port}
	}
	c, err := tr.Dial(ctx, to, &tls.Config{InsecureSkipVerify: true, ServerName: "a.test", NextProtos: []string{"echo"}},
		&quic.Config{MaxIdleTimeout: testWait})
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func (h *house) client() *quic.Transport {
	h.t.Helper()
	udp, err := net.ListenPacket("udp", net.JoinHostPort(h.keep.LocalAddr().(*net.UDPAddr).IP.String(), "0"))
	if err != nil {
		h.t.Fatal(err)
	}
	tr := &quic.Transport{Conn: udp}
	h.t.Cleanup(func() { _ = tr.Close(); _ = udp.Close() })
	return tr
}

// echo sends bytes over a new stream of c and says who answered; the answer must be the bytes.
func echo(c *quic.Conn, n int) (who string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), testWait)
	defer cancel()
	s, err := c.OpenStreamSync(ctx)
	if err != nil {
		return "", err
	}
	_ = s.SetDeadline(time.Now().Add(testWait))
	sent := make([]byte, n)
	_, _ = rand.Read(sent)
	go func() {
		_, _ = s.Write(sent)
		_ = s.Close()
	}()
	got, err := io.ReadAll(s)
	if err != nil {
		return "", err
	}
	name, body, _ := bytes.Cut(got, []byte(" "))
	if !bytes.Equal(body, sent) {
		return string(name), fmt.Errorf("%d bytes came back of %d, or other ones", len(body), n)
	}
	return string(name), nil
}

// TestRetired: a connection stays with its process and loses nothing after another process has taken the port over, on every kind of address; new
// connections are the other's.
func TestRetired(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::1]:0"} {
		t.Run(addr, func(t *testing.T) {
			h := newHouse(t, addr)
			first := h.moveIn()
			old := h.dial(h.client())
			if who, err := echo(old, 10_000); who != "1" || err != nil {
				t.Fatalf("before: answered by %q, %v", who, err)
			}
			second := h.moveIn()
			first.port.Retire()
			for range 5 {
				if who, err := echo(old, 1_000_000); who != "1" || err != nil {
					t.Fatalf("retired: answered by %q, %v", who, err)
				}
			}
			for range 5 {
				if who, err := echo(h.dial(h.client()), 10_000); who != "2" || err != nil {
					t.Fatalf("new connection: answered by %q, %v", who, err)
				}
			}
			passed, received := second.port.Stats().PassedOn, first.port.Stats().Received
			if passed < 100 || received != passed {
				t.Errorf("%d datagrams passed on, %d received", passed, received)
			}
			if n := first.port.Stats().PassedOn; n != 0 {
				t.Errorf("the retired process passed %d on, yet reads nothing", n)
			}
		})
	}
}

// TestBothRead: while two processes read the socket, each connection is served by one of them alone and loses nothing.
func TestBothRead(t *testing.T) {
	h := newHouse(t, "127.0.0.1:0")
	a := h.moveIn()
	conns := map[*quic.Conn]string{}
	for range 12 {
		conns[h.dial(h.client())] = "1"
	}
	b := h.moveIn()
	a.port.Retire()
	for len(conns) < 24 {
		conns[h.dial(h.client())] = "2"
	}
	a.port.retired.Store(false) // and both read again, as in the moment of an upgrade
	if err := a.port.udp.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	a.port.loops.Go(a.port.readShared)
	before := a.port.Stats().Received + b.port.Stats().Received
	var clients sync.WaitGroup
	for c, owner := range conns {
		clients.Go(func() {
			for range 6 {
				if who, err := echo(c, 50_000); err != nil || who != owner {
					t.Errorf("answered by %q, %v; it is %s's", who, err, owner)
				}
			}
		})
	}
	clients.Wait()
	if n := a.port.Stats().Received + b.port.Stats().Received - before; n == 0 {
		t.Error("nothing was passed on, so nothing was tested")
	}
}

// TestGone: the client of a process that was killed learns it by a stateless reset from the one that reads now, long before its idle timeout.
func TestGone(t *testing.T) {
	h := newHouse(t, "127.0.0.1:0")
	first := h.moveIn()
	c := h.dial(h.client())
	if _, err := echo(c, 1000); err != nil {
		t.Fatal(err)
	}
	second := h.moveIn()
	_ = first.port.Close() // the kernel's part of a kill: its sockets end, nothing is said
	began := time.Now()
	_, err := echo(c, 1000)
	var reset *quic.StatelessResetError
	if !errors.As(err, &reset) {
		t.Errorf("after %s: %v, a stateless reset wanted", time.Since(began), err)
	}
	if second.port.Stats().Orphans == 0 {
		t.Error("no orphan counted")
	}
	if who, err := echo(h.dial(h.client()), 1000); who != "2" || err != nil {
		t.Errorf("new connection: answered by %q, %v", who, err)
	}
}

// TestMigration: a client that changes its path, with the old one dead, stays with its process: its ids name that, not its address. So it does while
// another process reads the port, and what the reader gets goes to the one that is named.
func TestMigration(t *testing.T) {
	h := newHouse(t, "127.0.0.1:0")
	first := h.moveIn()
	c := h.dial(h.client())
	if who, err := echo(c, 10_000); who != "1" || err != nil {
		t.Fatalf("before: answered by %q, %v", who, err)
	}
	var second *lodger
	for move := range 2 { // QUIC's library takes no third change of path on one connection
		if move == 1 {
			second = h.moveIn()
			first.port.Retire()
		}
		path, err := c.AddPath(h.client())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), testWait)
		err = path.Probe(ctx)
		cancel()
		if err != nil {
			t.Fatalf("move %d: the new path is not taken: %v", move, err)
		}
		if err := path.Switch(); err != nil {
			t.Fatal(err)
		}
		if who, err := echo(c, 300_000); who != "1" || err != nil {
			t.Errorf("move %d: answered by %q, %v", move, who, err)
		}
	}
	if n := second.port.Stats().PassedOn; n == 0 {
		t.Error("nothing was passed on, so nothing was tested")
	}
	if n := second.port.Stats().Orphans; n != 0 {
		t.Errorf("%d datagrams of a living process were taken for a dead one's", n)
	}
}

// TestStopped: a process that takes nothing holds up nobody else, and loses only its own datagrams.
func TestStopped(t *testing.T) {
	h := newHouse(t, "127.0.0.1:0")
	reader := h.moveIn()
	deaf, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: mailbox(h.folder, 77)}) // never read
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = deaf.Close() }()
	out, err := net.Dial("udp", h.keep.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	id, err := NewIDs(h.secret, 77).GenerateConnectionID()
	if err != nil {
		t.Fatal(err)
	}
	datagram := append([]byte{0x40}, append(id.Bytes(), make([]byte, 1000)...)...)
	for n := 0; reader.port.Stats().Dropped == 0; n++ {
		if n > 100*routeMax {
			t.Fatal("nothing was ever dropped")
		}
		if _, err := out.Write(datagram); err != nil {
			t.Fatal(err)
		}
	}
	if who, err := echo(h.dial(h.client()), 100_000); who != "1" || err != nil {
		t.Errorf("beside it: answered by %q, %v", who, err)
	}
}

// TestCloseEnds: closing ends a read that waits, and again does nothing.
func TestCloseEnds(t *testing.T) {
	h := newHouse(t, "127.0.0.1:0")
	l := h.moveIn()
	l.moveOut()
	if _, _, err := l.port.ReadFrom(make([]byte, 10)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	if err := l.port.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := Open(Config{UDP: mustUDP(t), Folder: h.folder + "/none"}); err == nil {
		t.Error("opened without a folder")
	}
}

func mustUDP(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
