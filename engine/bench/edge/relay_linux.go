package edge

import (
	"context"
	"fmt"
	"io"
	"net"
)

// The machine's own share of a latency beside a flood: a request through a gateway is four wake-ups of processes, and each of them waits for a processor that
// the flood, the gateway and whatever else runs here want too. What goes through a relay waits as often, at the same time, and not for the gateway.

// relay passes the bytes of each connection on to the address, and back, until ctx ends. It knows nothing of requests and has nothing else to do.
func relay(ctx context.Context, ln net.Listener, to string) {
	context.AfterFunc(ctx, func() { _ = ln.Close() })
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go relayed(ctx, c, to)
	}
}

// relayed is one connection of it; it ends with either side.
func relayed(ctx context.Context, c net.Conn, to string) {
	defer func() { _ = c.Close() }()
	var d net.Dialer
	b, err := d.DialContext(ctx, "tcp", to)
	if err != nil {
		return // the client sees its connection end
	}
	defer func() { _ = b.Close() }()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	go func() {
		_, _ = io.Copy(b, c) // its end is that of both
		_ = b.Close()
	}()
	_, _ = io.Copy(c, b)
}

// witness is the same tenant through a relay, and what other programs take, while a flood goes on.
type witness struct {
	came  <-chan result
	since work
}

// witness begins one; nil where it was not asked for. Errors: as workNow.
func (r *rig) witness(ctx context.Context) (*witness, error) {
	if r.relay == "" {
		return nil, nil
	}
	since, err := workNow()
	if err != nil {
		return nil, err
	}
	job := r.tenant(r.relay)
	job.Seed = 1 // not in step with the tenant that it stands beside
	return &witness{r.begin(ctx, job), since}, nil
}

// says waits for it and notes what it saw with the case. Errors: as workNow, and the generator's.
func (w *witness) says(c *Case) error {
	if w == nil {
		return nil
	}
	now, err := workNow()
	came := <-w.came
	if err != nil {
		return err
	}
	if came.err != nil {
		return fmt.Errorf("relay: %w", came.err)
	}
	c.Machine, c.Others = append(c.Machine, came.P99), append(c.Others, now.others(w.since))
	return nil
}
