//go:build unix

package tui

import (
	"bytes"
	"context"
	"io"
	"sync"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// lockedBuffer is a far terminal: it takes bytes and says no size.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A terminal that is elsewhere says its size once, at the beginning, and perhaps never again: the renderer must be told it, or a
// line that becomes shorter leaves the end of the one before on the screen.
func TestAFarTerminalsFirstSizeCounts(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	keys, typed := io.Pipe()
	out, ended := &lockedBuffer{}, make(chan error, 1)
	sizes := make(chan [2]int, 1)
	sizes <- [2]int{80, 24}
	go func() {
		_, err := Run(ctx, Options{Backend: tuitest.NewBackend(tuitest.Overview()), In: keys, Out: out,
			Theme: theme.Options{Color: theme.Color256}, Width: 80, Height: 24, Resizes: sizes, Hosted: true, Now: tuitest.Time})
		ended <- err
	}()
	const eraseRight = "\x1b[K"
	await(t, "a line is erased to its end", func() bool { return bytes.Contains([]byte(out.text()), []byte(eraseRight)) }, out.text)
	leave()
	_ = typed.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
