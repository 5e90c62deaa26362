//go:build unix

package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
	"golang.org/x/term"

	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// sshScreen is the node's console over SSH, by OpenSSH's client on a terminal whose slave stays open here, so that its modes can be read.
type sshScreen struct {
	*tuitest.Screen
	cmd    *exec.Cmd
	vt     vt10x.Terminal
	tty    *os.File
	before *term.State
}

// sshKey makes a key in a folder of its own and registers it.
func (n *liveNode) sshKey(name, role string) (file string) {
	n.t.Helper()
	file = filepath.Join(n.t.TempDir(), name)
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput(); err != nil {
		n.t.Fatalf("ssh-keygen: %v %s", err, out)
	}
	n.run("identity", "import", file+".pub", name, "--role", role)
	return file
}

// openSSH opens the console at 80x24 and waits for the overview. env is added to the client's environment, flags to its command line.
func (n *liveNode) openSSH(key string, env []string, flags ...string) *sshScreen {
	n.t.Helper()
	s := n.startSSH(80, 24, key, env, flags...)
	eventuallyTrue(n.t, "the first picture over SSH", func() bool { return s.Shows("Launch 12/12", "4 Splits") }, s.Text)
	return s
}

// startSSH does not wait for what the console shows first.
func (n *liveNode) startSSH(columns, rows int, key string, env []string, flags ...string) *sshScreen {
	n.t.Helper()
	return n.runSSH("", columns, rows, key, env, flags...)
}

// runSSH is startSSH for a command line instead of the console, unless it is empty.
func (n *liveNode) runSSH(command string, columns, rows int, key string, env []string, flags ...string) *sshScreen {
	n.t.Helper()
	node, err := control.ReadNodeFile(n.dir)
	if err != nil {
		n.t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(node.Addresses["ssh"])
	if err != nil {
		n.t.Fatal(err)
	}
	s := &sshScreen{vt: vt10x.New(vt10x.WithSize(columns, rows))}
	master, tty, err := pty.Open()
	if err != nil {
		n.t.Fatal(err)
	}
	s.tty = tty
	if err := pty.Setsize(master, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)}); err != nil {
		n.t.Fatal(err)
	}
	if s.before, err = term.GetState(int(tty.Fd())); err != nil {
		n.t.Fatal(err)
	}
	args := append([]string{"-F", "none", "-t", "-e", "none", "-p", port, "-i", key, "-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR",
		"-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "SendEnv=LC_ALL"}, flags...)
	args = append(args, host)
	if command != "" {
		args = append(args, command)
	}
	s.cmd = exec.Command("ssh", args...)
	s.cmd.Env, s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = append(env, n.env...), tty, tty, tty
	if err := s.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	s.Screen = tuitest.NewScreen(master, s.vt)
	n.t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it has ended already, mostly
		_ = s.cmd.Wait()
		_, _ = tty.Close(), master.Close()
	})
	return s
}

// When the node stops, whoever watches over SSH gets the terminal back as it was, is told why, and a code that says so. That holds
// inside the guided creation, which is a program of its own on that terminal, as well.
func TestStopGivesSSHTerminalsBack(t *testing.T) {
	t.Parallel()
	n := launchNode(t, "--ssh", "127.0.0.1:0")
	key := n.sshKey("eva", "operator")
	agent := n.agent(key)
	screens := map[string]*sshScreen{"overview": n.openSSH(key, nil), "guide": n.openSSH(key, agent, "-A")}
	typeKeys(t, screens["guide"].Screen, "W")
	eventuallyTrue(t, "the guide", func() bool { return screens["guide"].Shows("What shall it be?") }, screens["guide"].Text)
	n.run("stop")
	for name, s := range screens {
		_ = s.cmd.Wait() // how it ended is read from ProcessState
		if code := s.cmd.ProcessState.ExitCode(); code != exitNoNode {
			t.Errorf("%s: exit %d", name, code)
		}
		eventuallyTrue(t, "the reason on the "+name, func() bool { return s.Shows("nexus: this session ends: the node is stopping") }, s.Text)
		if words := strings.Join(strings.Fields(s.Text()), " "); !strings.HasPrefix(words, "session ") || strings.Contains(words, "Launch") ||
			!strings.HasSuffix(words, " nexus: this session ends: the node is stopping") {
			t.Errorf("%s: the screen holds\n%s", name, s.Text())
		}
		if s.vt.Mode()&vt10x.ModeAltScreen != 0 || !s.vt.CursorVisible() {
			t.Errorf("%s: mode %x, cursor %v", name, s.vt.Mode(), s.vt.CursorVisible())
		}
		after, err := term.GetState(int(s.tty.Fd()))
		if err != nil || *after != *s.before {
			t.Errorf("%s: the terminal's modes differ: %v", name, err)
		}
	}
}

