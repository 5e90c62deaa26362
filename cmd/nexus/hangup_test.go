//go:build linux

package main

import (
	"bufio"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"github.com/creack/pty"
)

// startEdge starts a supervised edge of a node and gives its process, and what is received from once for each worker that serves.
func startEdge(t *testing.T, n *liveNode, terminal bool) (*exec.Cmd, chan string) {
	t.Helper()
	cmd := exec.Command(binary, "slices", "edge", "--supervise", "--name", "front", "--tls-listen", "")
	cmd.Env = n.env
	if terminal {
		keyboard, screen, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = keyboard.Close(), screen.Close() }) // the test is over
		cmd.Stdin = screen
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // where whoever runs the tests has it ignored, as nohup does, the edge would inherit that
	err = cmd.Start()
	signal.Stop(hangups)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // or it has ended
		_, _ = cmd.Process.Wait()
	})
	serving := make(chan string, 16)
	go func() {
		defer close(serving)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			serving <- lines.Text()
		}
	}()
	for range 2 {
		if line, ok := <-serving; !ok {
			t.Fatalf("the edge ended; last line %q", line)
		}
	}
	return cmd, serving
}

// A supervised edge takes SIGHUP as other gateways do: workers of the program's present file take over. Where its terminal has gone it stops, in order.
func TestHangUpOfASupervisedEdge(t *testing.T) {
	n := launchNode(t)
	daemon, serving := startEdge(t, n, false)
	if err := daemon.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, ok := <-serving; !ok {
			t.Fatal("the edge ended")
		}
	}
	if err := daemon.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for range serving {
	}
	if err := daemon.Wait(); err != nil {
		t.Errorf("a stop: %v", err)
	}

	shell, serving := startEdge(t, n, true)
	if err := shell.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for line := range serving {
		t.Errorf("a worker began: %s", line)
	}
	if err := shell.Wait(); err != nil {
		t.Errorf("its terminal has gone: %v", err)
	}
}
