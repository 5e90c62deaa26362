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
	begin := time.Now()
	from, until := begin.Add(job.Warm), begin.Add(job.Warm+job.Duration)
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	dialer := &tls.Dialer{
		NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: source.AsSlice()}, Timeout: 5 * time.Second},
		// The certificate is made for this run; that it is the right one is not what is measured.
		Config: &tls.Config{ServerName: job.Host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}, //nolint:gosec // see above
	}
	var good, broken atomic.Int64
	var wg sync.WaitGroup
	for range job.Connections {
		wg.Go(func() {
			for ctx.Err() == nil {
				c, err := dialer.DialContext(ctx, "tcp", job.Addr)
				counted := time.Now().After(from)
				switch {
				case err == nil:
					_ = c.(*tls.Conn).NetConn().Close() // without a goodbye: the next one waits
					if counted {
						good.Add(1)
					}
				case counted && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
					broken.Add(1)
					time.Sleep(tick) // a refusal costs the proxy nothing; do not spin on it
				}
			}
		})
	}
	wg.Wait()
	return Figures{Seconds: job.Duration.Seconds(), Good: good.Load(), Broken: broken.Load()}, nil
}
