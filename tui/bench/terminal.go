package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

// size of a terminal in cells.
type size struct{ columns, rows int }

func (s size) String() string { return fmt.Sprintf("%dx%d", s.columns, s.rows) }

// rawMost bounds what is kept of a program's output, in bytes.
const rawMost = 1 << 20

// terminal is the other end of a program's terminal: one goroutine reads, stamps, counts and parses what arrives, and answers
// the queries that terminals answer.
type terminal struct {
	cmd     *exec.Cmd
	master  *os.File
	silent  bool          // answers nothing
	started time.Time     // just before the process was
	ended   chan struct{} // closed when the process and the reader have ended

	mu      sync.Mutex // everything below
	vt      vt10x.Terminal
	bytes   uint64
	raw     []byte // the first rawMost bytes
	cut     []byte // the beginning of a character whose rest has not come
	asked   []byte // the end of the output, as far as it may be the beginning of a query
	at      time.Time
	changed chan struct{} // closed and replaced with each read
	rate    int           // bytes a second that the line carries, 0: as many as there are
	late    time.Duration // one way, of output and of keys
}

// slow makes the line to the terminal a slow one: so many bytes a second, each so late, and keys as late the other way.
func (t *terminal) slow(rate int, late time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rate, t.late = rate, late
}

// line is how slow the line is.
func (t *terminal) line() (rate int, late time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rate, t.late
}

// chunkMost is how much a slow line takes at once, in bytes.
const chunkMost = 512

// start runs a program on a new terminal. Close ends it.
func start(s size, silent bool, env []string, program string, args ...string) (*terminal, error) {
	t := &terminal{cmd: exec.Command(program, args...), silent: silent, ended: make(chan struct{}), changed: make(chan struct{}),
		vt: vt10x.New(vt10x.WithSize(s.columns, s.rows))}
	t.cmd.Env = env
	t.started = time.Now()
	master, err := pty.StartWithSize(t.cmd, &pty.Winsize{Cols: uint16(s.columns), Rows: uint16(s.rows)})
	if err != nil {
		return nil, err
	}
	t.master = master
	go func() { // ends with the process: the last close of the other side ends reading
		t.read()
		_ = t.cmd.Wait() // how it ended is read from ProcessState
		close(t.ended)
	}()
	return t, nil
}

func (t *terminal) read() {
	buf := make([]byte, 64<<10)
	for {
		room := len(buf)
		if rate, _ := t.line(); rate > 0 {
			room = chunkMost
		}
		n, err := t.master.Read(buf[:room])
		rate, late := t.line() // as it is now: the line may have become slow while nothing came
		if rate > 0 {          // what the line has no room for stays with the program
			time.Sleep(time.Duration(n) * time.Second / time.Duration(rate))
		}
		now := time.Now().Add(late)
		t.mu.Lock()
		t.at = now
		t.bytes += uint64(n)
		t.raw = append(t.raw, buf[:min(n, rawMost-len(t.raw))]...)
		t.parse(buf[:n])
		answers := t.answers(buf[:n])
		close(t.changed)
		t.changed = make(chan struct{})
		t.mu.Unlock()
		if len(answers) > 0 {
			_, _ = t.master.Write(answers)
		}
		if err != nil {
			return
		}
	}
}

// parse draws what arrived. A character that two reads cut apart waits for its rest: the parser would take the halves for two.
func (t *terminal) parse(p []byte) {
	p = append(t.cut, p...)
	whole := len(p)
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if tail := p[len(p)-n:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				whole -= n
			}
			break
		}
	}
	_, _ = t.vt.Write(p[:whole])
	t.cut = append([]byte(nil), p[whole:]...)
}

// queries are what programs ask terminals, with the answer of a dark one that knows no synchronised output.
func queries() [][2]string {
	return [][2]string{{"\x1b]11;?", "\x1b]11;rgb:0000/0000/0000\x1b\\"}, {"\x1b]10;?", "\x1b]10;rgb:ffff/ffff/ffff\x1b\\"},
		{"\x1b[6n", "\x1b[1;1R"}, {"\x1b[c", "\x1b[?62;22c"}, {"\x1b[0c", "\x1b[?62;22c"}, {"\x1b[?2026$p", "\x1b[?2026;0$y"}}
}

