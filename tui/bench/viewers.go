package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// viewersMany is how many watch at once over SSH: the budget of research 4.2 is for fifty.
const viewersMany = 50

// rssEvery is the pace at which the node's memory is looked at; what counts is the highest of a window.
const rssEvery = 100 * time.Millisecond

// usage is what a process took over a window.
type usage struct {
	cpu float64 // percent of one core
	rss float64 // most resident memory, in MB (2^20 bytes)
}

// watch looks at a process for a while.
func watch(ctx context.Context, pid int, d time.Duration) (usage, error) {
	before, err := cpuTime(pid)
	if err != nil {
		return usage{}, err
	}
	var u usage
	from := time.Now()
	for end := from.Add(d); time.Now().Before(end); {
		if err := pause(ctx, rssEvery); err != nil {
			return u, err
		}
		rss, err := residentMB(pid)
		if err != nil {
			return u, err
		}
		u.rss = max(u.rss, rss)
	}
	after, err := cpuTime(pid)
	u.cpu = 100 * (after - before).Seconds() / time.Since(from).Seconds()
	return u, err
}

// residentMB is the memory of a process that is not swapped out, in MB.
func residentMB(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kB, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kB / 1024, err
		}
	}
	return 0, errors.New("/proc status without VmRSS")
}

// viewer is one person who watches over SSH, and the marks on that screen.
type viewer struct {
	*terminal
	marks *marks
}

// attach lets people in over SSH, each with OpenSSH's client on a terminal of 80x24, and waits for the first complete frame of each.
func (m *measure) attach(ctx context.Context, ssh string, n int, seen *[]viewer) error {
	if n == 0 {
		return nil
	}
	addr, keys, err := m.node.Guests(ctx, n)
	if err != nil {
		return err
	}
	return m.enter(ctx, ssh, addr, keys, seen)
}

// enter starts a client for each key and waits for the first complete frame of all that there are.
func (m *measure) enter(ctx context.Context, ssh, addr string, keys []string, seen *[]viewer) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	for _, key := range keys {
		// A host key that was never seen is what a first visit meets; this one is a scratch node's on loopback.
		t, err := start(small(), false, environment(m.o.Env, m.o.Dir), ssh, "-F", "/dev/null", "-tt", "-a", "-e", "none", "-i", key, "-p", port,
			"-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
			"-o", "LogLevel=ERROR", "-o", "SendEnv=LC_ALL", host)
		if err != nil {
			return err
		}
		*seen = append(*seen, viewer{terminal: t})
	}
	for _, w := range *seen {
		if _, err := w.await(ctx, frameMost, "the first complete frame over SSH", shows("all hold", "4 Splits")); err != nil {
			return err
		}
	}
	return nil
}

// observed is what a window showed of the node and of those who watch.
type observed struct {
	usage
	bytes float64 // a second that came to each screen, on average
	held  float64 // memory of the node in use, in bytes; under load only
}

// observe looks at the node and at the screens for a window.
func (m *measure) observe(ctx context.Context, pid int, seen []viewer) (observed, error) {
	received := func() (sum uint64) {
		for _, w := range seen {
			sum += w.count()
		}
		return sum
	}
	before, from := received(), time.Now()
	u, err := watch(ctx, pid, m.o.Duration)
	each := float64(received()-before) / float64(max(len(seen), 1)) / time.Since(from).Seconds()
	return observed{usage: u, bytes: each}, err
}

