package bench

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// The two sizes that budgets are given for.
func wide() size  { return size{160, 48} }
func small() size { return size{80, 24} }

// Limits of waiting, so that a console that shows nothing ends the bench with an error.
const (
	frameMost  = 15 * time.Second // until the first frame
	glyphMost  = 5 * time.Second  // until a key shows
	settleMost = 5 * time.Second  // until the last mark shows
	idleMost   = 30 * time.Second // of one window of silence
	warmUp     = time.Second      // between the first frame and a window
)

// measure is one run of the bench: the node and what was recorded from it.
type measure struct {
	o     Options
	node  Node
	still *wire.Overview // a picture of the node at rest

	flooded  FloodNode     // nil between the cases that flood
	patience time.Duration // for what must come to everybody, or go from everywhere, after a case; 0: heardMost, leakMost
}

// namedCase is one case: every run of it gives the same figures in the same order.
type namedCase struct {
	name string
	run  func(ctx context.Context) ([]figure, error)
}

// cases lists what is measured, and what is not because find finds no program of that name.
func (m *measure) cases(find func(program string) (path string, err error)) (list []namedCase, leftOut []string) {
	list = []namedCase{
		{"version on a silent terminal", m.version},
		{"start to first complete frame", m.starts},
		{"idle, recorded picture", m.idleRecorded},
		{"idle, running node", m.idleNode},
		{"load, 160x48", func(ctx context.Context) ([]figure, error) { return m.live(ctx, wide(), 30_000, batches) }},
		{"load, 80x24", func(ctx context.Context) ([]figure, error) { return m.live(ctx, small(), 12_000, batches) }},
		{"key to glyph", func(ctx context.Context) ([]figure, error) { return m.keys(ctx, batches) }},
		{"picture to glyph", func(ctx context.Context) ([]figure, error) { return m.pictures(ctx, batches) }},
		{"receipt to screen and tally", func(ctx context.Context) ([]figure, error) { return m.receipts(ctx, batches) }},
		{"single events, 160x48", func(ctx context.Context) ([]figure, error) { return m.live(ctx, wide(), 30_000, singles) }},
		{"single events, 80x24", func(ctx context.Context) ([]figure, error) { return m.live(ctx, small(), 12_000, singles) }},
		{"single events, key to glyph", func(ctx context.Context) ([]figure, error) { return m.keys(ctx, singles) }},
		{"single events, picture to glyph", func(ctx context.Context) ([]figure, error) { return m.pictures(ctx, singles) }},
		{"single events, receipt to screen and tally", func(ctx context.Context) ([]figure, error) { return m.receipts(ctx, singles) }},
		{"20,000 units", m.manyUnits},
		{"slow link", m.slowLink},
		{"resize storm", m.resizes},
		{"drawing", m.drawing},
		{"refusal to glyph", m.refusals},
		{"flood of publications", func(ctx context.Context) ([]figure, error) { return m.flood(ctx, publications) }},
		{"flood of revenue", func(ctx context.Context) ([]figure, error) { return m.flood(ctx, revenue) }},
	}
	for _, p := range []struct {
		name        string // of the case; "": the program's
		program, of string // and its package
		run         func(ctx context.Context, path string) ([]figure, error)
	}{
		{fmt.Sprintf("%d watch over SSH", viewersMany), "ssh", "openssh-client", func(ctx context.Context, path string) ([]figure, error) {
			return m.overSSH(ctx, path, viewersMany)
		}},
		{fmt.Sprintf("%d sessions over SSH killed", leakSessions), "ssh", "openssh-client", func(ctx context.Context, path string) ([]figure, error) {
			return m.leak(ctx, path, leakSessions, leakAtOnce)
		}},
		{"", "htop", "htop", func(ctx context.Context, path string) ([]figure, error) { return m.other(ctx, "htop", path) }},
		{"", "btop", "btop", func(ctx context.Context, path string) ([]figure, error) { return m.other(ctx, "btop", path) }},
	} {
		name := cmp.Or(p.name, p.program)
		if path, err := find(p.program); err == nil {
			list = append(list, namedCase{name, func(ctx context.Context) ([]figure, error) { return p.run(ctx, path) }})
		} else {
			leftOut = append(leftOut, fmt.Sprintf("%s: %s is not installed (package %s; make bench-console installs it)", name, p.program, p.of))
		}
	}
	return list, leftOut
}

// console starts the console and waits for its first complete frame. socket is empty for the node itself.
func (m *measure) console(ctx context.Context, s size, socket string) (*terminal, time.Time, error) {
	return m.consoleOf(ctx, m.node, s, socket)
}

