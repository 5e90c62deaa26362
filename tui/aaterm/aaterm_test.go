package aaterm_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/BobbyBlanco400/nexus-cos/tui/aaterm"
)

// program prints one line; what it imports is what would query the terminal.
const program = `package main

import (
	"os"

	_ "github.com/BobbyBlanco400/nexus-cos/tui"
	_ "github.com/BobbyBlanco400/nexus-cos/tui/aaterm"
	_ "github.com/BobbyBlanco400/nexus-cos/tui/wizard"
)

func main() { os.Stdout.WriteString("nexus v0.1.0\n") }
`

// A program that links the console prints exactly its own bytes on a terminal that never replies, and does not wait.
func TestSilentTerminal(t *testing.T) {
	t.Parallel()
	if !aaterm.Pinned {
		t.Fatal("the background is not pinned")
	}
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "silent")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var took time.Duration
	for range 5 { // a busy machine is slow once in a while; an answer waited for takes 5 s every time
		if took = onATerminal(t, binary); took <= 4*time.Second {
			return
		}
	}
	t.Errorf("it took %s", took)
}

// onATerminal runs the program on a terminal that answers nothing, checks what it writes, and gives the time it took.
func onATerminal(t *testing.T, binary string) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = []string{"TERM=xterm-256color", "LANG=C.UTF-8", "COLORTERM=truecolor"}
	start := time.Now()
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	got, _ := io.ReadAll(terminal) // ends with EIO when the program does
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if string(got) != "nexus v0.1.0\r\n" {
		t.Errorf("the terminal got %q", got)
	}
	if strings.Contains(string(got), "\x1b") {
		t.Error("an escape byte was written")
	}
	return time.Since(start)
}
