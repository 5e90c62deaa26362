package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/session/roam"
)

// Report is the verdict over both directions of one session.
type Report struct {
	DownSent uint64 `json:"down_sent"`
	Down     Tally  `json:"down"`
	UpSent   uint64 `json:"up_sent"`
	Up       Tally  `json:"up"`
}

// Clean reports whether nothing was lost, repeated, reordered or damaged in either direction.
func (r Report) Clean() bool {
	return r.DownSent > 0 && r.UpSent > 0 && r.Down.Clean(r.DownSent) && r.Up.Clean(r.UpSent)
}

// Run is one session under proof.
type Run struct {
	session *roam.Session
	stop    chan struct{}
	sender  sync.WaitGroup
	done    chan struct{}
	upSent  uint64
	sendErr error

	mu       sync.Mutex
	arrivals []time.Time
	report   Report
	err      error
}

// Start begins to send and to count on a session whose program is a Program.
func Start(ctx context.Context, s *roam.Session, every time.Duration) *Run {
	r := &Run{session: s, stop: make(chan struct{}), done: make(chan struct{})}
	r.sender.Go(func() {
		r.upSent = sendNumbers(ctx, every, r.stop, func(b []byte) error {
			r.sendErr = s.Send(ctx, roam.Message{Data: b})
			return r.sendErr
		})
	})
	go r.receive(ctx)
	return r
}

func (r *Run) receive(ctx context.Context) {
	defer close(r.done)
	got := newCounter()
	for {
		m, err := r.session.Receive(ctx)
		if err != nil {
			r.mu.Lock()
			r.report.Down, r.err = got.result(), err
			r.mu.Unlock()
			return
		}
		if m.Text {
			r.conclude(m.Data, got.result())
			return
		}
		got.take(m.Data)
		r.mu.Lock()
		r.arrivals = append(r.arrivals, time.Now())
		r.mu.Unlock()
	}
}

func (r *Run) conclude(text []byte, down Tally) {
	var p programReport
	err := json.Unmarshal(text, &p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report, r.err = Report{DownSent: p.Sent, Down: down, Up: p.Got}, err
}

// Received is the number of messages that have come.
func (r *Run) Received() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.arrivals)
}

// Gap is the longest time without a delivery that overlaps the given stretch.
func (r *Run) Gap(from, to time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	longest := time.Duration(0)
	for i := len(r.arrivals) - 1; i > 0 && r.arrivals[i].After(from); i-- {
		if r.arrivals[i-1].Before(to) {
			longest = max(longest, r.arrivals[i].Sub(r.arrivals[i-1]))
		}
	}
	return longest
}

// Finish stops sending, waits for everything that is under way and gives the verdict. Errors: those of the session.
func (r *Run) Finish(ctx context.Context) (Report, error) {
	close(r.stop)
	r.sender.Wait()
	if r.sendErr != nil {
		return Report{}, r.sendErr
	}
	if err := r.session.Send(ctx, roam.Message{Text: true, Data: []byte("stop")}); err != nil {
		return Report{}, err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return Report{}, errors.Join(ctx.Err(), errors.New("the program's report did not come"))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.UpSent = r.upSent
	return r.report, r.err
}

func (r *Run) String() string {
	return fmt.Sprintf("edge %q, edges %v, %d received, %d unacknowledged", r.session.Edge(), r.session.Edges(), r.Received(), r.session.Unacked())
}
