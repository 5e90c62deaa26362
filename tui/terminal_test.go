//go:build unix

package tui

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// childPanics names the goroutine of a console of its own process that breaks: feed, command or clock (the program's own loop).
const childPanics = "NEXUS_TUI_TEST_PANICS"

// childBackend is a node in memory whose calls may panic.
type childBackend struct {
	*tuitest.Backend
	panics string
}

func (b childBackend) Watch(ctx context.Context, show func(*wire.Overview)) error {
	return b.Backend.Watch(ctx, func(o *wire.Overview) {
		show(o)
		if b.panics == "feed" {
			time.Sleep(500 * time.Millisecond) // the first picture is on the screen, or not: the terminal is raw either way
			panic("planted in the feed")
		}
	})
}

func (b childBackend) Decision(ctx context.Context, index uint64) (wire.Decision, error) {
	if b.panics == "command" {
		panic("planted in a command")
	}
	return b.Backend.Decision(ctx, index)
}

// childNarrow asks for a node whose names are ASCII: the emulator of these tests knows no wide cells.
const childNarrow = "NEXUS_TUI_TEST_NARROW"

// narrow puts a letter for every rune outside ASCII.
func narrow(o *wire.Overview) *wire.Overview {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	ascii := strings.Map(func(r rune) rune {
		if r > 0x7e {
			return 'x'
		}
		return r
	}, string(b))
	out := new(wire.Overview)
	if err := json.Unmarshal([]byte(ascii), out); err != nil {
		panic(err)
	}
	return out
}

// childOverview is the picture of the node of a console of its own process.
func childOverview() *wire.Overview {
	if os.Getenv(childNarrow) != "" {
		return narrow(tuitest.Overview())
	}
	if os.Getenv(childWide) != "" {
		return wideOnes(tuitest.Overview())
	}
	return tuitest.Overview()
}

// newPanickingClock breaks once the console has been asked for the time more often than its start needs.
func newPanickingClock() func() time.Time {
	var asked atomic.Int64
	return func() time.Time {
		if asked.Add(1) > 20 {
			panic("planted in the clock")
		}
		return tuitest.Time()
	}
}

// child is a console in a process of its own, on a terminal whose slave stays open here, so that its modes can be read.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	screen *tuitest.Screen
	master *os.File
	tty    *os.File
	before *term.State
	result string
	ended  chan error
}

func startChild(t *testing.T, columns, rows int, env ...string) *child {
	t.Helper()
	opened, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, tty: tty, result: filepath.Join(t.TempDir(), "result"), ended: make(chan error, 1)}
	c.resize(opened, columns, rows)
	if c.before, err = term.GetState(tty.Fd()); err != nil {
		t.Fatal(err)
	}
	c.cmd = exec.CommandContext(t.Context(), os.Args[0])
	c.cmd.Env = append([]string{childResult + "=" + c.result, "LC_ALL=C.UTF-8", "PATH=" + os.Getenv("PATH")}, env...)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = tty, tty, tty
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.master = pollable(t, opened)
	c.screen = tuitest.NewScreen(c.master, vt10x.New(vt10x.WithSize(columns, rows)))
	done := make(chan struct{})
	go func() { c.ended <- c.cmd.Wait(); close(done) }()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // it has ended already, mostly
		<-done
		_ = c.master.Close()
		_ = c.tty.Close()
	})
	return c
}

func (c *child) resize(master *os.File, columns, rows int) {
	c.t.Helper()
	if err := pty.Setsize(master, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)}); err != nil {
		c.t.Fatal(err)
	}
}

// grow changes the size as a terminal does: its own screen, the kernel's notion, and the signal to the process.
func (c *child) grow(columns, rows int) {
	c.t.Helper()
	c.screen.Resize(columns, rows)
	c.resize(c.tty, columns, rows)
	// The slave is not the process's controlling terminal, so the kernel does not send the signal.
	if err := c.cmd.Process.Signal(syscall.SIGWINCH); err != nil {
		c.t.Fatal(err)
	}
}

