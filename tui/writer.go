package tui

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// slowWrite is the time of one write above which the link counts as slow.
const slowWrite = 50 * time.Millisecond

// frameWriter is the only way to the terminal: it serialises frames and clipboard copies, counts bytes and frames and
// remembers how long the last write took, so that the pacer can slow down before a slow link holds the console back.
type frameWriter struct {
	mu     sync.Mutex // one write at a time
	out    io.Writer
	bytes  atomic.Uint64
	frames atomic.Uint64
	tookNs atomic.Int64
}

// Write implements io.Writer. Bubble Tea writes each frame at once.
func (w *frameWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	start := time.Now()
	n, err := w.out.Write(p)
	w.tookNs.Store(int64(time.Since(start)))
	w.bytes.Add(uint64(n))
	w.frames.Add(1)
	return n, err
}

func (w *frameWriter) slow() bool { return time.Duration(w.tookNs.Load()) > slowWrite }

// terminalFile is what Bubble Tea asks for before it measures a terminal and follows its resizes.
type terminalFile interface {
	io.ReadWriteCloser
	Fd() uintptr
}

// fileWriter is a frameWriter that still looks like the terminal's file; without the descriptor Bubble Tea would never
// learn the window's size.
type fileWriter struct {
	*frameWriter
	file terminalFile
}

// Read implements io.Reader for the interface's sake.
func (w fileWriter) Read(p []byte) (int, error) { return w.file.Read(p) }

// Close leaves the file open: it belongs to the caller.
func (w fileWriter) Close() error { return nil }

// Fd is the terminal's descriptor.
func (w fileWriter) Fd() uintptr { return w.file.Fd() }

// newWriter wraps out, keeping its descriptor if it has one.
func newWriter(out io.Writer) (io.Writer, *frameWriter) {
	w := &frameWriter{out: out}
	if f, ok := out.(terminalFile); ok {
		return fileWriter{w, f}, w
	}
	return w, w
}
