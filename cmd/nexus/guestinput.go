package main

import (
	"bytes"
	"context"
	"io"
	"sync"
)

// guestAheadMax bounds what a guest types before anything reads it, in bytes; what is typed beyond it is not taken.
const guestAheadMax = 4096

// ctrlC is the byte of an interruption. The client's terminal is raw, so no signal is made of it on the way.
const ctrlC = 0x03

// guestInput is what a guest's terminal says, read from its beginning, so that ctrl-c ends a command line that reads nothing itself: one that
// follows, watches or prints lines. Whoever reads from it, a screen or questions, gets what was typed before and every later byte, ctrl-c too,
// and does with that key what it means there.
type guestInput struct {
	mu    sync.Mutex
	more  sync.Cond // something of the below changed
	ahead []byte    // typed, and not read yet
	taken bool      // somebody reads
	over  bool      // nobody will
	err   error     // the end of the input
}

// newGuestInput reads in until it ends, which the end of its session brings about. Interrupt is called at most once, and never after the first Read.
func newGuestInput(in io.Reader, interrupt context.CancelFunc) *guestInput {
	g := &guestInput{}
	g.more.L = &g.mu
	go g.pump(in, interrupt)
	return g
}

func (g *guestInput) pump(in io.Reader, interrupt context.CancelFunc) {
	buf := make([]byte, 256)
	for {
		n, err := in.Read(buf)
		if g.typed(buf[:n], err) {
			interrupt()
		}
		if err != nil {
			return
		}
	}
}

// typed takes what was read in, and reports whether it interrupts. While somebody reads it waits until that was read.
func (g *guestInput) typed(b []byte, err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	interrupts := !g.taken && bytes.IndexByte(b, ctrlC) >= 0
	if !g.taken || g.over {
		b = b[:min(len(b), max(guestAheadMax-len(g.ahead), 0))]
	}
	g.ahead, g.err = append(g.ahead, b...), err
	g.more.Broadcast()
	for g.taken && !g.over && len(g.ahead) >= guestAheadMax && err == nil {
		g.more.Wait()
	}
	return interrupts
}

// close lets go of what nobody will read. The goroutine that reads ends with the input.
func (g *guestInput) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	g.more.Broadcast()
}

// Read implements io.Reader. Errors: that of the session's input, at its end.
func (g *guestInput) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.taken = true
	for len(g.ahead) == 0 && g.err == nil {
		g.more.Wait()
	}
	if len(g.ahead) == 0 {
		return 0, g.err
	}
	n := copy(p, g.ahead)
	g.ahead = append(g.ahead[:0], g.ahead[n:]...)
	g.more.Broadcast()
	return n, nil
}
