package edge

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// shakeQUIC takes one QUIC connection through its handshake and ends it. It reports whether the client came back with a ticket.
func shakeQUIC(ctx context.Context, g *Gateway, ca *DevCA, host string, tickets tls.ClientSessionCache) (resumed bool, err error) {
	config := &tls.Config{RootCAs: ca.Pool(), ServerName: host, NextProtos: []string{http3.NextProtoH3}, ClientSessionCache: tickets}
	qc, err := quic.DialAddr(ctx, g.QUICAddr(), config, nil)
	if err != nil {
		return false, err
	}
	if tickets != nil {
		if _, err := qc.AcceptUniStream(ctx); err != nil { // the server's settings come with or after the ticket
			return false, err
		}
	}
	return qc.ConnectionState().TLS.DidResume, qc.CloseWithError(0, "")
}

// twoOverQUIC is a gateway with the slices a and b.
func twoOverQUIC(t *testing.T, more ...func(*Config)) (g *Gateway, ca *DevCA, a, b *sliceState) {
	t.Helper()
	ca = newCA(t)
	sa, sb := unit("a"), unit("b")
	g = gateway(t, table(t, []Route{route("a.test", sa, backend(t, text("a"))), route("b.test", sb, backend(t, text("b")))}, sa, sb), func(c *Config) {
		c.Addr, c.TLSAddr, c.Certificate, c.HeaderTimeout, c.QUIC = "", "127.0.0.1:0", ca.Certificate, 60*time.Second, true
		for _, change := range more {
			change(c)
		}
	})
	return g, ca, g.stateOf(t, "a"), g.stateOf(t, "b")
}

// Beside others a slice's handshakes of QUIC are computed one at a time, in turn with those over TCP and resumed ones too; another slice's do not wait; and
// each turn is given back.
func TestHandshakesOfQUICTakeTurns(t *testing.T) {
	t.Parallel()
	g, ca, a, b := twoOverQUIC(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tickets := tls.NewLRUClientSessionCache(1)
	if _, err := shakeQUIC(ctx, g, ca, "a.test", tickets); err != nil {
		t.Fatal(err)
	}
	busy(g, b)
	takeTurn(a.signing, ctx.Done()) // somebody computes for a
	var done atomic.Int32
	var resumed atomic.Bool
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			var with tls.ClientSessionCache
			if i == 0 {
				with = tickets
			}
			came, err := shakeQUIC(ctx, g, ca, "a.test", with)
			if err != nil {
				t.Error(err)
			}
			resumed.Store(came || resumed.Load())
			done.Add(1)
		})
	}
	eventually(t, "all eight wait", func() bool { return a.quicWaiting.Load() == 8 })
	if _, err := shakeQUIC(ctx, g, ca, "b.test", nil); err != nil {
		t.Errorf("another slice's handshake: %v", err)
	}
	if err := shake(g, ca, "b.test", nil); err != nil {
		t.Errorf("another slice's handshake over TCP: %v", err)
	}
	if n := done.Load(); n != 0 {
		t.Errorf("%d handshakes were computed beside one of the same slice", n)
	}
	<-a.signing
	wg.Wait()
	if !resumed.Load() {
		t.Error("the client was given no ticket: a resumed handshake was not shown")
	}
	eventually(t, "every turn is given back", func() bool {
		return len(a.signing)+len(a.next)+len(b.signing)+len(b.next)+len(g.signing) == 0 && a.quicWaiting.Load()+b.quicWaiting.Load() == 0
	})
}

