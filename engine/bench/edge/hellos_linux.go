package edge

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"sync"
	"time"
)

// helloClient is one UDP socket of the flood of half QUIC hellos, with the clients that have spoken through it.
type helloClient struct {
	socket *net.UDPConn
	hello  quicHello

	mu      sync.Mutex
	said    map[uint64]*said
	flights int64 // that count
	retries int64
}

// said is what became of one hello.
type said struct{ counts, retried, answered bool }

// hellos is the flood of half QUIC handshakes: at a fixed rate a client that can be answered says a whole hello, shows where it is when it is
// asked by a Retry, and never says anything again. As many ports as the job has connections take turns. Good are the hellos that the server answered with its
// first flight while they were sent, Asked those that it asked where they are. Errors: no such address, no socket, no hello.
func hellos(ctx context.Context, job Job) (Figures, error) {
	source, to, config, err := overQUIC(job)
	if err != nil {
		return Figures{}, err
	}
	hello, err := newQUICHello(ctx, config)
	if err != nil {
		return Figures{}, err
	}
	all := make([]*helloClient, job.Connections)
	var reading sync.WaitGroup
	defer reading.Wait()
	for i := range all {
		socket, err := net.DialUDP("udp", source, to)
		if err != nil {
			return Figures{}, err
		}
		defer func() { _ = socket.Close() }() // ends its reader
		all[i] = &helloClient{socket: socket, hello: hello, said: map[uint64]*said{}}
		reading.Go(all[i].read)
	}
	queue := make(chan due, int(job.Rate*lateMost.Seconds())+1)
	var saying sync.WaitGroup
	saying.Go(func() {
		id := uint64(0)
		for d := range queue {
			all[id%uint64(len(all))].say(id, d.counts)
			id++
		}
	})
	lags, lost, err := pace(ctx, job, queue)
	close(queue)
	saying.Wait()
	f := Figures{Seconds: job.Duration.Seconds(), Late: lost}
	f.lag(lags)
	for _, c := range all {
		c.mu.Lock()
		f.Good, f.Asked = f.Good+c.flights, f.Asked+c.retries
		c.mu.Unlock()
	}
	return f, err
}

// say is a client's first word.
func (c *helloClient) say(id uint64, counts bool) {
	var to [quicIDBytes]byte
	_, _ = rand.Read(to[:]) // never fails
	b, err := c.hello.packet(to[:], id, nil, 0)
	if err != nil {
		return // the hello fits: newQUICHello has seen to it
	}
	c.mu.Lock()
	c.said[id] = &said{counts: counts}
	c.mu.Unlock()
	_, _ = c.socket.Write(b) // nobody there: nothing is answered
}

// read takes what the server says until the socket is closed.
func (c *helloClient) read() {
	b := make([]byte, 2048)
	for {
		n, err := c.socket.Read(b)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(tick) // nobody listens there, for now
			continue
		}
		r, ok := parseReply(b[:n])
		if again := ok && c.note(r); !again {
			continue
		}
		if b, err := c.hello.packet(r.from, r.id, r.token, 1); err == nil {
			_, _ = c.socket.Write(b)
		}
	}
}

// note counts a reply. True: the client has to show where it is, for the first time.
func (c *helloClient) note(r quicReply) (again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.said[r.id]
	switch {
	case s == nil:
	case r.retry && !s.retried:
		s.retried = true
		if s.counts {
			c.retries++
		}
		return true
	case r.flight && !s.answered:
		s.answered = true
		if s.counts {
			c.flights++
		}
	}
	return false
}