func (m *measure) consoleOf(ctx context.Context, n Node, s size, socket string) (*terminal, time.Time, error) {
	args := []string{"console", "--data-dir", n.DataDir()}
	if socket != "" {
		args = append(args, "--node", socket)
	}
	t, err := start(s, false, environment(m.o.Env, m.o.Dir), m.o.Binary, args...)
	if err != nil {
		return nil, time.Time{}, err
	}
	words := []string{"all hold", "4 Splits", "? help"}
	if s == wide() {
		words = append(words, "5 Cluster", "9 Messages")
	}
	at, err := t.await(ctx, frameMost, "the first complete frame", shows(words...))
	if err != nil {
		t.close("")
		return nil, at, err
	}
	return t, at, nil
}

// version runs `nexus version` on a terminal that answers nothing, and holds its bytes against those it writes to a pipe.
func (m *measure) version(ctx context.Context) ([]figure, error) {
	env := environment(m.o.Env, m.o.Dir)
	plain := exec.CommandContext(ctx, m.o.Binary, "version")
	plain.Env = env
	want, err := plain.Output()
	if err != nil {
		return nil, err
	}
	t, err := start(small(), true, env, m.o.Binary, "version")
	if err != nil {
		return nil, err
	}
	defer t.close("")
	select {
	case <-t.ended:
	case <-time.After(frameMost):
		return nil, fmt.Errorf("nexus version did not end in %v", frameMost)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	_, at, _ := t.look()
	got, differ := t.output(), 0.0
	if !bytes.Equal(got, bytes.ReplaceAll(want, []byte("\n"), []byte("\r\n"))) {
		differ = 1
	}
	return []figure{
		{name: "version on a silent terminal", unit: "ms", value: float64(at.Sub(t.started).Microseconds()) / 1000, limit: limit(300)},
		{name: "version, escape bytes", unit: "bytes", value: float64(bytes.Count(got, []byte{0x1b})), limit: limit(0)},
		{name: "version, outputs unlike the one to a pipe", unit: "", value: differ, limit: limit(0), detail: fmt.Sprintf("%d bytes compared", len(got))},
	}, nil
}

// starts measures from before the process starts until its first complete frame is on the parsed screen.
func (m *measure) starts(ctx context.Context) ([]figure, error) {
	var list []time.Duration
	for range m.o.Starts {
		t, at, err := m.console(ctx, wide(), "")
		if err != nil {
			return nil, err
		}
		list = append(list, at.Sub(t.started))
		t.close("q")
	}
	ms, detail := milliseconds(list), fmt.Sprintf("%d starts a run, 160x48, node running", m.o.Starts)
	return []figure{{name: "process start to complete frame, p50", unit: "ms", value: quantile(ms, 50), detail: detail},
		{name: "process start to complete frame, p95", unit: "ms", value: quantile(ms, 95), limit: limit(250), detail: detail}}, nil
}

// idleRecorded measures a console to which nothing happens: one picture of the node, served again and never changed. The
// clock's minute does not change in the window.
func (m *measure) idleRecorded(ctx context.Context) ([]figure, error) {
	if m.still == nil {
		o, err := m.node.Overview(ctx)
		if err != nil {
			return nil, err
		}
		m.still = o
	}
	s, err := serveRecorded(m.o.Dir, m.still)
	if err != nil {
		return nil, err
	}
	defer s.close()
	t, _, err := m.console(ctx, wide(), s.path)
	if err != nil {
		return nil, err
	}
	defer t.close("q")
	window := min(3*m.o.Duration, idleMost)
	if err := m.settleInMinute(ctx, window); err != nil {
		return nil, err
	}
	rate, cpu, err := t.window(ctx, window)
	if err != nil {
		return nil, err
	}
	detail := fmt.Sprintf("one recorded picture, %v, inside a minute", window)
	return []figure{{name: "idle, nothing changes, 160x48", unit: "bytes/s", value: rate, limit: limit(0), detail: detail},
		{name: "idle, nothing changes, CPU", unit: "% core", value: cpu, limit: limit(0.7), detail: detail}}, nil
}

// settleInMinute waits until a window fits before the next change of the clock.
func (m *measure) settleInMinute(ctx context.Context, window time.Duration) error {
	if err := pause(ctx, warmUp); err != nil {
		return err
	}
	now := time.Now()
	next := now.Truncate(time.Minute).Add(time.Minute)
	if left := next.Sub(now); left < window+time.Second {
		return pause(ctx, left+time.Second)
	}
	return nil
}

// idleNode measures beside it what a running node without events sends: its slices are probed and shown every second.
func (m *measure) idleNode(ctx context.Context) ([]figure, error) {
	t, _, err := m.console(ctx, wide(), "")
	if err != nil {
		return nil, err
	}
	defer t.close("q")
	if err := pause(ctx, warmUp); err != nil {
		return nil, err
	}
	rate, cpu, err := t.window(ctx, m.o.Duration)
	detail := "slice figures are measured anew each second"
	return []figure{{name: "no events, running node, 160x48", unit: "bytes/s", value: rate, detail: detail},
		{name: "no events, running node, CPU", unit: "% core", value: cpu, detail: detail}}, err
}

// live measures the overview of the real node under load.
func (m *measure) live(ctx context.Context, s size, bytesMost float64, kind loadKind) ([]figure, error) {
	t, _, err := m.console(ctx, s, "")
	if err != nil {
		return nil, err
	}
	defer t.close("q")
	load := m.startLoadOf(ctx, kind)
	defer load.stop()
	if err := pause(ctx, warmUp); err != nil {
		return nil, err
	}
	nodeCPU, _ := cpuTime(m.nodePID(ctx))
	rate, cpu, err := t.window(ctx, m.o.Duration)
	if err != nil {
		return nil, err
	}
	after, _ := cpuTime(m.nodePID(ctx))
	held, err := resident(t.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	detail, err := load.end()
	if err != nil {
		return nil, err
	}
	under := kind.String()
	out := []figure{{name: fmt.Sprintf("overview under %s, %v", under, s), unit: "bytes/s", value: rate, limit: limit(bytesMost), detail: detail},
		{name: fmt.Sprintf("overview under %s, %v, CPU", under, s), unit: "% core", value: cpu, limit: limit(15), detail: detail}}
	if s == wide() {
		out = append(out, figure{name: "the node itself under " + kind.that() + ", CPU", unit: "% core", value: 100 * (after - nodeCPU).Seconds() /
			m.o.Duration.Seconds(), detail: detail}, figure{name: "memory of the console under " + kind.that(), unit: "MB", value: held / 1e6, detail: "resident"})
	}
	if kind == singles {
		out = append(out, figure{name: fmt.Sprintf("single events, %v, short of 1,000 ev/s", s), unit: "%", value: load.short(), limit: limit(loadShortMost),
			detail: detail})
	}
	return out, nil
}

func (m *measure) nodePID(ctx context.Context) int {
	o, err := m.node.Overview(ctx)
	if err != nil {
		return 0
	}
	return o.Node.PID
}

// keys types into the filter line, whose every letter shows at once, at about thirteen keys a second with uneven gaps.
func (m *measure) keys(ctx context.Context, kind loadKind) ([]figure, error) {
	t, _, err := m.console(ctx, wide(), "")
	if err != nil {
		return nil, err
	}
	defer t.close("\x1b")
	load := m.startLoadOf(ctx, kind)
	defer load.stop()
	if err := pause(ctx, warmUp); err != nil {
		return nil, err
	}
	if err := t.press("/"); err != nil {
		return nil, err
	}
	if _, err := t.await(ctx, glyphMost, "the filter line", shows("/_")); err != nil {
		return nil, err
	}
	const letters = "abcdefghijklmnop"
	var list []time.Duration
	typed, growing := 0, true
	for end := time.Now().Add(m.o.Duration); time.Now().Before(end); {
		if err := pause(ctx, time.Duration(50+rand.IntN(50))*time.Millisecond); err != nil {
			return nil, err
		}
		key := "\x7f"
		if growing {
			key = letters[typed : typed+1]
			typed++
		} else {
			typed--
		}
		growing = growing && typed < len(letters) || !growing && typed == 0
		sent := time.Now()
		if err := t.press(key); err != nil {
			return nil, err
		}
		at, err := t.await(ctx, glyphMost, "the key", shows("/"+letters[:typed]+"_"))
		if err != nil {
			return nil, err
		}
		list = append(list, at.Sub(sent))
	}
	detail, err := load.end()
	ms, detail := milliseconds(list), fmt.Sprintf("%d keys, %s", len(list), detail)
	return []figure{{name: "key to glyph under " + kind.String() + ", p50", unit: "ms", value: quantile(ms, 50), limit: limit(25), detail: detail},
		{name: "key to glyph under " + kind.String() + ", p99", unit: "ms", value: quantile(ms, 99), limit: limit(60), detail: detail}}, err
}

// pictures measures the console alone: pictures recorded under load are served again at the node's pace, each with another
// gross of the marked unit, from the moment a picture is handed over until its gross is on the screen.
func (m *measure) pictures(ctx context.Context, kind loadKind) ([]figure, error) {
	load := m.startLoadOf(ctx, kind)
	defer load.stop()
	film, err := record(ctx, m.node, m.o.Duration)
	if err != nil {
		return nil, err
	}
	detail, err := load.end()
	if err != nil {
		return nil, err
	}
	s, err := serveRecorded(m.o.Dir, marked(film[0], 0))
	if err != nil {
		return nil, err
	}
	defer s.close()
	t, _, err := m.console(ctx, wide(), s.path)
	if err != nil {
		return nil, err
	}
	defer t.close("q")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sent := &marks{}
	go sent.follow(ctx, t) // ends with ctx or the terminal
	for i, o := range film {
		if err := pause(ctx, pictureEvery); err != nil {
			return nil, err
		}
		at := time.Now()
		s.show(marked(o, int64(i+1)*MarkMinor))
		sent.send(at)
	}
	return sent.figures(ctx, "picture to glyph, recorded "+kind.String(), "console alone, ten pictures a second, recorded at "+detail, nil, limit(150))
}

// receipts measures the whole road: from the receipt of a durable event until GET /v1/tally has it, and until the real
// console shows it, both under load.
func (m *measure) receipts(ctx context.Context, kind loadKind) ([]figure, error) {
	gross, err := m.node.Marked(ctx)
	if err != nil {
		return nil, err
	}
	t, _, err := m.console(ctx, wide(), "")
	if err != nil {
		return nil, err
	}
	defer t.close("q")
	load := m.startLoadOf(ctx, kind)
	defer load.stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	onScreen, inTally := &marks{base: gross / MarkMinor}, &marks{base: gross / MarkMinor}
	go onScreen.follow(ctx, t) // ends with ctx or the terminal
	for end := time.Now().Add(m.o.Duration); time.Now().Before(end); {
		if err := pause(ctx, time.Duration(50+rand.IntN(100))*time.Millisecond); err != nil {
			return nil, err
		}
		if err := m.node.Mark(ctx); err != nil {
			return nil, err
		}
		receipt := time.Now()
		onScreen.send(receipt)
		inTally.send(receipt)
		for inTally.missing() > 0 && time.Since(receipt) < settleMost {
			now, err := m.node.Marked(ctx)
			if err != nil {
				return nil, err
			}
			inTally.show(now/MarkMinor, time.Now())
		}
	}
	detail, err := load.end()
	if err != nil {
		return nil, err
	}
	tally, err := inTally.figures(ctx, "receipt to GET /v1/tally, under "+kind.String(), detail, limit(1000), limit(1000))
	if err != nil {
		return nil, err
	}
	screen, err := onScreen.figures(ctx, "receipt to glyph, whole road, under "+kind.String(), detail, limit(1000), limit(1000))
	return append(tally, screen...), err
}

// figures waits for the last mark. One that never came is an error, not a missing sample.
func (m *marks) figures(ctx context.Context, name, detail string, p50, p99 *float64) ([]figure, error) {
	if err := m.settle(ctx, settleMost); err != nil {
		return nil, err
	}
	if n := m.missing(); n > 0 {
		return nil, fmt.Errorf("%d of %d marks did not arrive within %v", n, len(m.sent), settleMost)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	ms, detail := milliseconds(m.late), fmt.Sprintf("%d samples, %s", len(m.late), detail)
	return []figure{{name: name + ", p50", unit: "ms", value: quantile(ms, 50), limit: p50, detail: detail},
		{name: name + ", p99", unit: "ms", value: quantile(ms, 99), limit: p99, detail: detail}}, nil
}

// other measures another terminal program at both sizes, for comparison.
func (m *measure) other(ctx context.Context, name, path string) ([]figure, error) {
	var out []figure
	for _, s := range []size{wide(), small()} {
		t, err := start(s, false, environment(m.o.Env, m.o.Dir), path)
		if err != nil {
			return nil, err
		}
		_, err = t.await(ctx, frameMost, name, func(screen string) bool { return strings.TrimSpace(screen) != "" })
		if err == nil {
			err = pause(ctx, warmUp)
		}
		var rate, cpu float64
		if err == nil {
			rate, cpu, err = t.window(ctx, m.o.Duration)
		}
		t.close("q")
		if err != nil {
			return nil, err
		}
		out = append(out, figure{name: fmt.Sprintf("%s as it comes, %v", name, s), unit: "bytes/s", value: rate},
			figure{name: fmt.Sprintf("%s as it comes, %v, CPU", name, s), unit: "% core", value: cpu})
	}
	return out, nil
}
