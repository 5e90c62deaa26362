package edge

import (
	"crypto/tls"
	"os"
	stdslices "slices"
	"time"
)

// A handshake costs a key exchange and a signature, about a hundred times what a request costs, and Go runs as many at once as there are
// cores: beside a flood of handshakes every other slice would wait for a core. So while another slice has work a slice computes one at a time,
// and after each it rests as long as that took. A slice whose neighbours are silent may use every core and needs no rest.
// What is bounded is the computing alone, from the client's hello to the server's answer: a client that is slow to go on holds nothing.
// docs/decisions/0059-handshakes-beside-others.md has the why and the figures.

// signingRestMost bounds a rest: a process that was stopped for a while has not computed all that time.
const signingRestMost = 5 * time.Millisecond

// handshake is what a connection knows from its client's hello to the end of the handshake.
type handshake struct {
	over        <-chan struct{} // closed when its time is over
	certificate *tls.Certificate
	err         error // there is no certificate; of interest only if one is needed
	twoSteps    bool  // the server computes once more when the client has answered
}

// newHandshake looks the certificate up before there is a turn: whoever keeps it may have to ask a disk.
func (g *Gateway) newHandshake(hello *tls.ClientHelloInfo, t *target) *handshake {
	h := &handshake{over: hello.Context().Done(), twoSteps: !stdslices.Contains(hello.SupportedVersions, tls.VersionTLS13)}
	h.certificate, h.err = g.certificateOf(hello, t)
	return h
}

// computing is a handshake in its turn.
type computing struct {
	slice *sliceState
	since time.Time
	alone bool          // the only one of its slice, which rests afterwards
	costs time.Duration // of the whole, in turns: the rest is as many times as long as the turn
}

// takeSigning waits for a turn to compute a handshake of a slice, until over is closed. It is called when the hello was read and before a key is used. Whether
// anybody is beside the slice is asked by who is next and not by who comes, so what a flood has queued up until then does not go by the old answer;
// and of one slice no more wait for a core than there are cores, so that other slices' handshakes do not wait behind all of a flood. Error: the time is
// over.
func (g *Gateway) takeSigning(s *sliceState, over <-chan struct{}) (*computing, error) {
	turn := &computing{slice: s, costs: 1}
	if !takeTurn(s.next, over) {
		return nil, os.ErrDeadlineExceeded
	}
	if turn.alone = g.lately.beside(s, time.Now()); turn.alone && !takeTurn(s.signing, over) {
		<-s.next
		return nil, os.ErrDeadlineExceeded
	}
	if !takeTurn(g.signing, over) {
		if turn.alone {
			<-s.signing
		}
		<-s.next
		return nil, os.ErrDeadlineExceeded
	}
	turn.since = time.Now()
	return turn, nil
}

// giveSigning gives a turn back.
func (g *Gateway) giveSigning(t *computing) {
	<-g.signing
	if t.alone {
		time.AfterFunc(min(t.costs*time.Since(t.since), signingRestMost), func() { <-t.slice.signing })
	}
	<-t.slice.next
}

// beginSigning waits for a turn of the connection's slice.
func (c *conn) beginSigning(over <-chan struct{}) error {
	s := c.bound.Load()
	if s == nil || c.signing.Load() != nil {
		return nil
	}
	turn, err := c.gateway.takeSigning(s, over)
	if err == nil {
		c.signing.Store(turn)
	}
	return err
}

// takeTurn takes one of what a channel has room for. It reports false when over was closed first.
func takeTurn(from chan struct{}, over <-chan struct{}) bool {
	select {
	case from <- struct{}{}:
		return true
	case <-over:
		return false
	}
}

// endSigning gives the turn back: with the first byte of the answer, and in any case when the handshake has ended.
func (c *conn) endSigning() {
	if t := c.signing.Swap(nil); t != nil {
		c.gateway.giveSigning(t)
	}
}
