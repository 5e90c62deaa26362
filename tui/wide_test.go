//go:build unix

package tui

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// childWide asks for a node whose units have names that terminals draw in widths of their own.
const childWide = "NEXUS_TUI_TEST_WIDE"

// wideNames are names of units; the first is plain. Of some of them tmux 3.3 thinks otherwise than this program.
func wideNames() []string {
	return []string{"plain name", "新星工作室", "👩‍👩‍👧‍👦 fam", "❤️ heart", "👍🏽 tone", "🇩🇪 flag", "👩🏽‍🚀 up", "1️⃣ key", "e\u0301a\u0308 marks",
		"नमस्ते", "กำ thai", "한글 \u1112\u1161\u11ab", "ｱｲ ア", "☕ cup", "🫠 new"}
}

// wideOnes puts those names on the units, which come first, each with a status that can be found.
func wideOnes(o *wire.Overview) *wire.Overview {
	row := o.Units[0]
	o.Units = nil
	for i, name := range wideNames() {
		row.ID, row.Label, row.Name, row.Status = fmt.Sprint(i), fmt.Sprintf("IMVU-%03d", i), name, fmt.Sprintf("word%02d", i)
		o.Units = append(o.Units, row)
	}
	return o
}

// tmuxServer is a tmux of its own with one window.
type tmuxServer struct {
	t    *testing.T
	path string
	dir  string
}

func newTmux(t *testing.T, columns, rows int, command string) *tmuxServer {
	t.Helper()
	path, err := exec.LookPath("tmux")
	if err != nil {
		t.Fatalf("make setup installs tmux: %v", err)
	}
	m := &tmuxServer{t, path, t.TempDir()}
	x, y := strconv.Itoa(columns), strconv.Itoa(rows)
	m.run("new-session", "-d", "-x", x, "-y", y, command)
	t.Cleanup(func() {
		_ = exec.Command(path, "-S", filepath.Join(m.dir, "s"), "kill-server").Run() // its own server, by its own socket
	})
	m.run("set-option", "-g", "status", "off")
	m.run("resize-window", "-x", x, "-y", y)
	return m
}

func (m *tmuxServer) run(args ...string) string {
	m.t.Helper()
	cmd := exec.CommandContext(m.t.Context(), m.path, append([]string{"-u", "-S", filepath.Join(m.dir, "s"), "-f", "/dev/null"}, args...)...)
	cmd.Env = []string{"TERM=xterm-256color", "LC_ALL=C.UTF-8", "PATH=" + os.Getenv("PATH"), "HOME=" + m.dir, "TMUX_TMPDIR=" + m.dir}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		m.t.Fatalf("tmux %v: %v %s", args, err, &errs)
	}
	return string(out)
}

