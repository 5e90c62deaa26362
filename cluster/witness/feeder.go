package witness

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// Head is a signed checkpoint of a log. Of is the log's own and comes back with what was cosigned.
type Head struct {
	Note string
	Size uint64
	Of   any
}

// Log is what is cosigned. Its methods are safe for concurrent use.
type Log interface {
	merkle.Reader
	// Head is the newest signed checkpoint; an empty note before the first. It must not block.
	Head() Head
}

// Cosigned is a checkpoint with the cosignatures that it has so far.
type Cosigned struct {
	Head          // the note has the cosignatures
	Cosigners int // distinct outside keys
}

// Pace of a feeder. A zero value takes the default.
type Pace struct {
	Between  time.Duration // two checkpoints handed out: 1 s
	Patience time.Duration // how long a checkpoint waits for the slower witnesses before it is published: 2 s
	Timeout  time.Duration // of one offer: 10 s
	Fresh    time.Duration // how long a cosigned checkpoint stays published while the log grows without cosignatures: 30 s
	RetryMax time.Duration // longest rest after failures; it doubles from Between: 1 min
}

func (p Pace) withDefaults() Pace {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&p.Between, time.Second)
	def(&p.Patience, 2*time.Second)
	def(&p.Timeout, 10*time.Second)
	def(&p.Fresh, 30*time.Second)
	def(&p.RetryMax, time.Minute)
	return p
}

// FeederConfig says whom a log asks to cosign. Log, LogKey and at least one target are required.
type FeederConfig struct {
	Log     Log
	LogKey  nexus.PublicKey
	Targets []Target
	File    string       // where the newest cosigned checkpoint is kept over a restart; "": nowhere
	Logger  *slog.Logger // nil: nothing is logged
	Pace    Pace
}

// Feeder hands a log's checkpoints to its witnesses and keeps their cosignatures. Safe for concurrent use.
//
// One checkpoint at a time goes to all witnesses that are free, so that one note can carry several cosignatures. A witness that hangs or
// fails rests longer each time and holds up no other.
type Feeder struct {
	c      FeederConfig
	client *http.Client
	wake   chan struct{} // somebody waits for a cosigned checkpoint
	turns  atomic.Uint64
	offers sync.WaitGroup

	mu        sync.Mutex // guards what follows
	changed   chan struct{}
	witnesses []*fed
	rounds    []*round // oldest first, at most roundsMax
	published Cosigned
	behind    time.Time // since when the log has grown past what is published; zero: it has not
	waiting   int       // callers of Cosign
}

// roundsMax bounds the checkpoints whose cosignatures are still collected.
const roundsMax = 8

// fed is where one witness stands.
type fed struct {
	Target
	busy     bool
	asked    *round // whose checkpoint it was shown last
	size     uint64 // that it holds, as far as known
	seconds  uint64 // of its newest cosignature
	failures int    // in a row
	err      error
	conflict bool // err is a *Conflict
	since    time.Time
	notUntil time.Time
	last     *round // whose checkpoint it cosigned last
}

// round is one checkpoint on its way round the witnesses.
type round struct {
	head    Head
	started time.Time
	asked   int // offers under way
	sigs    []verify.Cosignature
	settled bool // whoever was asked has answered, or had its time
}

func (r *round) cosigned() Cosigned {
	c := Cosigned{Head: r.head, Cosigners: len(r.sigs)}
	for _, s := range r.sigs {
		c.Note += s.Line
	}
	return c
}