// wait gives what the console said of its own end.
func (c *child) wait() string {
	c.t.Helper()
	select {
	case err := <-c.ended:
		if err != nil {
			c.t.Errorf("it ended with %v:\n%s", err, c.screen.Text())
		}
	case <-time.After(time.Minute):
		c.t.Fatalf("it does not end:\n%s", c.screen.Text())
	}
	b, err := os.ReadFile(c.result)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

// leave quits, and looks at what is left of the terminal.
func (c *child) leave() {
	c.t.Helper()
	press(c.t, c.screen, "q")
	awaitScreen(c.t, c.screen, "Leave the console")
	press(c.t, c.screen, "l")
	if got := c.wait(); !strings.HasPrefix(got, "detach ") {
		c.t.Errorf("it says %q", got)
	}
	c.sane()
}

// sane waits for the last bytes, then demands the modes, the screen and the cursor as they were.
func (c *child) sane() {
	c.t.Helper()
	await(c.t, "the end of the alternate screen", func() bool {
		raw := c.screen.Raw()
		return strings.LastIndex(raw, "\x1b[?1049l") >= strings.LastIndex(raw, "\x1b[?1049h")
	}, c.screen.Raw)
	checkSane(c.t, c.tty, c.before, c.screen)
}

// A panic anywhere in the console gives the terminal back and is told as an error, not as a wild screen.
func TestAPanicLeavesTheTerminalSane(t *testing.T) {
	for _, where := range []string{"feed", "command", "clock"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			c := startChild(t, 100, 30, "TERM=xterm-256color", childPanics+"="+where)
			awaitScreen(t, c.screen, "Launch 9/12")
			for range 40 {
				if where == "command" || where == "clock" {
					_ = c.screen.Press("8\r") // it may be gone already
				}
				time.Sleep(10 * time.Millisecond)
			}
			if got := c.wait(); !strings.Contains(got, "panic") {
				t.Errorf("it says %q", got)
			}
			c.sane()
		})
	}
}

// Nothing is ever asked of the terminal: so one that is silent, slow or lies can neither hold the console up nor type into it.
// The first picture comes and keys work on each kind.
func TestNoTerminalIsAsked(t *testing.T) {
	for _, name := range []string{"xterm-256color", "screen", "tmux-256color", "linux", "vt100", "nosuchterm"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startChild(t, 80, 24, "TERM="+name)
			awaitScreen(t, c.screen, "Launch 9/12", "LIVE")
			press(t, c.screen, "6")
			awaitScreen(t, c.screen, "6 Units")
			c.leave()
			raw := c.screen.Raw()
			for what, query := range map[string]string{"colour": "]11;?", "foreground": "]10;?", "cursor": "\x1b[6n", "kind": "\x1b[c", "kind 2": "\x1b[>c",
				"version": "\x1b[>0q", "mode": "$p", "status": "\x1b[5n", "keyboard": "\x1b[?u"} {
				if strings.Contains(raw, query) {
					t.Errorf("the terminal is asked for its %s", what)
				}
			}
			if name == "linux" {
				for _, r := range raw {
					if r > 0x7e && !strings.Contains("新星工作室системa👩‍👩‍👧‍👦", string(r)) {
						t.Errorf("%q is in no font of the bare console", r)
					}
				}
			}
			if name == "linux" && (strings.Contains(raw, "38;5;") || strings.Contains(raw, "38;2;")) {
				t.Error("the bare console gets colours it does not have")
			}
		})
	}
}

// Sizes that no sane terminal has: nothing breaks, and a good size brings the picture back.
func TestLyingSizes(t *testing.T) {
	c := startChild(t, 0, 0, "TERM=xterm-256color")
	for _, size := range [][2]int{{1, 1}, {0, 24}, {80, 0}, {1, 500}, {2000, 2}, {39, 7}, {40, 8}, {600, 200}} {
		if size[0] > 0 && size[1] > 0 {
			c.grow(size[0], size[1])
		} else {
			c.resize(c.tty, size[0], size[1])
			_ = c.cmd.Process.Signal(syscall.SIGWINCH)
		}
		time.Sleep(30 * time.Millisecond)
	}
	c.grow(80, 24)
	awaitScreen(t, c.screen, "Launch 9/12", "LIVE")
	c.leave()
}

