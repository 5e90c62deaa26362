package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"unicode/utf8"

	tea "github.com/charmbracelet/bubbletea"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	_ "github.com/BobbyBlanco400/nexus-cos/tui/aaterm" // before Bubble Tea: see there
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
)

// framesPerSecond bounds the renderer. It wakes that often even when idle: thirty costs half a percent of a core and
// keeps a key's echo near 10 ms.
const framesPerSecond = 30

func firstRune(s string) (rune, int) { return utf8.DecodeRuneInString(s) }

// Run shows the console until the user leaves, the terminal goes away (SIGHUP), the process is told to end (SIGTERM)
// or ctx ends; the last three give QuitLost and no error, and never touch the node. It returns when all its goroutines
// have, with the terminal as it found it. An error means that the console could not start or draw; the caller then
// goes on with Plain.
func Run(ctx context.Context, o Options) (Result, error) {
	if o.Backend == nil || o.Out == nil {
		return Result{}, nexus.Errf("console", nexus.CodeInternal, "options", "", "backend and output are needed")
	}
	keys, err := keymap.New(o.Keys)
	if err != nil {
		return Result{}, err
	}
	if !o.Hosted {
		var stopSignals context.CancelFunc
		ctx, stopSignals = signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGTERM)
		defer stopSignals()
	}
	session, endSession := context.WithCancel(ctx)
	defer endSession()
	typed, given, err := keysOf(o.In)
	if err != nil {
		return Result{}, &nexus.Error{Op: "console", Code: nexus.CodeUnavailable, Subject: "input", Cause: err, Hint: "use --plain or --no-tui"}
	}
	defer given()
	out, writer := newWriter(o.Out)
	m := newModel(session, o, keys, writer)
	m.copies = func(text string) error { _, err := io.WriteString(out, clipboardSequence(o, text)); return err }
	options := []tea.ProgramOption{tea.WithContext(ctx), tea.WithInput(typed), tea.WithOutput(out), tea.WithAltScreen(),
		tea.WithFPS(framesPerSecond), tea.WithoutSignalHandler(), tea.WithFilter(m.coalesce)}
	if o.Mouse {
		options = append(options, tea.WithMouseCellMotion())
	}
	program := tea.NewProgram(m, options...)
	var group sync.WaitGroup
	if o.Resizes != nil {
		group.Go(func() { follow(session, o.Resizes, program.Send) })
	}
	feed := newFeed(o.Backend, o.now)
	var broken atomic.Pointer[error]
	feed.caught = func(r any) {
		err := fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		broken.CompareAndSwap(nil, &err)
		program.Kill() // gives the terminal back
	}
	group.Go(func() {
		feed.run(session, writer.wait, func(p picture) { program.Send(pictureMsg{p, writer.slow()}) })
	})
	_, err = program.Run()
	endSession()
	group.Wait()
	if first := broken.Load(); first != nil {
		err = *first
	}
	result := Result{Quit: m.quit, Bytes: writer.bytes.Load(), Frames: writer.frames.Load()}
	if m.arrived {
		result.Seen = m.newest().Launch
		result.Launch = result.Seen.Status
	}
	if err != nil && ctx.Err() == nil && !terminalGone(err) {
		return result, &nexus.Error{Op: "console", Code: nexus.CodeUnavailable, Subject: "terminal", Cause: err,
			Hint: "use --plain or --no-tui"}
	}
	return result, nil
}

// follow hands on the sizes of a terminal that is elsewhere until ctx ends.
func follow(ctx context.Context, sizes <-chan [2]int, send func(tea.Msg)) {
	for {
		select {
		case <-ctx.Done():
			return
		case z := <-sizes:
			send(tea.WindowSizeMsg{Width: z[0], Height: z[1]})
		}
	}
}

// terminalGone tells a terminal that was taken away from one that never worked: reading a hung-up one gives EIO.
func terminalGone(err error) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, os.ErrClosed)
}
