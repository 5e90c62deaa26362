package edge

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A host has one backend, so an ejected one has no stand-in: its requests are refused at once with 503 and Retry-After instead of
// each holding a place in the slice until its own time is over (docs/decisions/0013-backends-that-fail.md).
const (
	ejectAfter     = 5 // failures in a row without one answer between
	checkEvery     = 500 * time.Millisecond
	checkFor       = 2 * time.Second // of one check, to the answer's first line
	forgetAfter    = time.Minute     // without a request an ejected backend is checked no more
	ejectedRetry   = 1               // Retry-After, seconds
	mendedMax      = 256             // backends of which it is kept when they came back
	retryCost      = 5               // one retry for five requests: 20 %
	retryTokensMax = 10 * retryCost
)

// BackendStats are a slice's figures about its backends, since the start of the gateway except Ejected.
type BackendStats struct {
	Ejected       int    `json:"ejected"`        // backends that get no requests now
	Ejections     uint64 `json:"ejections"`      // times that one was taken out
	Turned        uint64 `json:"turned_away"`    // requests refused because their backend was out
	Retries       uint64 `json:"retries"`        // requests sent a second time
	RetriesDenied uint64 `json:"retries_denied"` // not sent again because the budget was used up
	RetriesLeft   int    `json:"retries_left"`   // that may be sent now; five requests earn one
}

// backends watches what the backends of one slice answer. A backend fails when it takes no connection or gives no response; any
// status is an answer, because a program's 500 is the program's to say. Safe for concurrent use.
type backends struct {
	log    *slog.Logger
	ctx    context.Context // ends the checks
	cancel context.CancelFunc
	checks sync.WaitGroup

	troubled atomic.Int32 // length of failing: while it is 0 a request costs one load
	tokens   atomic.Int32 // of the retry budget
	counts   struct{ ejections, turned, retries, denied atomic.Uint64 }

	mu      sync.Mutex
	failing map[string]*failing // by address: those whose last word was a failure
	mended  map[string]int64    // by address: when one that had failed answered a request or a check, Unix nanoseconds
}

type failing struct {
	inARow  int
	ejected bool
	asked   time.Time // by a request, last
}

func newBackends(log *slog.Logger) *backends {
	b := &backends{log: log, failing: map[string]*failing{}, mended: map[string]int64{}}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.tokens.Store(retryTokensMax)
	return b
}

// admit reports whether a request may go to the backend, and earns its part of a retry.
func (b *backends) admit(address string) bool {
	if b.tokens.Load() < retryTokensMax {
		b.tokens.Add(1)
	}
	if b.troubled.Load() == 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.failing[address]
	if f == nil || !f.ejected {
		return true
	}
	f.asked = time.Now()
	b.counts.turned.Add(1)
	return false
}

// mayRetry takes a retry out of the budget: a backend in trouble is not given twice the load.
func (b *backends) mayRetry() bool {
	if b.tokens.Add(-retryCost) < 0 {
		b.tokens.Add(retryCost)
		b.counts.denied.Add(1)
		return false
	}
	b.counts.retries.Add(1)
	return true
}

// answered notes a response, whatever its status.
func (b *backends) answered(address string) {
	if b.troubled.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	// The answer to a request sent before the ejection says less than the next check.
	if f := b.failing[address]; f != nil && !f.ejected {
		b.forget(address, true)
	}
}

// failed notes that the backend of host gave no response; the last of ejectAfter in a row takes it out and begins the checks.
func (b *backends) failed(address, host string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx.Err() != nil {
		return
	}
	f := b.failing[address]
	if f == nil {
		f = &failing{}
		b.failing[address] = f
		b.troubled.Add(1)
	}
	if f.inARow++; f.inARow < ejectAfter || f.ejected {
		return
	}
	f.ejected, f.asked = true, time.Now()
	b.counts.ejections.Add(1)
	b.log.Warn("backend taken out", "host", host, "backend", address, "failures", f.inARow)
	b.checks.Go(func() { b.watch(address, host) })
}

// forget makes a backend one without a stain, because it answered or because nobody asks any more; the caller holds the mutex.
func (b *backends) forget(address string, answered bool) {
	if answered {
		if len(b.mended) >= mendedMax {
			clear(b.mended)
		}
		b.mended[address] = time.Now().UnixNano()
	}
	if _, ok := b.failing[address]; ok {
		delete(b.failing, address)
		b.troubled.Add(-1)
	}
}

// watch asks an ejected backend until it answers, nobody wants it any more, or the gateway stops.
func (b *backends) watch(address, host string) {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-ticker.C:
		}
		back := answers(b.ctx, address, host)
		b.mu.Lock()
		f := b.failing[address]
		over := back || time.Since(f.asked) > forgetAfter
		if over {
			b.forget(address, back)
		}
		b.mu.Unlock()
		if over {
			b.log.Info("backend taken in", "host", host, "backend", address, "answers", back)
			return
		}
	}
}

// answers is one active check: the head of the host's first page, asked for on a connection of its own. Any status will do.
func answers(ctx context.Context, address, host string) bool {
	ctx, cancel := context.WithTimeout(ctx, checkFor)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	// Both the time limit and a stop end the wait this way; closing twice is harmless.
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	defer func() { _ = c.Close() }() // asked and answered
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if _, err := io.WriteString(c, "HEAD / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n"); err != nil {
		return false
	}
	line, err := bufio.NewReaderSize(io.LimitReader(c, 4<<10), 4<<10).ReadString('\n')
	return err == nil && strings.HasPrefix(line, "HTTP/1.")
}

// stats reads the figures.
func (b *backends) stats() BackendStats {
	s := BackendStats{Ejections: b.counts.ejections.Load(), Turned: b.counts.turned.Load(), Retries: b.counts.retries.Load(),
		RetriesDenied: b.counts.denied.Load(), RetriesLeft: max(int(b.tokens.Load()), 0) / retryCost}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.failing {
		if f.ejected {
			s.Ejected++
		}
	}
	return s
}

// close ends the checks and returns when none runs any more.
func (b *backends) close() {
	b.mu.Lock()
	b.cancel() // under the mutex: failed starts nothing after this
	b.mu.Unlock()
	b.checks.Wait()
}

func ejectedRefusal(host string) *refusal {
	return &refusal{status: http.StatusServiceUnavailable, text: "the service behind " + host + " does not answer; it is asked again twice a second",
		retry: ejectedRetry, goOn: true} // with a text in every protocol: somebody sees it in a browser, and no flood makes it
}
