package control

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Bounds of work that holds a whole unit's files or reads much of the ledger: a bundle being written, a folder being verified, an export, a
// check. Each takes a core and a disk for as long as that is large, and a client that asks for many must not take them from everybody.
const (
	placesEach   = 2  // of one identity
	placesAll    = 4  // in all
	placesLeaver = 16 // of owners whose unit leaves: nobody else's reading delays an exit (gate 13)
	retryAfter   = 5 * time.Second
	slowAfter    = 30 * time.Second
	slowBps      = 64 << 10 // bytes a second of the waiting for a client
	stallMax     = time.Minute
)

func newPlaces(what string, each, all int) places {
	return places{what: what, each: each, all: all, slow: slowAfter, stall: stallMax}
}

// places bounds how much of one kind of work runs at once, for each identity and in all. Safe for concurrent use.
type places struct {
	what      string // as counted: "bundles are being written"
	each, all int
	slow      time.Duration // of waiting for a client before it can be found slow
	stall     time.Duration // one write to a client that takes nothing

	mu   sync.Mutex
	held map[*place]struct{}
}

// bounds are the places of what reads or recomputes much of the ledger.
type bounds struct {
	exports places // of the ledger or of a unit
	backups places
	checks  places // verify, scrub, live suites
	reads   places // figures of earlier ledgers, statements, what-if
}

func newBounds() bounds {
	return bounds{
		exports: newPlaces("exports are being written", placesEach, placesAll),
		backups: newPlaces("backups are being written", placesEach, placesAll),
		checks:  newPlaces("checks of the whole are running", placesEach, placesAll),
		reads:   newPlaces("long reads of the ledger are running", placesEach, placesAll),
	}
}

// hold takes a place for work that waits for no client.
func (p *places) hold(who caller) (end func(), err error) {
	_, end, err = p.take(who.query.Actor)
	return end, err
}

// within has a handler run in a place.
func (p *places) within(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request, who caller) (any, error) {
		end, err := p.hold(who)
		if err != nil {
			return nil, err
		}
		defer end()
		return h(w, r, who)
	}
}

// place is one that is held, by whoever asked for the work.
type place struct {
	of  *places
	who nexus.PublicKey

	mu      sync.Mutex
	cut     func()    // ends the work from outside; nil: it waits for no client
	writing time.Time // since when the client is waited for; zero: it is not
	waited  time.Duration
	bytes   int64 // that it took
}

// busy is a refusal for want of a place: what the limit is, and when to ask again.
type busy struct {
	why    *nexus.Error
	status int
}

func (b *busy) Error() string { return b.why.Error() }
func (b *busy) Unwrap() error { return b.why }

// take gives a place, or says which limit is reached: 429 for the identity's own, 503 for that of all. In the second case whoever holds one
// only because it reads slowly is cut off, so that the next attempt finds room.
func (p *places) take(who nexus.PublicKey) (*place, func(), error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := 0
	for h := range p.held {
		if h.who == who {
			own++
		}
	}
	switch {
	case own >= p.each:
		return nil, nil, &busy{nexus.Errf("ask node", nexus.CodeUnavailable, "identity "+who.Short(), "wait for one of yours to end, then run the same command again",
			"%d %s for it, at most %d of one identity at once", own, p.what, p.each), http.StatusTooManyRequests}
	case len(p.held) >= p.all:
		for h := range p.held {
			h.cutIfSlow()
		}
		return nil, nil, &busy{nexus.Errf("ask node", nexus.CodeUnavailable, fmt.Sprintf("%d %s", len(p.held), p.what), "run the same command again in a moment",
			"at most %d at once on this node", p.all), http.StatusServiceUnavailable}
	}
	h := &place{of: p, who: who}
	if p.held == nil {
		p.held = map[*place]struct{}{}
	}
	p.held[h] = struct{}{}
	return h, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.held, h)
	}, nil
}

// cutIfSlow ends the work of a client that is waited for more than it reads. What the node itself takes long for is not held against it.
func (h *place) cutIfSlow() {
	h.mu.Lock()
	defer h.mu.Unlock()
	waited := h.waited
	if !h.writing.IsZero() {
		waited += time.Since(h.writing)
	}
	if h.cut != nil && waited >= h.of.slow && float64(h.bytes) < slowBps*waited.Seconds() {
		h.cut()
	}
}

// paced writes to a client, counts how long it is waited for, and gives up on one that takes nothing.
type paced struct {
	h  *place
	w  http.ResponseWriter
	rc *http.ResponseController

	gone bool // cut off; guarded by h.mu
	bad  bool // a write failed: the reader went away; guarded by h.mu
}

// pace has what is written go through the place. The caller calls end when the work has ended.
func (h *place) pace(w http.ResponseWriter) (out *paced, end func()) {
	out = &paced{h: h, w: w, rc: http.NewResponseController(w)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cut = func() {
		out.gone = true
		_ = out.rc.SetWriteDeadline(time.Now()) // the write under way ends; there is none to end otherwise
	}
	return out, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.cut = nil
		if !out.gone {
			_ = out.rc.SetWriteDeadline(time.Time{}) // the connection may serve another request
		}
	}
}

var errSlow = errors.New("the client read too slowly while others waited")

// broken reports whether the reader went away or was cut off.
func (o *paced) broken() bool {
	o.h.mu.Lock()
	defer o.h.mu.Unlock()
	return o.bad || o.gone
}

// Write implements io.Writer.
func (o *paced) Write(b []byte) (int, error) {
	o.h.mu.Lock()
	if o.gone {
		o.h.mu.Unlock()
		return 0, errSlow
	}
	o.h.writing = time.Now()
	_ = o.rc.SetWriteDeadline(o.h.writing.Add(o.h.of.stall)) // a writer without deadlines is one of a test
	o.h.mu.Unlock()
	n, err := o.w.Write(b)
	o.h.mu.Lock()
	defer o.h.mu.Unlock()
	o.h.waited += time.Since(o.h.writing)
	o.h.writing = time.Time{}
	o.h.bytes += int64(n)
	o.bad = o.bad || err != nil
	if o.gone {
		err = errors.Join(errSlow, err)
	}
	return n, err
}

// n is how many bytes went out.
func (o *paced) n() int64 {
	o.h.mu.Lock()
	defer o.h.mu.Unlock()
	return o.h.bytes
}

// status gives the HTTP status of an error, and says in the header when to ask again.
func status(w http.ResponseWriter, err error) int {
	var b *busy
	if errors.As(err, &b) {
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
		return b.status
	}
	return statusOf(nexus.CodeOf(err))
}
