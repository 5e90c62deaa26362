//go:build unix

package tui

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// Over a line that is no file of this machine every key arrives where it was meant for: the first one typed into the guide, and the
// first ones after it; what the terminal says by itself is none.
func TestNoKeyIsLostAroundTheGuide(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	in, typed := io.Pipe()
	backend := tuitest.NewBackend(tuitest.Overview())
	out, ended := &lockedBuffer{}, make(chan error, 1)
	open, got := make(chan bool), make(chan string)
	sizes := make(chan [2]int, 1)
	sizes <- [2]int{80, 24}
	guide := func(_ context.Context, in io.Reader, _ io.Writer, _, _ int) (string, error) {
		open <- true
		b := make([]byte, 8)
		n, err := in.Read(b)
		got <- string(b[:n])
		return "left the guide", err
	}
	go func() {
		_, err := Run(ctx, Options{Backend: backend, In: in, Out: out, Guide: guide, Commands: &fakeCommands{},
			Theme: theme.Options{Color: theme.Color256}, Width: 80, Height: 24, Resizes: sizes, Hosted: true, Now: tuitest.Time})
		ended <- err
	}()
	press := func(keys string) {
		if _, err := io.WriteString(typed, keys); err != nil {
			t.Error(err)
		}
	}
	await(t, "the first picture", func() bool { return strings.Contains(out.text(), "Splits") }, out.text)
	for _, opens := range []string{"W", "W", ":imvu create\r"} {
		press(opens)
		<-open
		press("x")
		if k := <-got; k != "x" {
			t.Fatalf("the guide was typed %q into, after %q", k, opens)
		}
	}
	press("\x1b]11;rgb:1414/1616/1b1b\x1b\\\x1b[?62;22c\x1b[24;80R")
	press("?")
	await(t, "the help", func() bool { return strings.Contains(out.text(), "Help: keys of") }, out.text)
	for _, call := range backend.Calls() {
		if strings.HasPrefix(call, "rerun") {
			t.Errorf("an answer of the terminal acted: %s", call)
		}
	}
	leave()
	_ = typed.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
