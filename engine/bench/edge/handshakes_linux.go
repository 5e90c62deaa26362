package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
)

// tick is how often generators other than shapeOpen look at their clock.
const tick = time.Millisecond

// handshakes is the flood of TLS handshakes: each connection is opened, taken through its handshake and ended, without resumption.
// Errors: the source is no address.
func handshakes(ctx context.Context, job Job) (Figures, error) {
	source, err := netip.ParseAddr(job.Source)
	if err != nil {
		return Figures{}, err
	}
	dialer := &tls.Dialer{NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: source.AsSlice()}, Timeout: handshakeMost}, Config: clientTLS(job.Host)}
	return dials(ctx, job, func(ctx context.Context) error {
		c, err := dialer.DialContext(ctx, "tcp", job.Addr)
		if err == nil {
			_ = c.(*tls.Conn).NetConn().Close() // without a goodbye: the next one waits
		}
		return err
	}), nil
}

// handshakeMost is how long a handshake may take.
const handshakeMost = 5 * time.Second

// overQUIC is where a job over QUIC comes from and goes to, and what its clients say. Errors: the source or the address is none.
func overQUIC(job Job) (source, to *net.UDPAddr, config *tls.Config, err error) {
	ip, err := netip.ParseAddr(job.Source)
	if err != nil {
		return nil, nil, nil, err
	}
	if to, err = net.ResolveUDPAddr("udp", job.Addr); err != nil {
		return nil, nil, nil, err
	}
	config = clientTLS(job.Host)
	config.NextProtos = []string{"h3"}
	return &net.UDPAddr{IP: ip.AsSlice()}, to, config, nil
}

// quicHandshakes is the same over QUIC, each from a port of its own. Errors: the source or the address is none.
func quicHandshakes(ctx context.Context, job Job) (Figures, error) {
	source, to, config, err := overQUIC(job)
	if err != nil {
		return Figures{}, err
	}
	return dials(ctx, job, func(ctx context.Context) error {
		socket, err := net.ListenUDP("udp", source)
		if err != nil {
			return err
		}
		defer func() { _ = socket.Close() }() // without a goodbye: the next one waits
		t := quic.Transport{Conn: socket}
		defer func() { _ = t.Close() }()
		_, err = t.Dial(ctx, to, config, &quic.Config{HandshakeIdleTimeout: handshakeMost})
		return err
	}), nil
}

// dials counts how many handshakes succeed while figures count, of as many callers as the job has connections.
func dials(ctx context.Context, job Job, dial func(context.Context) error) Figures {
	begin := time.Now()
	from, until := begin.Add(job.Warm), begin.Add(job.Warm+job.Duration)
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	var good, broken atomic.Int64
	var wg sync.WaitGroup
	for range job.Connections {
		wg.Go(func() {
			for ctx.Err() == nil {
				err := dial(ctx)
				counted := time.Now().After(from)
				switch {
				case err == nil && counted:
					good.Add(1)
				case err == nil:
				case counted && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
					broken.Add(1)
					time.Sleep(tick) // a refusal costs the proxy nothing; do not spin on it
				}
			}
		})
	}
	wg.Wait()
	return Figures{Seconds: job.Duration.Seconds(), Good: good.Load(), Broken: broken.Load()}
}
