package edge

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// While a slice has work one connection is made at a time: the next waits for the hello of the last, or for as long as one is waited for, and as
// long again. Where nobody has work none waits, and none waits for a front that has ended.
func TestConnectionsOfQUICAreMadeInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &Gateway{signing: make(chan struct{}, 2)}
		end, stop := context.WithCancel(t.Context())
		f := &quicFront{gateway: g, ctx: end}
		last := func() *quicStart { return f.starts.last.Load() }
		start := func(what string, want time.Duration) {
			t.Helper()
			began := time.Now()
			ctx := f.start(t.Context())
			if got := time.Since(began); got != want || ctx.Value(quicStartKey{}) != last() {
				t.Errorf("%s: waited %v, want %v", what, got, want)
			}
		}
		start("the first", 0)
		start("nobody has work", 0)
		busy(g, shaken(g))
		time.Sleep(500 * time.Microsecond)
		last().end()
		start("the hello took half a millisecond", 500*time.Microsecond)
		go func() {
			time.Sleep(time.Millisecond)
			last().end()
			last().end()
		}()
		start("the hello comes after one", 2*time.Millisecond)
		start("no hello comes", 2*quicStartMost)
		last().end()
		time.Sleep(time.Millisecond)
		start("the last has rested", 0)
		for range 8 { // whichever it sees first of the hello and the end of its time
			time.Sleep(time.Second)
			last().end()
			start("the hello took a second", 0)
		}
		ctx, cancel := context.WithCancel(t.Context())
		f.start(ctx)
		time.AfterFunc(time.Millisecond, cancel)
		start("the last was given up after one", 2*time.Millisecond)
		time.AfterFunc(time.Millisecond, stop)
		start("the front ends after one", time.Millisecond)
	})
}

// halfHello is the first datagram of a client that never says more: a packet that cannot be opened, with an id of its own.
func halfHello() []byte {
	const length, versionAt, idAt, idBytes = 1200, 1, 5, 8
	b := make([]byte, length)
	_, _ = rand.Read(b)
	b[0] = 0xC3 // an initial packet
	binary.BigEndian.PutUint32(b[versionAt:], uint32(quic.Version1))
	b[idAt] = idBytes
	rest := b[idAt+1+idBytes:]
	rest[0], rest[1] = 0, 0 // no id of the client's, no token
	binary.BigEndian.PutUint16(rest[2:], 0x4000|uint16(len(rest)-4))
	return b
}

// Beside clients that never end their hello others are served: a connection that is open at once, and new ones of the same slice and of another. A hello that
// was read ends its turn.
func TestHalfHellosHoldNobodyUp(t *testing.T) {
	t.Parallel()
	g, ca, _, b := twoOverQUIC(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	busy(g, b)
	qc, err := quic.DialAddr(ctx, g.QUICAddr(), &tls.Config{RootCAs: ca.Pool(), ServerName: "a.test", NextProtos: []string{http3.NextProtoH3}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = qc.CloseWithError(0, "") }()
	select {
	case <-g.quic.starts.last.Load().read:
	default:
		t.Error("the handshake is done, and its turn to be made is not")
	}
	before := g.quic.starts.last.Load()
	flood, err := net.Dial("udp", g.QUICAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = flood.Close() }()
	for range 4 * quicHalfOpenMax {
		if _, err := flood.Write(halfHello()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "their connections are made", func() bool { return g.quic.starts.last.Load() != before && g.quic.halfOpen.Load() >= quicHalfOpenMax })
	askHTTP3(ctx, t, (&http3.Transport{}).NewClientConn(qc), "a.test")
	for _, host := range []string{"a.test", "b.test"} {
		if _, err := shakeQUIC(ctx, g, ca, host, nil); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if n := g.quic.halfOpen.Load(); n > quicHalfOpenMax+1 {
		t.Errorf("%d connections were made for clients that have not shown where they are", n)
	}
}
