package main

import (
	"strings"
	"syscall"
	"testing"
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
