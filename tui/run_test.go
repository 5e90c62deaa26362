//go:build unix

package tui

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// childResult names the file into which a console of its own process writes how it ended.
const childResult = "NEXUS_TUI_TEST_RESULT"

func TestMain(m *testing.M) {
	path := os.Getenv(childResult)
	if path == "" {
		os.Exit(m.Run())
	}
	o := Options{Backend: childBackend{tuitest.NewBackend(childOverview()), os.Getenv(childPanics)}, In: os.Stdin, Out: os.Stdout,
		Theme: theme.Detect(os.Getenv), Launching: true, Now: tuitest.Time, Tmux: os.Getenv("TMUX") != ""}
	if os.Getenv(childPanics) == "clock" {
		o.Now = newPanickingClock()
	}
	result, err := Run(context.Background(), o)
	if err := os.WriteFile(path, fmt.Appendf(nil, "%s %s %v", result.Quit, result.Launch, err), 0o600); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// await retries until the condition holds, for at most a minute.
func await(t *testing.T, what string, holds func() bool, show func() string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen:\n%s", what, show())
		}
	}
}

func awaitScreen(t *testing.T, s *tuitest.Screen, words ...string) {
	t.Helper()
	await(t, strings.Join(words, ", "), func() bool { return s.Shows(words...) }, s.Text)
}

func press(t *testing.T, s *tuitest.Screen, keys string) {
	t.Helper()
	if err := s.Press(keys); err != nil {
		t.Fatal(err)
	}
}

// The console on a real terminal: first picture, resize, drill-down, a node that dies and comes back, silence while
// nothing changes, and the terminal as it was at the end.
func TestRunOnATerminal(t *testing.T) {
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer tty.Close()
	size := func(width, height uint16) {
		if err := pty.Setsize(master, &pty.Winsize{Cols: width, Rows: height}); err != nil {
			t.Fatal(err)
		}
	}
	size(100, 30)
	before, err := term.GetState(tty.Fd())
	if err != nil {
		t.Fatal(err)
	}
	s, node := tuitest.NewScreen(master, vt10x.New(vt10x.WithSize(100, 30))), tuitest.NewBackend(tuitest.Overview())
	type ending struct {
		Result
		err error
	}
	ended := make(chan ending, 1)
	go func() {
		r, err := Run(t.Context(), Options{Backend: node, In: tty, Out: tty, Theme: theme.Options{Color: theme.Color256}})
		ended <- ending{r, err}
	}()
	awaitScreen(t, s, "Launch 9/12", "LIVE", "all hold", "q quit")

	s.Resize(160, 48)
	size(160, 48)
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	awaitScreen(t, s, "5 Cluster", "6 Units", "Evidence", "9 Messages")

	press(t, s, "8\r")
	awaitScreen(t, s, "Decision #120440", "nexus gates explain 120440", "G17 platform-non-repudiation")
	node.Kill()
	awaitScreen(t, s, "node lost at", "reconnecting", "LOST", "Decision #120440")
	node.Revive()
	awaitScreen(t, s, "answers again")
	later := tuitest.Overview()
	later.Node.State = wire.NodeServing
	node.Show(later)
	press(t, s, "0")
	awaitScreen(t, s, "serving", "5 Cluster")

	if quiet, ok := silence(s, 700*time.Millisecond); !ok {
		t.Errorf("%d bytes went out while nothing changed", quiet)
	}
	press(t, s, "q")
	var end ending
	select {
	case end = <-ended:
	case <-time.After(time.Minute):
		t.Fatal("q does not end it")
	}
	if end.err != nil || end.Quit != QuitDetach || end.Launch != wire.StatusRunning || end.Frames == 0 {
		t.Errorf("ended with %+v", end)
	}
	await(t, "the last bytes", func() bool { return s.Bytes() == end.Bytes }, func() string {
		return fmt.Sprintf("%d bytes arrived, %d were counted", s.Bytes(), end.Bytes)
	})
	checkSane(t, tty, before, s)
}

// silence waits for quiet time and reports how many bytes broke it at the last try; the clock may change once.
func silence(s *tuitest.Screen, quiet time.Duration) (uint64, bool) {
	var last uint64
	for range 3 {
		before := s.Bytes()
		timer := time.NewTimer(quiet)
		<-timer.C
		if last = s.Bytes() - before; last == 0 {
			return 0, true
		}
	}
	return last, false
}

func checkSane(t *testing.T, tty *os.File, before *term.State, s *tuitest.Screen) {
	t.Helper()
	after, err := term.GetState(tty.Fd())
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(*after) != fmt.Sprint(*before) {
		t.Errorf("the terminal's modes were %v, are %v", *before, *after)
	}
	raw := s.Raw()
	if strings.LastIndex(raw, "\x1b[?1049l") < strings.LastIndex(raw, "\x1b[?1049h") || strings.LastIndex(raw,
		"\x1b[?25h") < strings.LastIndex(raw, "\x1b[?25l") {
		t.Error("the alternate screen or the hidden cursor stays")
	}
}

// A console of its own process ends cleanly when its terminal hangs up or it is told to end; the node is left alone.
func TestTheTerminalGoesAway(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, cmd *exec.Cmd, master *os.File){
		"hangup": func(_ *testing.T, _ *exec.Cmd, master *os.File) { master.Close() },
		"terminate": func(t *testing.T, cmd *exec.Cmd, _ *os.File) {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "result")
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), childResult+"="+path, "TERM=xterm-256color")
			started, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 80, Rows: 24})
			if err != nil {
				t.Fatal(err)
			}
			master := pollable(t, started)
			defer master.Close()
			s := tuitest.NewScreen(master, vt10x.New(vt10x.WithSize(80, 24)))
			awaitScreen(t, s, "Launch 9/12", "LIVE")
			leave(t, cmd, master)
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
			got, err := os.ReadFile(path)
			if err != nil || string(got) != "lost running <nil>" {
				t.Errorf("result %q, %v", got, err)
			}
		})
	}
}

// pollable replaces a file whose descriptor was asked for: such a file blocks in Read, and Close would wait for it.
func pollable(t *testing.T, f *os.File) *os.File {
	t.Helper()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "terminal")
}

func TestRunRefusesBadKeys(t *testing.T) {
	t.Parallel()
	_, err := Run(t.Context(), Options{Backend: tuitest.NewBackend(nil), Out: io.Discard,
		Keys: map[string][]string{"pause": {"q"}}})
	if err == nil || !strings.Contains(err.Error(), "quit") {
		t.Errorf("a conflict of keys: %v", err)
	}
	if _, err := Run(t.Context(), Options{}); err == nil {
		t.Error("no backend is accepted")
	}
}
