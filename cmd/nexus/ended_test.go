//go:build unix

package main

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// A console that a signal ends says that it did not end by itself, and its exit code does; the node goes on. One that is left says nothing.
func TestAConsoleEndedFromOutsideSaysSo(t *testing.T) {
	t.Parallel()
	n := launchNode(t)
	const words = "nexus console attaches again"
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT} {
		screen, cmd := n.openConsole(120, 24)
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // how it ended is read from ProcessState
		if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
			t.Errorf("%v: exit %d", signal, code)
		}
		eventuallyTrue(t, "the word of "+signal.String(), func() bool { return screen.Shows(words) }, screen.Text)
		if strings.Contains(screen.Text(), "Launch 12/12") {
			t.Errorf("%v: the screen of the console is still there:\n%s", signal, screen.Text())
		}
	}
	screen, cmd := n.openConsole(120, 24)
	typeKeys(t, screen, "\x1a") // no shell waits for it: it would stand still for ever
	eventuallyTrue(t, "the word that there is no shell", func() bool { return screen.Shows("there is no shell to go back to") }, screen.Text)
	typeKeys(t, screen, "q")
	if err := cmd.Wait(); err != nil {
		t.Errorf("q: %v", err)
	}
	if strings.Contains(screen.Text(), words) {
		t.Errorf("leaving is told as an end from outside:\n%s", screen.Text())
	}
	if _, errs, code := n.try("status"); code != exitFailed && code != exitDone {
		t.Errorf("status of the node: exit %d, %s", code, errs)
	}
}

// A console that is a job of a shell is given back to it by ctrl-z, and goes on with fg.
func TestAConsoleIsAJobOfItsShell(t *testing.T) {
	t.Parallel()
	n := launchNode(t)
	shell := exec.Command("bash", "--norc", "--noprofile", "-i")
	shell.Env = append(n.env, "PS1=prompt> ", "HOME="+t.TempDir())
	master, err := pty.StartWithSize(shell, &pty.Winsize{Cols: 120, Rows: 24})
	if err != nil {
		t.Fatal(err)
	}
	screen := tuitest.NewScreen(master, vt10x.New(vt10x.WithSize(120, 24)))
	t.Cleanup(func() {
		_ = shell.Process.Kill() // the kernel hangs up on the console that it leaves
		_ = shell.Wait()
		_ = master.Close()
	})
	typeKeys(t, screen, binary+" console\r")
	eventuallyTrue(t, "the first picture", func() bool { return screen.Shows("Launch 12/12") }, screen.Text)
	typeKeys(t, screen, "\x1a")
	eventuallyTrue(t, "the shell", func() bool { return screen.Shows("Stopped") && !screen.Shows("Launch 12/12") }, screen.Text)
	typeKeys(t, screen, "fg\r")
	eventuallyTrue(t, "the picture again", func() bool { return screen.Shows("Launch 12/12") }, screen.Text)
	typeKeys(t, screen, "q")
	eventuallyTrue(t, "the prompt", func() bool { return !screen.Shows("Launch 12/12") && screen.Shows("prompt>") }, screen.Text)
}
