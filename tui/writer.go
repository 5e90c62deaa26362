package tui

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// eraseBelow is the sequence that erases from the cursor to the end of the screen.
var eraseBelow = []byte("\x1b[J")

// slowWrite is the time of one write above which the link counts as slow.
const slowWrite = 50 * time.Millisecond

// frameWriter is the only way to the terminal: it serialises frames and clipboard copies, counts bytes and frames and
// remembers how long the last write took, so that the pacer can slow down before a slow link holds the console back.
type frameWriter struct {
	mu     sync.Mutex // one write at a time; guards out, slim and align
	out    io.Writer
	slim   slimmer
	align  aligner
	bytes  atomic.Uint64
	frames atomic.Uint64
	tookNs atomic.Int64
	cells  atomic.Int64 // of the screen
	// partial says that what is drawn may leave lines of the screen out: the guide's screens do, the console's never.
	partial atomic.Bool

	// The byte budget; the pacer's goroutine only.
	credit  float64 // bytes that may go out now; negative: too many did
	counted uint64  // of bytes
	asked   time.Time
}

// The byte budget of pictures: a screen of 160x48 gets 28 KB/s, one of 80x24 gets 11 KB/s (research, 4.2). A second of it
// may be saved up, so that a change after a silence goes out at once.
const (
	budgetBase    = 5000.0 // bytes per second
	budgetPerCell = 3.0    // bytes per second and cell
	budgetSaved   = time.Second
)

// wait says how long the next picture must wait when the one before went out since ago: for the pace, ten a second or
// four on a slow link, and until the byte budget allows it. Pressed it waits for neither. Keys never wait; what they write counts all the same.
func (w *frameWriter) wait(since time.Duration, pressed bool) time.Duration {
	now, written := time.Now(), w.bytes.Load()
	rate := budgetBase + budgetPerCell*float64(w.cells.Load())
	earned := budgetSaved
	if !w.asked.IsZero() {
		earned = min(now.Sub(w.asked), budgetSaved)
	}
	w.credit = min(w.credit+earned.Seconds()*rate, rate*budgetSaved.Seconds()) - float64(written-w.counted)
	w.asked, w.counted = now, written
	debt := time.Duration(max(-w.credit, 0) / rate * float64(time.Second))
	switch {
	case w.slow():
		return min(max(paceSlow-since, debt), paceMost)
	case pressed: // the pictures after it pay what it costs
		return pacePressed - since
	}
	return min(max(paceFast-since, debt), paceMost)
}

// Write implements io.Writer. Bubble Tea writes each frame at once; what goes out, and is counted, is what is left of it.
func (w *frameWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	start := time.Now()
	text := p
	if !w.partial.Load() {
		// After a terminal shrank, the renderer erases what lies below its last line. Nothing does: the console fills the screen. But
		// after a line of full width the cursor still stands on its last cell, and terminals erase that.
		text = bytes.ReplaceAll(p, eraseBelow, nil)
	}
	n, err := w.out.Write(w.align.align(w.slim.slim(text)))
	w.tookNs.Store(int64(time.Since(start)))
	w.bytes.Add(uint64(n))
	w.frames.Add(1)
	if err != nil {
		return min(n, len(p)), err
	}
	return len(p), nil
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
