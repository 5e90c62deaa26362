package edge

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// shake takes one connection through its handshake and ends it.
func shake(g *Gateway, ca *DevCA, host string, edit func(*tls.Config)) error {
	config := &tls.Config{RootCAs: ca.Pool(), ServerName: host}
	if edit != nil {
		edit(config)
	}
	c, err := tls.Dial("tcp", g.TLSAddr(), config)
	if err == nil {
		err = c.Close()
	}
	return err
}

// twoOverTLS is a gateway with the slices a and b.
func twoOverTLS(t *testing.T, headerTimeout time.Duration) (g *Gateway, ca *DevCA, a, b *sliceState) {
	t.Helper()
	ca = newCA(t)
	sa, sb := unit("a"), unit("b")
	g = gateway(t, table(t, []Route{route("a.test", sa, backend(t, text("a"))), route("b.test", sb, backend(t, text("b")))}, sa, sb), func(c *Config) {
		c.Addr, c.TLSAddr, c.Certificate, c.HeaderTimeout = "", "127.0.0.1:0", ca.Certificate, headerTimeout
	})
	return g, ca, g.stateOf(t, "a"), g.stateOf(t, "b")
}

// Beside others at most one handshake of a slice is computed at a time, another slice's beside it; and whatever ends a handshake, its turn is given back.
func TestOneHandshakeIsComputedAtATime(t *testing.T) {
	t.Parallel()
	g, ca, slow, other := twoOverTLS(t, 60*time.Second)
	busy(g, other)
	slow.signing <- struct{}{} // somebody computes for a
	var done atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := shake(g, ca, "a.test", nil); err != nil {
				t.Error(err)
			}
			done.Add(1)
		})
	}
	if err := shake(g, ca, "b.test", nil); err != nil {
		t.Errorf("another slice's handshake: %v", err)
	}
	if n := done.Load(); n != 0 {
		t.Errorf("%d handshakes were computed beside one of the same slice", n)
	}
	<-slow.signing
	wg.Wait()
	// A client that goes away after its hello, and one that does not like the certificate.
	c, err := net.Dial("tcp", g.TLSAddr())
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = tls.Client(c, &tls.Config{ServerName: "a.test", InsecureSkipVerify: true}).Handshake() }()
	time.Sleep(time.Millisecond)
	_ = c.Close()
	if shake(g, ca, "a.test", nil) != nil {
		t.Error("a client of good will is refused")
	}
	if shake(g, ca, "a.test", func(c *tls.Config) { c.RootCAs = x509.NewCertPool() }) == nil {
		t.Error("an unknown authority was believed")
	}
	eventually(t, "every turn is given back", func() bool { return len(slow.signing)+len(slow.next)+len(other.signing)+len(g.signing) == 0 })
}

// The turn begins before the key exchange: a client that comes back with a ticket needs no signature and waits all the same.
func TestTheKeyExchangeIsPartOfTheTurn(t *testing.T) {
	t.Parallel()
	g, ca, a, b := twoOverTLS(t, 60*time.Second)
	tickets := tls.NewLRUClientSessionCache(1)
	resume := func() (resumed bool, err error) {
		c, err := tls.Dial("tcp", g.TLSAddr(), &tls.Config{RootCAs: ca.Pool(), ServerName: "a.test", ClientSessionCache: tickets, NextProtos: []string{"http/1.1"}})
		if err != nil {
			return false, err
		}
		defer func() { _ = c.Close() }()
		_, err = c.Write([]byte("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"))
		if err == nil {
			_, err = c.Read(make([]byte, 1)) // the ticket has come before that
		}
		return c.ConnectionState().DidResume, err
	}
	if _, err := resume(); err != nil {
		t.Fatal(err)
	}
	busy(g, b)
	a.signing <- struct{}{}
	over := make(chan bool)
	go func() {
		resumed, err := resume()
		if err != nil {
			t.Error(err)
		}
		over <- resumed
	}()
	for range 5 { // each of them has its key exchange in this time
		if err := shake(g, ca, "b.test", nil); err != nil {
			t.Error(err)
		}
	}
	select {
	case <-over:
		t.Fatal("keys were exchanged out of turn")
	default:
	}
	<-a.signing
	if !<-over {
		t.Error("the client was given no ticket: nothing was shown")
	}
}