// Random sizes and keys on a real terminal: the screen that came about change by change is the screen that a whole redraw gives.
func TestTheScreenIsWhatARedrawGives(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	c := startChild(t, 80, 24, "TERM=xterm-256color", childNarrow+"=1")
	awaitScreen(t, c.screen, "Launch 9/12", "LIVE")
	keys := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "j", "k", "g", "G", "\r", "\x1b", "\t", "?", "z", "s", "M", "p", "T", " ", "[", "]",
		"-", "h", "l", "f", "i", "w", "/deny\r", ":imvu l\x1b", "\x06", "\x02", "\x7f"}
	for end, round := time.Now().Add(fuzzFor()), 0; round < 3 || time.Now().Before(end); round++ {
		columns, rows := 40+random.IntN(130), 8+random.IntN(45)
		c.grow(columns, rows)
		for range 10 {
			press(t, c.screen, keys[random.IntN(len(keys))])
			time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
		}
		for range 2 { // what is being typed takes no keys for the console
			press(t, c.screen, "\x1b")
			time.Sleep(100 * time.Millisecond)
		}
		press(t, c.screen, fmt.Sprint(random.IntN(10))) // a note is taken off by the next key, so the last one makes none
		settle(t, c.screen)
		came := c.screen.Text()
		before := c.screen.Bytes()
		press(t, c.screen, "\x0c")
		await(t, "the redraw", func() bool { return c.screen.Bytes() > before+uint64(columns) }, c.screen.Text)
		settle(t, c.screen)
		if again := c.screen.Text(); again != came {
			t.Fatalf("round %d, %dx%d: by changes and redrawn\n%s", round, columns, rows, differingLines(came, again))
		}
	}
	c.grow(100, 30)
	press(t, c.screen, "\x1b")
	time.Sleep(100 * time.Millisecond)
	press(t, c.screen, "\x1b")
	settle(t, c.screen)
	c.leave()
}

// differingLines shows the lines in which two screens differ.
func differingLines(a, b string) string {
	var out strings.Builder
	other := strings.Split(b, "\n")
	for i, line := range strings.Split(a, "\n") {
		if i >= len(other) || line != other[i] {
			fmt.Fprintf(&out, "%d %q\n%d %q\n", i, line, i, strings.Join(other[min(i, len(other)):min(i+1, len(other))], ""))
		}
	}
	return out.String()
}

// settle waits until nothing has come for a while.
func settle(t *testing.T, s *tuitest.Screen) {
	t.Helper()
	last, quiet := s.Bytes(), time.Now()
	await(t, "silence", func() bool {
		if now := s.Bytes(); now != last {
			last, quiet = now, time.Now()
		}
		return time.Since(quiet) > 250*time.Millisecond
	}, s.Text)
}

// Inside tmux the screen is the same, character for character, as on a terminal of its own, and a copy reaches its buffer where it takes one.
func TestInsideTmux(t *testing.T) {
	c := startChild(t, 80, 24, "TERM=screen-256color")
	awaitScreen(t, c.screen, "Launch 9/12", "LIVE")
	settle(t, c.screen)
	want := c.screen.Text()
	c.leave()

	m := newTmux(t, 80, 24, fmt.Sprintf("env %s=%s TERM=screen-256color LC_ALL=C.UTF-8 %s; sleep 60", childResult,
		filepath.Join(t.TempDir(), "result"), os.Args[0]))
	run := m.run
	trim := func(s string) string {
		lines := strings.Split(strings.TrimRight(s, "\n "), "\n")
		for i := range lines {
			lines[i] = strings.TrimRight(lines[i], " ")
		}
		return strings.Join(lines, "\n")
	}
	got := ""
	await(t, "the same screen in tmux", func() bool { got = run("capture-pane", "-p"); return trim(got) == trim(want) }, func() string {
		return trim(got) + "\nwant\n" + trim(want)
	})
	run("set-option", "-s", "set-clipboard", "on")
	run("send-keys", "y")
	await(t, "the copy", func() bool { return run("list-buffers") != "" }, func() string { return run("capture-pane", "-p") })
	if got := run("show-buffer"); got != "validation" {
		t.Errorf("tmux was given %q to keep", got)
	}
	run("send-keys", "q")
	await(t, "the question", func() bool { return strings.Contains(run("capture-pane", "-p"), "Leave the console") }, func() string {
		return run("capture-pane", "-p")
	})
	run("send-keys", "l")
	await(t, "the shell's screen", func() bool { return !strings.Contains(run("capture-pane", "-p"), "Launch 9/12") }, func() string {
		return run("capture-pane", "-p")
	})
}