// answers finds the queries in what arrived, also one that two reads cut apart.
func (t *terminal) answers(p []byte) (out []byte) {
	if t.silent {
		return nil
	}
	const longest = 9
	t.asked = append(t.asked, p...)
	for {
		first, end, answer := len(t.asked), 0, ""
		for _, q := range queries() {
			if i := bytes.Index(t.asked, []byte(q[0])); i >= 0 && i < first {
				first, end, answer = i, i+len(q[0]), q[1]
			}
		}
		if answer == "" {
			t.asked = append(t.asked[:0], t.asked[max(len(t.asked)-longest, 0):]...)
			return out
		}
		out = append(out, answer...)
		t.asked = t.asked[end:]
	}
}

// look gives the screen, when its newest bytes arrived, and what is closed with the next ones.
func (t *terminal) look() (screen string, at time.Time, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.vt.String(), t.at, t.changed
}

// count gives the bytes so far.
func (t *terminal) count() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes
}

// output is what arrived, at most rawMost bytes of it.
func (t *terminal) output() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]byte(nil), t.raw...)
}

// await waits until the screen holds something, and gives the time at which the bytes arrived that made it so.
func (t *terminal) await(ctx context.Context, most time.Duration, what string, holds func(screen string) bool) (time.Time, error) {
	late := time.NewTimer(most)
	defer late.Stop()
	for {
		screen, at, changed := t.look()
		if holds(screen) {
			return at, nil
		}
		select {
		case <-changed:
			continue
		case <-ctx.Done():
			return at, ctx.Err()
		case <-late.C:
		case <-t.ended:
		}
		if screen, at, _ = t.look(); holds(screen) {
			return at, nil
		}
		return at, fmt.Errorf("%s is not on the screen after %v; the screen:\n%s", what, most, screen)
	}
}

// shows makes a condition of words that all must be there.
func shows(words ...string) func(string) bool {
	return func(screen string) bool {
		for _, w := range words {
			if !strings.Contains(screen, w) {
				return false
			}
		}
		return true
	}
}

// press types keys.
func (t *terminal) press(keys string) error {
	if _, late := t.line(); late > 0 {
		time.Sleep(late)
	}
	_, err := t.master.WriteString(keys)
	return err
}

// close ends the program, by its own key first, and returns when it has ended.
func (t *terminal) close(quit string) {
	if quit != "" && t.press(quit) == nil {
		select {
		case <-t.ended:
		case <-time.After(2 * time.Second):
		}
	}
	_ = t.cmd.Process.Kill() // has ended already, mostly
	<-t.ended
	_ = t.master.Close()
}

// ticksPerSecond is the unit of /proc/PID/stat on every Linux that Go runs on.
const ticksPerSecond = 100

// cpuTime is the processor time of a process so far, user and system. It is counted in steps of 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name, in brackets, may hold anything; the fields behind it are counted from the state.
	i := bytes.LastIndexByte(b, ')')
	fields := strings.Fields(string(b[i+1:]))
	if i < 0 || len(fields) < 13 {
		return 0, errors.New("/proc stat of an unknown form")
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// window measures a program for a while: bytes a second and percent of one core.
func (t *terminal) window(ctx context.Context, d time.Duration) (bytesPerSecond, cpuPercent float64, err error) {
	cpu, err := cpuTime(t.cmd.Process.Pid)
	if err != nil {
		return 0, 0, err
	}
	bytes, from := t.count(), time.Now()
	if err := pause(ctx, d); err != nil {
		return 0, 0, err
	}
	took := time.Since(from)
	after, err := cpuTime(t.cmd.Process.Pid)
	if err != nil {
		return 0, 0, err
	}
	return float64(t.count()-bytes) / took.Seconds(), 100 * (after - cpu).Seconds() / took.Seconds(), nil
}

// pause waits, or fails when ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// environment is what a program on such a terminal gets: the caller's, without what would change how the console looks or
// where it looks for its node.
func environment(env []string, home string) []string {
	out := []string{"TERM=xterm-256color", "LC_ALL=C.UTF-8", "HOME=" + home}
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		switch {
		case strings.HasPrefix(name, "NEXUS_"), strings.HasPrefix(name, "LC_"), strings.HasPrefix(name, "XDG_"):
		case name == "TERM", name == "COLORTERM", name == "HOME", name == "LANG", name == "CI", name == "NO_COLOR", name == "TMUX":
		default:
			out = append(out, e)
		}
	}
	return out
}