// The server's second computing for a client of TLS 1.2 needs a turn too, and a client that is slow between the two holds none.
func TestTheSecondStepOfTLS12NeedsATurn(t *testing.T) {
	t.Parallel()
	g, ca, a, b := twoOverTLS(t, 60*time.Second)
	busy(g, b)
	var done atomic.Bool
	answered, goOn := make(chan struct{}), make(chan struct{})
	result := make(chan error, 1)
	go func() {
		err := shake(g, ca, "a.test", func(c *tls.Config) {
			c.MaxVersion = tls.VersionTLS12
			c.VerifyConnection = func(tls.ConnectionState) error { // the server has answered
				close(answered)
				<-goOn
				return nil
			}
		})
		done.Store(true)
		result <- err
	}()
	select {
	case <-answered:
	case err := <-result:
		t.Fatal(err)
	}
	a.signing <- struct{}{} // free after the rest: the client that waits holds nothing
	close(goOn)
	for range 5 {
		if err := shake(g, ca, "b.test", nil); err != nil {
			t.Error(err)
		}
	}
	if done.Load() {
		t.Error("the second step was computed out of turn")
	}
	<-a.signing
	if err := <-result; err != nil {
		t.Error(err)
	}
	eventually(t, "every turn is given back", func() bool { return len(a.signing)+len(b.signing)+len(g.signing) == 0 })
}

// halting is a client's connection that stops within its second writing until goOn is closed.
type halting struct {
	net.Conn
	writes        int
	stopped, goOn chan struct{}
}

func (c *halting) Write(p []byte) (int, error) {
	if c.writes++; c.writes != 2 {
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p[:1])
	if err != nil {
		return n, err
	}
	close(c.stopped)
	<-c.goOn
	n, err = c.Conn.Write(p[1:])
	return n + 1, err
}

// A client that sends the first byte of what the second step needs, and no more for now, holds no turn.
func TestAClientThatPausesHoldsNoTurn(t *testing.T) {
	t.Parallel()
	g, ca, a, b := twoOverTLS(t, 60*time.Second)
	busy(g, b)
	nc := &halting{Conn: dialed(t, g.TLSAddr()), stopped: make(chan struct{}), goOn: make(chan struct{})}
	result := make(chan error, 1)
	go func() {
		result <- tls.Client(nc, &tls.Config{ServerName: "a.test", RootCAs: ca.Pool(), MaxVersion: tls.VersionTLS12}).Handshake()
	}()
	select {
	case <-nc.stopped:
	case err := <-result:
		t.Fatal(err)
	}
	for range 3 {
		if err := shake(g, ca, "a.test", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "nobody holds a turn", func() bool { return len(a.signing)+len(a.next)+len(g.signing) == 0 })
	close(nc.goOn)
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// A slice whose neighbours are silent has no turn of its own to wait for, whatever it did itself; what all slices compute at a time is bounded by the cores.
func TestALoneSliceMayUseEveryCore(t *testing.T) {
	t.Parallel()
	g, ca, a, b := twoOverTLS(t, 60*time.Second)
	if n := runtime.GOMAXPROCS(0); cap(g.signing) != n || cap(a.next) != n {
		t.Errorf("%d handshakes at a time, %d of a slice, on %d cores", cap(g.signing), cap(a.next), n)
	}
	a.signing <- struct{}{}
	defer func() { <-a.signing }()
	busy(g, a)
	if err := shake(g, ca, "a.test", nil); err != nil {
		t.Errorf("alone: %v", err)
	}
	for range cap(g.signing) {
		g.signing <- struct{}{}
	}
	waiting := make(chan error, 2)
	for _, host := range []string{"a.test", "b.test"} {
		go func() { waiting <- shake(g, ca, host, nil) }()
	}
	eventually(t, "a handshake beside the busy slice waits for its core in its slice's turn", func() bool { return len(b.signing) == 1 })
	if n := len(waiting); n != 0 {
		t.Errorf("%d handshakes were computed with no core to spare", n)
	}
	for range cap(g.signing) {
		<-g.signing
	}
	for range 2 {
		if err := <-waiting; err != nil {
			t.Error(err)
		}
	}
}

// shaken makes a slice whose handshakes are counted by g.
func shaken(g *Gateway) *sliceState {
	s := bareState("shaken")
	s.next, s.signing = make(chan struct{}, cap(g.signing)), make(chan struct{}, 1)
	return s
}

// A flood of a slice that was alone keeps nobody's first handshake waiting for all of it, and what of it is queued goes by the rule of a slice that has
// neighbours as soon as it has.
func TestAFloodsQueueIsItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &Gateway{signing: make(chan struct{}, 2)}
		s, other := shaken(g), shaken(g)
		var done atomic.Int64
		compute := func(s *sliceState) {
			c := &conn{gateway: g}
			c.bound.Store(s)
			if err := c.beginSigning(nil); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Millisecond)
			c.endSigning()
		}
		begin := time.Now()
		var flood sync.WaitGroup
		for range 200 {
			flood.Go(func() {
				compute(s)
				done.Add(1)
			})
		}
		time.Sleep(10*time.Millisecond + 1)
		if n := done.Load(); n != 20 {
			t.Errorf("%d handshakes of a millisecond in ten on two cores", n)
		}
		asked := time.Now()
		compute(other)
		if took := time.Since(asked); took > 3*time.Millisecond {
			t.Errorf("a first handshake beside a queue of 180 took %v", took)
		}
		busy(g, other)
		before, from := done.Load(), time.Now()
		flood.Wait()
		// Two are computed and two next when the neighbour begins; the others take turns.
		if rest, took := 200-before, time.Since(from); took < time.Duration(2*(rest-4))*time.Millisecond {
			t.Errorf("the %d that were queued took %v beside another slice", rest, took)
		}
		t.Logf("200 handshakes in %v", time.Since(begin))
		synctest.Wait()
	})
}