// NewFeeder makes a feeder that does nothing until Run. Errors: nexus.CodeUsage for a key that stands twice or is the log's own.
func NewFeeder(c FeederConfig) (*Feeder, error) {
	keys := make([]verify.WitnessKey, len(c.Targets))
	for i, t := range c.Targets {
		keys[i] = t.Key
	}
	if err := verify.CheckWitnesses(keys, c.LogKey, 0); err != nil {
		return nil, err
	}
	c.Pace = c.Pace.withDefaults()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	f := &Feeder{c: c, wake: make(chan struct{}, 1), changed: make(chan struct{}),
		client: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: c.Pace.Timeout,
			MaxIdleConnsPerHost: 1, IdleConnTimeout: 2 * time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	for _, t := range c.Targets {
		f.witnesses = append(f.witnesses, &fed{Target: t})
	}
	f.recall(keys)
	return f, nil
}

// Run hands out checkpoints until ctx ends. It returns when no offer is under way.
func (f *Feeder) Run(ctx context.Context) error {
	defer f.client.CloseIdleConnections()
	defer f.offers.Wait()
	t := time.NewTicker(max(f.c.Pace.Between/10, time.Millisecond))
	defer t.Stop()
	for {
		f.step(ctx, time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		case <-f.wake:
		}
	}
}

// step publishes what is ready and begins a round when there is something to cosign.
func (f *Feeder) step(ctx context.Context, now time.Time) {
	head := f.c.Log.Head()
	if head.Note == "" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rounds {
		if !r.settled && (r.asked == 0 || now.Sub(r.started) >= f.c.Pace.Patience) {
			f.settle(r)
		}
	}
	f.keepFresh(head, now)
	var newest *round
	if len(f.rounds) > 0 {
		newest = f.rounds[len(f.rounds)-1]
	}
	fresh := newest == nil || newest.head.Note != head.Note
	between := f.c.Pace.Between
	if f.waiting > 0 {
		between /= 10
	}
	if newest != nil && fresh && (!newest.settled || now.Sub(newest.started) < between) {
		return
	}
	if fresh {
		newest = &round{head: head, started: now, settled: true} // until somebody is asked
	}
	asked := 0
	for _, w := range f.witnesses {
		if w.busy || now.Before(w.notUntil) || w.last == newest {
			continue
		}
		asked++
		w.busy, w.asked = true, newest
		newest.asked++
		f.offers.Go(func() { f.offer(ctx, w, newest, w.size) })
	}
	if asked == 0 {
		return
	}
	newest.settled = false
	newest.started = now
	if fresh {
		f.rounds = append(f.rounds, newest)
		f.rounds = f.rounds[max(len(f.rounds)-roundsMax, 0):]
	}
}

// keepFresh publishes a checkpoint with fewer cosignatures, or without, when no other came for too long: an outsider must see that the
// log grows.
func (f *Feeder) keepFresh(head Head, now time.Time) {
	switch {
	case f.published.Note == "":
		f.publish(Cosigned{Head: head})
	case head.Size <= f.published.Size:
		f.behind = time.Time{}
	case f.behind.IsZero():
		f.behind = now
	case now.Sub(f.behind) >= f.c.Pace.Fresh:
		next := Cosigned{Head: head}
		for _, r := range f.rounds {
			if r.settled && len(r.sigs) > 0 && r.head.Size > f.published.Size && now.Sub(r.started) < f.c.Pace.Fresh {
				next = r.cosigned()
			}
		}
		f.publish(next)
	}
}

// publish moves what is published, never back.
func (f *Feeder) publish(c Cosigned) {
	if f.published.Note != "" && c.Size < f.published.Size || c.Note == f.published.Note {
		return
	}
	f.published, f.behind = c, time.Time{}
	f.turns.Add(1)
	if c.Cosigners > 0 && f.c.File != "" {
		if err := keep(f.c.File, c.Note); err != nil {
			f.c.Logger.Warn("cosigned checkpoint not kept", "component", "witness", "file", f.c.File, "error", err)
		}
	}
}

// settle publishes a round's checkpoint, unless that would take cosignatures away that another has: see keepFresh.
func (f *Feeder) settle(r *round) {
	r.settled = true
	if len(r.sigs) > 0 && len(r.sigs) >= f.published.Cosigners {
		f.publish(r.cosigned())
	}
	f.tell()
}

// tell wakes those who wait in Cosign.
func (f *Feeder) tell() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// offer runs beside the others: one offer to one witness.
func (f *Feeder) offer(ctx context.Context, w *fed, r *round, old uint64) {
	offerCtx, cancel := context.WithTimeout(ctx, f.c.Pace.Timeout)
	defer cancel()
	sig, err := w.Target.offer(offerCtx, f.client, f.c.Log, r.head, old)
	if ctx.Err() != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turns.Add(1)
	now := time.Now()
	w.busy = false
	r.asked--
	if err != nil {
		f.failed(w, err, now)
	} else {
		if w.err != nil {
			f.c.Logger.Info("witness cosigns again", "component", "witness", "witness", w.Key.Name, "size", r.head.Size)
		}
		w.size, w.seconds, w.last, w.err, w.failures, w.conflict, w.notUntil = r.head.Size, sig.Seconds, r, nil, 0, false, time.Time{}
		w.since = now
		r.sigs = append(r.sigs, sig)
	}
	if r.asked == 0 || r.settled { // a late one is added to what is published already
		f.settle(r)
	}
}

// failed puts a witness to rest, longer each time.
func (f *Feeder) failed(w *fed, err error, now time.Time) {
	var conflict *Conflict
	w.conflict = errors.As(err, &conflict)
	if w.failures == 0 || w.err == nil || w.err.Error() != err.Error() {
		level := slog.LevelWarn
		if w.conflict {
			level = slog.LevelError
		}
		f.c.Logger.Log(context.Background(), level, "not cosigned", "component", "witness", "witness", w.Key.Name, "url", w.URL, "error", err)
	}
	if w.failures == 0 {
		w.since = now
	}
	w.failures++
	w.err = err
	rest := min(f.c.Pace.Between<<min(w.failures-1, 16), f.c.Pace.RetryMax)
	w.notUntil = now.Add(rest + time.Duration(rand.Int64N(int64(rest)/5+1)))
}

// Version grows whenever what Status or Published say has changed.
func (f *Feeder) Version() uint64 { return f.turns.Load() }

// Published is the checkpoint for the public: the newest that a witness cosigned, or the log's newest when that has waited too long. It
// never goes back to a smaller one. An empty note: none yet.
func (f *Feeder) Published() Cosigned {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.published
}

// Known adds to a checkpoint the cosignatures that it has so far.
func (f *Feeder) Known(h Head) Cosigned {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rounds {
		if r.head.Note == h.Note {
			c := r.cosigned()
			c.Of = h.Of
			return c
		}
	}
	return Cosigned{Head: h}
}

// Cosign waits until witnesses have cosigned a checkpoint of at least size entries, and gives it. When none can be had in time, or all
// witnesses rest after failures, it gives the log's newest without cosignatures. It asks at once, ahead of the pace.
func (f *Feeder) Cosign(ctx context.Context, size uint64) Cosigned {
	f.mu.Lock()
	f.waiting++
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.waiting--
		f.mu.Unlock()
	}()
	for {
		f.mu.Lock()
		best, hope := f.best(size, time.Now())
		changed := f.changed
		f.mu.Unlock()
		if best.Cosigners > 0 || !hope {
			return best
		}
		select {
		case f.wake <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
			f.mu.Lock()
			best, _ = f.best(size, time.Now())
			f.mu.Unlock()
			return best
		case <-changed:
		}
	}
}