// Sessions of the node share its pictures, each as far as its key reaches: an operator whose key another one revokes sees the units go while
// the session beside it, which held the very same picture, sees them stay; a creator's never had them.
func TestARevokedOperatorsSessionSeesUnitsGo(t *testing.T) {
	t.Parallel()
	n := launchNode(t, "--ssh", "127.0.0.1:0")
	n.run("imvu", "create", "--name", "Night Show", "--owner", "mia")
	stays, goes := n.openSSH(n.sshKey("eva", "operator"), nil), n.openSSH(n.sshKey("ivo", "operator"), nil)
	other := n.startSSH(80, 24, n.sshKey("max", "creator"), nil)
	for _, s := range []*sshScreen{stays, goes} {
		typeKeys(t, s.Screen, "6")
		eventuallyTrue(t, "the unit on an operator's screen", func() bool { return s.Shows("Night Show") }, s.Text)
	}
	typeKeys(t, other.Screen, "6")
	eventuallyTrue(t, "a creator's list of units", func() bool { return other.Shows("6 Units") }, other.Text)
	if other.Shows("Night Show") {
		t.Errorf("a creator is shown another's unit:\n%s", other.Text())
	}
	n.run("identity", "revoke", "ivo")
	eventuallyTrue(t, "the unit gone", func() bool { return !goes.Shows("Night Show") }, goes.Text)
	if !stays.Shows("Night Show") {
		t.Errorf("the other operator's screen:\n%s", stays.Text())
	}
}

// agent starts an agent that holds a key, and gives the environment that finds it.
func (n *liveNode) agent(key string) []string {
	n.t.Helper()
	socket := filepath.Join(n.t.TempDir(), "agent")
	cmd := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has nothing else to do
		_ = cmd.Wait()
	})
	env := []string{"SSH_AUTH_SOCK=" + socket}
	eventuallyTrue(n.t, "the agent", func() bool {
		add := exec.Command("ssh-add", "-q", key)
		add.Env = append(env, n.env...)
		return add.Run() == nil
	}, func() string { return "" })
	return env
}

// Whatever command line the console offers is one: each verb in a text of tui exists.
func TestTheConsoleNamesVerbsThatExist(t *testing.T) {
	t.Parallel()
	verbs := map[string]bool{}
	for _, v := range (&commands{app: &app{getenv: os.Getenv, now: time.Now}}).Verbs() {
		verbs[v.Path] = true
		noun, _, _ := strings.Cut(v.Path, " ")
		verbs[noun] = true
	}
	named := regexp.MustCompile("[\"`]nexus ([a-z]+)(?: ([a-z][a-z-]*))?[ \"`]")
	seen := 0
	for _, pattern := range []string{"../../tui/*.go", "../../tui/panel/*.go", "../../tui/wizard/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range named.FindAllStringSubmatch(string(text), -1) {
				seen++
				if path := strings.TrimSpace(m[1] + " " + m[2]); !verbs[path] {
					t.Errorf("%s offers nexus %s, which is no verb", f, path)
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d command lines were found", seen)
	}
}

// What prints lines until it is told to end can be left over SSH by ctrl-c, as on a terminal of this machine, and says so: the client's
// terminal is raw, so no signal comes of the key, and before this only the client's own escape ended such a session.
func TestLinesOverSSHAreLeftByCtrlC(t *testing.T) {
	t.Parallel()
	records := filepath.Join(t.TempDir(), "records")
	n := launchNode(t, "--ssh", "127.0.0.1:0", "--ssh-record", records)
	key := n.sshKey("eva", "operator")
	for command, c := range map[string]struct {
		says string
		code int
	}{"console --plain": {"ctrl-c leaves", exitDone}, "gates log --follow": {"this session is recorded", exitInterrupted},
		"console --theme mono": {" rec ", exitDone}, "imvu create -i": {"New unit rec ", exitDone}} {
		s := n.runSSH(command, 100, 40, key, nil)
		eventuallyTrue(t, command, func() bool { return s.Shows(c.says) }, s.Text)
		if got := n.runningRecordings(records); got != 1 {
			t.Errorf("%s: %d recordings are said to be of a running session", command, got)
		}
		typeKeys(t, s.Screen, "q") // no key of it, but of a screen, which says all the while that it is recorded
		typeKeys(t, s.Screen, "\x03")
		ended := make(chan error, 1)
		go func() { ended <- s.cmd.Wait() }()
		select {
		case <-ended:
			if code := s.cmd.ProcessState.ExitCode(); code != c.code {
				t.Errorf("%s: exit %d, want %d:\n%s", command, code, c.code, s.Text())
			}
		case <-time.After(time.Minute):
			t.Errorf("%s: ctrl-c does not end it:\n%s", command, s.Text())
		}
	}
}

// runningRecordings counts the files of a folder that nexus ssh verify says are still being written.
func (n *liveNode) runningRecordings(dir string) (running int) {
	n.t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.cast"))
	if err != nil {
		n.t.Fatal(err)
	}
	for _, file := range files {
		if _, errs, code := n.try("ssh", "verify", file); code == exitFailed && strings.Contains(errs, ": running: ") {
			running++
		}
	}
	return running
}