// After a handshake beside others the slice rests as long as it took, up to a bound.
func TestASliceRestsAfterItsHandshakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ took, rest time.Duration }{
		{2 * time.Millisecond, 2 * time.Millisecond},
		{time.Minute, signingRestMost},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := &Gateway{signing: make(chan struct{}, 2)}
			begin := func(s *sliceState) *conn {
				c := &conn{gateway: g}
				c.bound.Store(s)
				if err := c.beginSigning(nil); err != nil {
					t.Fatal(err)
				}
				return c
			}
			s, other := shaken(g), shaken(g)
			busy(g, other)
			first := begin(s)
			time.Sleep(c.took)
			first.endSigning()
			ended := time.Now()
			if len(g.signing) != 0 {
				t.Error("a slice that rests holds a core")
			}
			second := begin(s)
			if rest := time.Since(ended); rest != c.rest {
				t.Errorf("after %v it rested %v, not %v", c.took, rest, c.rest)
			}
			second.endSigning()
			ended = time.Now()
			begin(other).endSigning() // its neighbours are silent
			begin(other).endSigning()
			if rest := time.Since(ended); rest != 0 {
				t.Errorf("a slice beside nobody rested %v", rest)
			}
			synctest.Wait()
		})
	}
}

// Two slices that are flooded beside a third have equally many handshakes, however many more clients one of them has.
func TestHandshakesAreSharedEqually(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &Gateway{signing: make(chan struct{}, 1)}
		busy(g, bareState("other"))
		over := make(chan struct{})
		var counts [2]atomic.Int64
		var wg sync.WaitGroup
		for i, clients := range []int{64, 2} {
			s := shaken(g)
			for range clients {
				wg.Go(func() {
					for {
						c := &conn{gateway: g}
						c.bound.Store(s)
						if err := c.beginSigning(over); err != nil {
							if !errors.Is(err, os.ErrDeadlineExceeded) {
								t.Error(err)
							}
							return
						}
						time.Sleep(time.Millisecond)
						c.endSigning()
						counts[i].Add(1)
					}
				})
			}
		}
		time.Sleep(10 * time.Second)
		close(over)
		wg.Wait()
		few, many := counts[1].Load(), counts[0].Load()
		if index := jainIndex([]float64{float64(few), float64(many)}); index < 0.99 {
			t.Errorf("64 clients had %d handshakes, 2 clients of another slice %d", many, few)
		}
		if most := int64(10_000/2 + 1); few > most || many > most || few < most/2 {
			t.Errorf("%d and %d handshakes of a millisecond in ten seconds, each at most %d", few, many, most)
		}
	})
}

// Who waits for a turn too long is cut, and holds nothing.
func TestHandshakeWaitsNoLongerThanItsTime(t *testing.T) {
	t.Parallel()
	g, ca, s, other := twoOverTLS(t, 200*time.Millisecond)
	busy(g, other)
	s.signing <- struct{}{}
	if shake(g, ca, "a.test", nil) == nil {
		t.Error("a handshake was computed out of its turn")
	}
	<-s.signing
	for range cap(g.signing) {
		g.signing <- struct{}{}
	}
	if shake(g, ca, "a.test", nil) == nil {
		t.Error("a handshake was computed without a core")
	}
	eventually(t, "it gave its slice's turn back", func() bool { return len(s.signing)+len(s.next) == 0 })
	for range cap(g.signing) {
		<-g.signing
	}
	eventually(t, "a handshake after the wait, on a machine that has the time for it", func() bool { return shake(g, ca, "a.test", nil) == nil })
	eventually(t, "the turn is given back after the rest", func() bool { return len(s.signing)+len(s.next)+len(g.signing) == 0 })
}