// best is the settled checkpoint of at least size entries with most cosigners, else the newest bare one. hope: another may come.
func (f *Feeder) best(size uint64, now time.Time) (best Cosigned, hope bool) {
	for _, r := range f.rounds {
		if r.settled && r.head.Size >= size && len(r.sigs) > 0 && len(r.sigs) >= best.Cosigners {
			best = r.cosigned()
		}
	}
	for _, w := range f.witnesses {
		// One that has let its round go without it is waited for no more.
		hope = hope || w.busy && !w.asked.settled || !w.busy && !now.Before(w.notUntil)
	}
	if best.Cosigners == 0 {
		best = Cosigned{Head: f.c.Log.Head()}
	}
	return best, hope
}

// Status is where a witness stands.
type Status struct {
	Name     string
	Key      string // verifier key
	URL      string
	Size     uint64    // entries under the newest checkpoint that it cosigned
	Time     time.Time // of that cosignature, as the witness dates it; zero: none yet
	Err      error     // of the newest offer; nil: it was cosigned, or none was made yet
	Conflict bool      // Err says that it holds another history
	Since    time.Time // of its newest cosignature, or of the first failure after it
}

// Status lists the witnesses in the order they were named.
func (f *Feeder) Status() []Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Status, len(f.witnesses))
	for i, w := range f.witnesses {
		out[i] = Status{Name: w.Key.Name, Key: w.Key.String(), URL: w.URL, Size: w.size, Err: w.err, Conflict: w.conflict, Since: w.since}
		if w.seconds > 0 {
			out[i].Time = time.Unix(int64(w.seconds), 0).UTC()
		}
	}
	return out
}
