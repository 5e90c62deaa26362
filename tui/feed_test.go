package tui

import (
	"bytes"
	"context"
	"errors"
	stdslices "slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// firehose is a node that shows a picture after each event, at a rate no screen can follow.
type firehose struct {
	*tuitest.Backend
	gap   time.Duration
	shown atomic.Int64
}

func (f *firehose) Watch(ctx context.Context, show func(*wire.Overview)) error {
	for seq := uint64(1); sleep(ctx, f.gap); seq++ {
		show(&wire.Overview{Seq: seq})
		f.shown.Add(1)
	}
	return nil
}

// Five thousand pictures a second become at most ten, four on a slow link; the newest is always the last one shown,
// and the node is never held back.
func TestPacing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		slow     bool
		bytes    uint64 // of each picture
		most, at int
	}{"fast link": {false, 400, 101, 95}, "slow link": {true, 400, 41, 36}, "large pictures": {false, 2500, 24, 21},
		"enormous pictures": {false, 50_000, 12, 10}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				node := &firehose{Backend: tuitest.NewBackend(nil), gap: 200 * time.Microsecond}
				var taken int
				var last picture
				w := &frameWriter{}
				if c.slow {
					w.tookNs.Store(int64(time.Second))
				}
				newFeed(node, time.Now).run(ctx, w.wait, func(p picture) {
					w.bytes.Add(c.bytes)
					if last.overview != nil && p.overview.Seq <= last.overview.Seq {
						t.Errorf("picture %d after %d", p.overview.Seq, last.overview.Seq)
					}
					last = p
					taken++
				})
				if taken > c.most || taken < c.at {
					t.Errorf("%d pictures in 10 s, want %d to %d", taken, c.at, c.most)
				}
				if node.shown.Load() < 49_990 {
					t.Errorf("the node showed %d of 50,000: it was held back", node.shown.Load())
				}
			})
		})
	}
}

// TestARefusalIsShownSoon: the picture that shows another one does not wait for the pace, those that show no new one do; not on a slow link.
func TestARefusalIsShownSoon(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		slow bool
		want []time.Duration // since the first picture, of each that is shown
	}{"fast link": {false, []time.Duration{0, 50 * time.Millisecond, 150 * time.Millisecond}}, "slow link": {true, []time.Duration{0, 250 * time.Millisecond}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				f := newFeed(tuitest.NewBackend(nil), time.Now)
				begin := time.Now()
				w := &frameWriter{}
				if c.slow {
					w.tookNs.Store(int64(time.Second))
				}
				var at []time.Duration
				var group sync.WaitGroup
				group.Go(func() { f.pace(ctx, w.wait, func(picture) { at = append(at, time.Since(begin)) }) })
				for _, one := range []struct {
					after  time.Duration
					denied uint64
				}{{0, 7}, {10 * time.Millisecond, 7}, {40 * time.Millisecond, 8}, {10 * time.Millisecond, 8}} {
					time.Sleep(one.after)
					f.set(func(p *picture) { p.overview = &wire.Overview{DecisionsDenied: one.denied} })
				}
				group.Wait()
				if !stdslices.Equal(at, c.want) {
					t.Errorf("pictures after %v, want %v", at, c.want)
				}
			})
		})
	}
}

// After a silence a picture goes out at once; while nothing comes nothing goes.
func TestAPictureAfterASilenceIsNotHeldBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		node := tuitest.NewBackend(nil)
		var took []time.Duration
		shown := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			newFeed(node, time.Now).run(ctx, (&frameWriter{}).wait, func(picture) {
				took = append(took,
					time.Since(shown))
			})
		}()
		for range 5 {
			time.Sleep(time.Second)
			shown = time.Now()
			node.Show(&wire.Overview{})
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		cancel()
		<-done
		if len(took) != 5 {
			t.Fatalf("%d pictures were sent, want 5", len(took))
		}
		for _, d := range took {
			if d != 0 {
				t.Errorf("a picture waited %s", d)
			}
		}
	})
}