// A handshake that fails gives its turn back: for want of a certificate, and because the client does not like it.
func TestAFailedHandshakeOfQUICHoldsNoTurn(t *testing.T) {
	t.Parallel()
	g, ca, a, b := twoOverQUIC(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	busy(g, b)
	for range 3 {
		if _, err := shakeQUIC(ctx, g, newCA(t), "a.test", nil); err == nil {
			t.Error("an unknown authority was believed")
		}
		if _, err := quic.DialAddr(ctx, g.QUICAddr(), &tls.Config{RootCAs: ca.Pool(), ServerName: "a.test", NextProtos: []string{"gopher"}}, nil); err == nil {
			t.Error("a protocol was agreed on that is not served")
		}
	}
	if _, err := shakeQUIC(ctx, g, ca, "a.test", nil); err != nil {
		t.Error(err)
	}
	eventually(t, "every turn is given back", func() bool { return len(a.signing)+len(a.next)+len(g.signing) == 0 })
}

// A client that has the answer and does not go on holds no turn.
func TestAQUICClientThatDoesNotGoOnHoldsNoTurn(t *testing.T) {
	t.Parallel()
	g, ca, a, b := twoOverQUIC(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	busy(g, b)
	answered, goOn, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		qc, err := quic.DialAddr(ctx, g.QUICAddr(), &tls.Config{RootCAs: ca.Pool(), ServerName: "a.test", NextProtos: []string{http3.NextProtoH3},
			VerifyConnection: func(tls.ConnectionState) error {
				close(answered)
				<-goOn
				return nil
			}}, nil)
		if err == nil {
			err = qc.CloseWithError(0, "")
		}
		result <- err
	}()
	<-answered
	eventually(t, "the turn is given back", func() bool { return len(a.signing)+len(a.next)+len(g.signing) == 0 })
	close(goOn)
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// Of one slice only so many clients wait; the next are refused and counted, and other slices' are not. A gateway that ends waits for none.
func TestTooManyHandshakesOfQUICAreRefused(t *testing.T) {
	t.Parallel()
	g, ca, a, b := twoOverQUIC(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a.quicWaiting.Store(quicWaitingMax)
	if _, err := shakeQUIC(ctx, g, ca, "a.test", nil); err == nil || a.counters.Refused.Load() != 1 {
		t.Errorf("%v, %d refused", err, a.counters.Refused.Load())
	}
	if _, err := shakeQUIC(ctx, g, ca, "b.test", nil); err != nil || b.counters.Refused.Load() != 0 {
		t.Errorf("another slice's client: %v", err)
	}
	a.quicWaiting.Store(0)
	busy(g, b)
	takeTurn(a.signing, ctx.Done())
	result := make(chan error, 1)
	go func() {
		_, err := shakeQUIC(ctx, g, ca, "a.test", nil)
		result <- err
	}()
	eventually(t, "it waits", func() bool { return a.quicWaiting.Load() == 1 })
	if err := g.CloseQUIC(); err != nil {
		t.Error(err)
	}
	if <-result == nil {
		t.Error("a handshake was computed out of its turn")
	}
	if n := len(a.next) + len(g.signing); n != 0 {
		t.Errorf("%d turns are held", n)
	}
}

// A client that takes its time between two key exchanges holds no turn meanwhile, and its signature needs another one.
func TestAQUICClientThatPausesHoldsNoTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &Gateway{signing: make(chan struct{}, 2), config: Config{HeaderTimeout: time.Minute}}
		s, other := shaken(g), shaken(g)
		busy(g, other)
		held := func() int { return len(s.signing) + len(s.next) + len(g.signing) }
		ctx, cancel := context.WithCancel(t.Context())
		q := &quicTurn{front: &quicFront{gateway: g, ctx: t.Context()}, slice: s, ctx: ctx}
		step := func(what string, want int, err error) {
			t.Helper()
			synctest.Wait()
			if got := held(); got != want || err != nil {
				t.Errorf("%s: %d of its turn are held, want %d; %v", what, got, want, err)
			}
		}
		step("begun", 3, q.begin())
		time.Sleep(quicTurnMost)
		time.Sleep(signingRestMost)
		step("paused and rested", 0, nil)
		step("gone on", 3, q.goOn())
		time.Sleep(time.Second)
		q.give(false) // the timer of the key exchange, late
		step("computing is never interrupted", 3, nil)
		q.end()
		time.Sleep(signingRestMost)
		step("ended", 0, nil)

		q = &quicTurn{front: q.front, slice: s, ctx: ctx}
		step("another, begun", 3, q.begin())
		step("gone on in time: the same turn", 3, q.goOn())
		time.Sleep(2 * quicTurnMost)
		step("which is kept", 3, nil)
		q.end()
		q.end()
		time.Sleep(signingRestMost)
		step("ended twice", 0, nil)

		s.signing <- struct{}{}
		q = &quicTurn{front: q.front, slice: s, ctx: ctx}
		time.AfterFunc(time.Second, cancel)
		if err := q.begin(); err == nil {
			t.Error("a turn was taken from somebody")
		}
		<-s.signing
		step("a handshake that is over waits no longer", 0, nil)
	})
}

// brokenKey is a key that was lost after its certificate was shown.
type brokenKey struct{ crypto.Signer }

func (brokenKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("no signature")
}

// A handshake that fails while it is computed, past all that ends a turn by itself, gives its turn back all the same.
func TestAHandshakeOfQUICThatCannotBeSignedHoldsNoTurn(t *testing.T) {
	t.Parallel()
	g, ca, a, b := twoOverQUIC(t, func(c *Config) {
		whole := c.Certificate
		c.Certificate = func(host string) (*tls.Certificate, error) {
			leaf, err := whole(host)
			if err != nil || host != "a.test" {
				return leaf, err
			}
			broken := *leaf
			broken.PrivateKey = brokenKey{leaf.PrivateKey.(crypto.Signer)}
			return &broken, nil
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	busy(g, b)
	for range 2 { // the second would have no turn
		if _, err := shakeQUIC(ctx, g, ca, "a.test", nil); err == nil || ctx.Err() != nil {
			t.Fatalf("a handshake without a signature: %v, %v", err, ctx.Err())
		}
		eventually(t, "the turn is given back", func() bool { return len(a.signing)+len(a.next)+len(g.signing) == 0 })
	}
}

// A handshake of QUIC costs more than its turn, so the rest after it is longer than that.
func TestAQUICHandshakeRestsForAllThatItCosts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &Gateway{signing: make(chan struct{}, 2), config: Config{HeaderTimeout: time.Minute}}
		s, other := shaken(g), shaken(g)
		busy(g, other)
		q := &quicTurn{front: &quicFront{gateway: g, ctx: t.Context()}, slice: s, ctx: t.Context()}
		if err := q.begin(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		q.end()
		time.Sleep(quicCosts*time.Millisecond - time.Microsecond)
		synctest.Wait()
		if len(s.signing) != 1 || len(g.signing)+len(s.next) != 0 {
			t.Errorf("%d turns of the slice and %d of all are held while it rests", len(s.signing), len(g.signing)+len(s.next))
		}
		time.Sleep(time.Microsecond)
		synctest.Wait()
		if len(s.signing) != 0 {
			t.Error("the rest does not end")
		}
	})
}
