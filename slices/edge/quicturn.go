package edge

import (
	"context"
	"crypto/tls"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// A handshake of QUIC is computed in a turn of its slice, as one over TCP is (signing.go). The library computes it in the connection's own goroutine, so one
// that waits holds up nothing else; and crypto/tls tells where the computing ends: VerifyConnection is called after the server's last message was
// made and before the client's is waited for.

const (
	// quicTurnMost is how long a turn is kept before the certificate is asked for. A client whose key exchange was refused must try another in between,
	// and may take its time: then the turn is taken anew.
	quicTurnMost = 10 * time.Millisecond
	// quicWaitingMax bounds the clients of a slice that wait for a turn; each is a connection with its buffers. The next are refused.
	quicWaitingMax = 256
	// quicCosts is how many times its turn a handshake of QUIC costs in all: connection, keys of four levels and packets are made outside of it.
	quicCosts = 3
)

// admit refuses a handshake for a host that is not served, or whose slice is full, before any key is used, and waits for a turn to compute it.
func (f *quicFront) admit(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if start, ok := hello.Context().Value(quicStartKey{}).(*quicStart); ok {
		start.end()
	}
	g := f.gateway
	t, err := g.find(hello.ServerName)
	if err != nil {
		return nil, err
	}
	s := t.slice
	waiting := s.quicWaiting.Add(1)
	defer s.quicWaiting.Add(-1)
	if waiting > quicWaitingMax || s.counters.Sessions.Load()+waiting > s.sessionsMax.Load() {
		s.counters.Refused.Add(1)
		return nil, nexus.Errf("edge", nexus.CodeUnavailable, "slice of "+t.route.Host, "try again later", "too many sessions")
	}
	h := g.newHandshake(hello, t)
	turn := &quicTurn{front: f, slice: s, ctx: hello.Context()}
	if err := turn.begin(); err != nil {
		return nil, err
	}
	context.AfterFunc(hello.Context(), turn.end) // whatever becomes of it
	return &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: f.protocols,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if h.err != nil {
				return nil, h.err
			}
			return h.certificate, turn.goOn()
		},
		VerifyConnection: func(tls.ConnectionState) error {
			turn.end()
			return nil
		}}, nil
}

// quicTurn is the turn of one handshake.
type quicTurn struct {
	front *quicFront
	slice *sliceState
	ctx   context.Context // of the handshake
	timer *time.Timer     // of the key exchange

	mu    sync.Mutex
	turn  *computing // nil: not held
	kept  bool       // the signature is computed: the timer is of no interest any more
	ended bool
}

// take waits for a turn until the handshake is over, the time for one is, or the front ends.
func (q *quicTurn) take() (*computing, error) {
	ctx, cancel := context.WithTimeout(q.ctx, q.front.gateway.config.HeaderTimeout)
	defer cancel()
	defer context.AfterFunc(q.front.ctx, cancel)()
	turn, err := q.front.gateway.takeSigning(q.slice, ctx.Done())
	if err == nil {
		turn.costs = quicCosts
	}
	return turn, err
}

// begin takes the turn for the key exchange.
func (q *quicTurn) begin() error {
	turn, err := q.take()
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.turn = turn
	q.timer = time.AfterFunc(quicTurnMost, func() { q.give(false) })
	return nil
}

// goOn keeps the turn for the signature, or takes another one.
func (q *quicTurn) goOn() error {
	q.timer.Stop()
	q.mu.Lock()
	q.kept = q.turn != nil
	held := q.kept
	q.mu.Unlock()
	if held {
		return nil
	}
	turn, err := q.take()
	if err != nil {
		return err
	}
	q.mu.Lock()
	if q.kept = !q.ended; q.kept {
		q.turn = turn
	}
	ended := q.ended
	q.mu.Unlock()
	if ended {
		q.front.gateway.giveSigning(turn)
	}
	return nil
}

// give gives the turn back if it is held: when the handshake has ended, or its key exchange has taken too long.
func (q *quicTurn) give(ended bool) {
	q.mu.Lock()
	q.ended = q.ended || ended
	var turn *computing
	if ended || !q.kept {
		turn, q.turn = q.turn, nil
	}
	q.mu.Unlock()
	if turn != nil {
		q.front.gateway.giveSigning(turn)
	}
}

// end gives the turn back for good.
func (q *quicTurn) end() {
	q.timer.Stop()
	q.give(true)
}