// A slow consumer gets the newest picture, not a queue of old ones.
func TestASlowConsumerSkips(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		node := &firehose{Backend: tuitest.NewBackend(nil), gap: time.Millisecond}
		newFeed(node, time.Now).run(ctx, (&frameWriter{}).wait, func(p picture) {
			if behind := uint64(node.shown.Load()) + 1 - p.overview.Seq; behind > 1 {
				t.Errorf("the picture is %d behind", behind)
			}
			time.Sleep(time.Second)
		})
	})
}

// Attempts after a loss come 0.5, 1, 2, 4, 5, 5... seconds apart, the first loss keeps its time, and a new connection
// starts over.
func TestReconnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		start := time.Now()
		var tries []time.Duration
		node := &flaky{Backend: tuitest.NewBackend(nil), watch: func(n int, show func(*wire.Overview)) error {
			tries = append(tries, time.Since(start))
			if n == 5 {
				show(&wire.Overview{Seq: 5})
			}
			return errors.New("connection refused")
		}}
		var pictures []picture
		newFeed(node, time.Now).run(ctx, (&frameWriter{}).wait, func(p picture) { pictures = append(pictures, p) })
		want := []time.Duration{0, 500, 1500, 3500, 7500, 12500, 13000, 14000, 16000, 20000, 25000}
		for i, w := range want {
			if i >= len(tries) || tries[i] != w*time.Millisecond {
				t.Fatalf("attempts at %v, want %v ms", tries, want)
			}
		}
		if first := pictures[0]; !first.lost || !first.lostAt.Equal(start) || first.cause == nil {
			t.Errorf("the first loss is told as %+v", first)
		}
		if again := pictures[len(pictures)-1]; again.overview == nil || !again.lost ||
			!again.lostAt.Equal(start.Add(12500*time.Millisecond)) {
			t.Errorf("the last picture or the time of the second loss is gone: %+v", again)
		}
	})
}

type flaky struct {
	*tuitest.Backend
	n     int
	watch func(n int, show func(*wire.Overview)) error
}

func (f *flaky) Watch(_ context.Context, show func(*wire.Overview)) error {
	f.n++
	return f.watch(f.n-1, show)
}

// slowLink takes its time for each write.
type slowLink struct {
	bytes.Buffer
	takes time.Duration
}

func (s *slowLink) Write(p []byte) (int, error) {
	time.Sleep(s.takes)
	return s.Buffer.Write(p)
}

// The writer counts what went out and notices a slow link and its end.
func TestFrameWriter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		link := &slowLink{takes: 60 * time.Millisecond}
		out, w := newWriter(link)
		if _, isFile := out.(terminalFile); isFile {
			t.Error("a buffer looks like a terminal")
		}
		if _, err := out.Write([]byte("frame")); err != nil {
			t.Fatal(err)
		}
		if !w.slow() || w.bytes.Load() != 5 || w.frames.Load() != 1 {
			t.Errorf("slow %v, %d bytes, %d frames", w.slow(), w.bytes.Load(), w.frames.Load())
		}
		link.takes = 0
		if _, err := out.Write([]byte("!")); err != nil || w.slow() || w.bytes.Load() != 6 {
			t.Errorf("after the link is quick again: slow %v, %d bytes, %v", w.slow(), w.bytes.Load(), err)
		}
	})
}

// TestARefusalWaitsForNoBytes: the byte budget holds up the pictures after it, not the one that shows a refusal; on a slow link that one too.
func TestARefusalWaitsForNoBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &frameWriter{}
		if d := w.wait(time.Hour, false); d > 0 {
			t.Fatalf("with nothing written a picture waits %v", d)
		}
		w.bytes.Add(50_000)
		if d := w.wait(pacePressed, true); d > 0 {
			t.Errorf("a refusal waits %v", d)
		}
		if d := w.wait(paceFast, false); d != paceMost {
			t.Errorf("a picture after 50,000 bytes waits %v, want %v", d, paceMost)
		}
		w.tookNs.Store(int64(time.Second))
		if d := w.wait(pacePressed, true); d != paceMost {
			t.Errorf("on a slow link a refusal waits %v, want %v", d, paceMost)
		}
	})
}
