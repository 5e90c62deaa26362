package shape

// WindowNs is the averaging window of guaranteed rates, nanoseconds (3GPP TS 23.501, 5.7.3).
const WindowNs = 2 * nanosPerSecond

const (
	// keptShare is the part of what was owed that makes a window kept: 2 % are what grants and timers are coarse by.
	keptShare = 0.98
	// recentWindows are those of the last minute.
	recentWindows = 30
)

// Kept says how a flow's guaranteed rate was kept, window by window: in each whole window of 2 s in which the flow moved or waited for bytes. What it
// was owed is the guaranteed rate for as long as a caller of its waited, and what it asked for besides, together at most the guaranteed rate. What
// keeps callers from asking (processors, a slow backend, a client that does not read) owes nothing here. The zero value: nothing was promised or asked.
type Kept struct {
	Windows uint64 `json:"windows"` // since the start
	Kept    uint64 `json:"kept"`    // of them, with at least 98 % of what was owed
	Recent  int    `json:"recent"`  // windows of the last minute
	Short   int    `json:"short"`   // of these, with less than 98 % of what was owed
	// WorstPercent is the smallest share of what was owed that went in a window of the last minute, 0 to 100. With Recent 0 it means nothing.
	WorstPercent float64 `json:"worst_percent"`
}

// promise keeps the windows of one flow with a guaranteed rate. Guarded by the scheduler's mutex. Bytes are floats: a rate of 2^50 bit/s for 2 s would
// overflow byte-nanoseconds, and a share needs no more than three digits.
type promise struct {
	startNs  int64   // of the window, a multiple of WindowNs on the scheduler's clock
	sinceNs  int64   // up to here time is counted
	debt     float64 // bytes that the flow had within its guarantee before the window began, ahead of time
	entitled float64 // bytes: the rate for all of the window so far
	owed     float64 // bytes: the rate for the time that somebody waited, and what nobody had to wait for
	granted  float64 // bytes
	windows  uint64
	kept     uint64
	recent   [recentWindows]recentWindow
}

// recentWindow is one window that was judged.
type recentWindow struct {
	endNs int64 // 0: none
	share float64
}

// pass lets time pass until nowNs, and judges the windows that ended. Call it before anybody begins or ceases to wait, before a rate changes, and
// before bytes are counted.
func (f *Flow) pass(nowNs int64) {
	p := f.promise
	if p == nil {
		return
	}
	for end := p.startNs + WindowNs; nowNs >= end; end = p.startNs + WindowNs {
		p.lapse(f, end)
		p.close(f, end)
		if f.waiting == 0 { // nothing happens in the windows until now
			end = max(end, nowNs-nowNs%WindowNs)
		}
		p.startNs, p.sinceNs = end, end
		p.entitled, p.owed, p.granted, p.debt = 0, 0, 0, f.guaranteed.debtBytes(end)
	}
	p.lapse(f, nowNs)
}

// lapse counts the time until untilNs of the open window.
func (p *promise) lapse(f *Flow, untilNs int64) {
	if untilNs <= p.sinceNs {
		return
	}
	bytes := float64(f.rates.GuaranteedBps/8) * float64(untilNs-p.sinceNs) / nanosPerSecond
	p.entitled += bytes
	if f.waiting > 0 {
		p.owed += bytes
	}
	p.sinceNs = untilNs
}

// count counts n bytes that were granted, after pass. waited: to somebody whose time in the queue is counted as owed.
func (p *promise) count(n int, waited bool) {
	if p == nil {
		return
	}
	p.granted += float64(n)
	if !waited {
		p.owed += float64(n)
	}
}

// close judges the window that ends at endNs.
func (p *promise) close(f *Flow, endNs int64) {
	owed := min(p.owed, p.entitled)
	if f.rates.GuaranteedBps == 0 || p.owed == 0 && p.granted == 0 {
		return
	}
	share := 1.0
	if short := owed - p.granted - p.debt; short > 0 {
		share = 1 - short/owed
	}
	p.windows++
	if share >= keptShare {
		p.kept++
	}
	p.recent[endNs/WindowNs%recentWindows] = recentWindow{endNs, share}
}

// debtBytes gives what was taken ahead of time, as it stands at atNs.
func (b *Bucket) debtBytes(atNs int64) float64 {
	return max(0, -(float64(b.tokens)+float64(b.rate)*float64(atNs-b.lastNs))/nanosPerSecond)
}

// told is what the flow's promise came to until nowNs, after pass.
func (p *promise) told(nowNs int64) Kept {
	if p == nil {
		return Kept{}
	}
	k := Kept{Windows: p.windows, Kept: p.kept, WorstPercent: 100}
	for _, w := range p.recent {
		if w.endNs > 0 && w.endNs > nowNs-recentWindows*WindowNs {
			k.Recent++
			if w.share < keptShare {
				k.Short++
			}
			k.WorstPercent = min(k.WorstPercent, w.share*100)
		}
	}
	if k.Recent == 0 {
		k.WorstPercent = 0
	}
	return k
}

// promised gives the flow its promise when it has a guaranteed rate, or had one: what was counted is kept.
func (f *Flow) promised(nowNs int64) {
	if f.promise == nil && f.rates.GuaranteedBps > 0 {
		start := nowNs - nowNs%WindowNs
		f.promise = &promise{startNs: start, sinceNs: nowNs}
	}
}

// Kept says how the flow's guaranteed rate was kept until now.
func (s *Scheduler) Kept(f *Flow) Kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.nowNs()
	f.pass(now)
	return f.promise.told(now)
}