// marking is observe under load, with marks on their way to every screen.
func (m *measure) marking(ctx context.Context, pid int, seen []viewer) (observed, string, error) {
	gross, err := m.node.Marked(ctx)
	if err != nil {
		return observed{}, "", err
	}
	following, cancel := context.WithCancel(ctx)
	defer cancel()
	for i := range seen {
		seen[i].marks = &marks{base: gross / MarkMinor}
		go seen[i].marks.follow(following, seen[i].terminal) // ends with following or the terminal
	}
	load := m.startLoad(ctx)
	defer load.stop()
	if err := pause(ctx, warmUp); err != nil {
		return observed{}, "", err
	}
	var out observed
	done := make(chan error, 1)
	go func() { // ends with its window and a collection, or following
		var err error
		if out, err = m.observe(following, pid, seen); err == nil {
			out.held, err = m.node.Held(following)
		}
		done <- err
	}()
	for {
		select {
		case err := <-done:
			detail, loadErr := load.end()
			for _, w := range seen {
				err = errors.Join(err, w.marks.settle(ctx, settleMost))
			}
			return out, detail, errors.Join(err, loadErr)
		case <-time.After(time.Duration(50+rand.IntN(100)) * time.Millisecond):
		}
		if err := m.node.Mark(ctx); err != nil {
			cancel()
			return observed{}, "", errors.Join(err, <-done)
		}
		receipt := time.Now()
		for _, w := range seen {
			w.marks.send(receipt)
		}
	}
}

// lateness gives the delays of all marks on all screens, in milliseconds and sorted. A mark that never came is an error.
func lateness(seen []viewer) ([]float64, error) {
	var all []time.Duration
	for i, w := range seen {
		if n := w.marks.missing(); n > 0 {
			return nil, fmt.Errorf("%d of %d marks did not arrive at session %d within %v", n, len(w.marks.sent), i+1, settleMost)
		}
		w.marks.mu.Lock()
		all = append(all, w.marks.late...)
		w.marks.mu.Unlock()
	}
	return milliseconds(all), nil
}

// overSSH measures the node without anybody, with one person and with many who watch over SSH, each time in silence and under load.
// What a session costs is the difference to nobody.
func (m *measure) overSSH(ctx context.Context, ssh string, many int) (out []figure, err error) {
	var seen []viewer
	defer func() {
		for _, w := range seen {
			_ = w.press("q") // all at once; whoever does not go is ended by close
		}
		for _, w := range seen {
			w.close("")
		}
	}()
	pid, alone := m.nodePID(ctx), 0.0
	for _, n := range []int{0, 1, many} {
		if err := m.attach(ctx, ssh, n-len(seen), &seen); err != nil {
			return nil, err
		}
		if err := pause(ctx, warmUp); err != nil {
			return nil, err
		}
		still, err := m.observe(ctx, pid, seen)
		if err != nil {
			return nil, err
		}
		busy, detail, err := m.marking(ctx, pid, seen)
		if err != nil {
			return nil, err
		}
		late, err := lateness(seen)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			alone = busy.held
		}
		out = append(out, sshFigures(n, n == many, still, busy, busy.held-alone, late, detail)...)
	}
	return out, nil
}

// sshFigures words what was observed with n sessions, and what the node held more than without them after the load, in bytes; the
// budgets are for the many. Resident memory stands beside it: it has what was freed and not given back, which at this size is noise.
func sshFigures(n int, judged bool, still, busy observed, more float64, late []float64, detail string) []figure {
	name := fmt.Sprintf("over SSH, %d watch", n)
	budget := func(v float64) *float64 {
		if !judged {
			return nil
		}
		return limit(v)
	}
	out := []figure{{name: name + ", no events: CPU of the node", unit: "% core", value: still.cpu},
		{name: name + ", load: CPU of the node", unit: "% core", value: busy.cpu, limit: budget(100), detail: detail},
		{name: name + ", load: resident memory", unit: "MB", value: busy.rss, detail: "most resident memory of the window"}}
	if n == 0 {
		return out
	}
	out = append(out, figure{name: name + ": memory for each", unit: "MB", value: more / float64(n) / (1 << 20), limit: budget(8),
		detail: "live heap and stacks, more than with 0"})
	samples := fmt.Sprintf("%d samples", len(late))
	return append(out,
		figure{name: name + ", no events: for each", unit: "bytes/s", value: still.bytes},
		figure{name: name + ", load: for each", unit: "bytes/s", value: busy.bytes, limit: budget(12_000), detail: "80x24"},
		figure{name: name + ", load: receipt to glyph, p50", unit: "ms", value: quantile(late, 50), limit: budget(1000), detail: samples},
		figure{name: name + ", load: receipt to glyph, p99", unit: "ms", value: quantile(late, 99), limit: budget(1000), detail: samples})
}