// screen is the pane, without blanks at the ends of lines.
func (m *tmuxServer) screen() string {
	lines := strings.Split(strings.TrimRight(m.run("capture-pane", "-p"), "\n "), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// column is where a text ends in tmux's own cells.
func (m *tmuxServer) column(text string) int {
	m.t.Helper()
	out := m.run("copy-mode", ";", "send-keys", "-X", "top-line", ";", "send-keys", "-X", "search-forward", text, ";", "display-message", "-p",
		"#{copy_cursor_x}", ";", "send-keys", "-X", "cancel")
	n, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		m.t.Fatalf("column of %q: %q", text, out)
	}
	return n
}

// Names of any script and picture stand in the cells that were counted for them, in tmux's eyes: what follows a name is in the same
// column in each row, and a screen that came about by scrolling is the screen that a whole redraw gives.
func TestWideNamesInsideTmux(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {40, 8}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			t.Parallel()
			result := filepath.Join(t.TempDir(), "result")
			m := newTmux(t, size[0], size[1], fmt.Sprintf("env %s=%s %s=1 TERM=screen-256color LC_ALL=C.UTF-8 %s; sleep 60", childResult, result, childWide,
				os.Args[0]))
			shows := func(word string) {
				t.Helper()
				await(t, word, func() bool { return strings.Contains(m.screen(), word) }, m.screen)
			}
			shows("Launch 9/12")
			m.run("send-keys", "6")
			shows("word00")
			seen, want := 0, m.column("word00") // behind a plain name
			for i := range wideNames() {
				word := fmt.Sprintf("word%02d", i)
				if i > 0 {
					m.run("send-keys", "j")
				}
				shows(fmt.Sprintf("▸ IMVU-%03d", i))
				if got := m.column(word); got != want {
					t.Errorf("behind %q the status is in column %d, behind a plain name in %d:\n%s", wideNames()[i], got, want, m.screen())
				}
				seen++
			}
			if seen != len(wideNames()) {
				t.Errorf("%d rows were looked at", seen)
			}
			for range 4 {
				m.run("send-keys", "k")
			}
			m.run("send-keys", "0")
			shows("Launch 9/12")
			m.run("send-keys", "6")
			shows("word")
			var came, again string
			await(t, "a quiet screen", func() bool { came, again = again, m.screen(); return came == again && again != "" }, m.screen)
			m.run("send-keys", "C-l")
			await(t, "the redraw", func() bool { came, again = again, m.screen(); return came == again }, m.screen)
			if again != came {
				t.Errorf("by changes and redrawn\n%s", differingLines(came, again))
			}
		})
	}
}

// Whatever is in dispute is followed by a jump to the column that was counted; all else goes as it is.
func TestAlign(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"\x1b[Hplain ─│▁ über 新星 абв":  "",
		"\x1b[Hab 👍🏽 c":                "\x1b[Hab \x1b[2X\x1b[?7l👍🏽\x1b[?7h\x1b[6G c",
		"\x1b[2;5H\x1b[1m🇩🇪🇫🇷x":        "\x1b[2;5H\x1b[1m\x1b[4X\x1b[?7l🇩🇪🇫🇷\x1b[?7h\x1b[9Gx",
		"\re\u0301.":                   "\r\x1b[1X\x1b[?7le\u0301\x1b[?7h\x1b[2G.",
		"\x1b[H新\x1b[9X\x1b[9C☕\r\n❤️": "\x1b[H新\x1b[9X\x1b[9C\x1b[2X\x1b[?7l☕\x1b[?7h\x1b[14G\r\n\x1b[2X\x1b[?7l❤️\x1b[?7h\x1b[3G",
		"column unknown 👍🏽 c":          "column unknown 👍🏽 c",
		"\x1b[H👍🏽\x1b[":                "\x1b[H\x1b[2X\x1b[?7l👍🏽\x1b[?7h\x1b[3G\x1b[",
	} {
		if want == "" {
			want = text
		}
		if got := string((&aligner{}).align([]byte(text))); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if w := theme.Width("👍🏽"); w != 2 {
		t.Errorf("a thumb is %d cells wide", w)
	}
	all := tuitest.Overview()
	if n := len(wideOnes(all).Units); n != len(wideNames()) {
		t.Errorf("%d units", n)
	}
}

// FuzzAlign: nothing that can be seen is lost or put elsewhere in the stream.
func FuzzAlign(f *testing.F) {
	f.Add([]byte("\x1b[H👍🏽 a\x1b[0m\r\n🇩🇪e\u0301\x1b[3;4Hx"))
	f.Add([]byte("\x1b[\xff\x00👩‍👩‍👧‍👦"))
	f.Fuzz(func(t *testing.T, p []byte) {
		got := append([]byte(nil), (&aligner{}).align(p)...)
		rest := got
		for _, c := range p { // p is a subsequence of what goes out
			i := bytes.IndexByte(rest, c)
			if i < 0 {
				t.Fatalf("%q became %q", p, got)
			}
			rest = rest[i+1:]
		}
		if len(got) > 24*len(p)+1 {
			t.Fatalf("%d bytes became %d", len(p), len(got))
		}
	})
}
