package main

import (
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// guestLineMax bounds a line that a guest types, in bytes; what is typed beyond it is not taken.
const guestLineMax = 4096

// guestLines reads lines from a guest's terminal as the terminal of a machine gives them: the client's own is raw, so what is typed is
// shown here, the enter key ends a line, backspace and ctrl-u take back, ctrl-c and ctrl-d at its beginning end the input.
// Not for concurrent use; it imports nothing of the session and keeps no line.
type guestLines struct {
	in    io.Reader
	echo  io.Writer
	line  []byte // being typed
	ready []byte // ended lines that were not read yet
	ended bool
	cr    bool // the last byte was a carriage return
}

// Read implements io.Reader. Errors: io.EOF when the guest ended the input, else those of the terminal.
func (g *guestLines) Read(p []byte) (int, error) {
	var buf [256]byte
	for len(g.ready) == 0 {
		if g.ended {
			return 0, io.EOF
		}
		n, err := g.in.Read(buf[:])
		for _, b := range buf[:n] {
			if err := g.typed(b); err != nil {
				return 0, err
			}
		}
		if err != nil && len(g.ready) == 0 {
			return 0, err
		}
	}
	n := copy(p, g.ready)
	g.ready = g.ready[n:]
	return n, nil
}

func (g *guestLines) typed(b byte) error {
	after := g.cr
	g.cr = b == '\r'
	switch {
	case g.ended || b == '\n' && after: // a pasted CR LF is one end of a line
		return nil
	case b == '\r' || b == '\n':
		g.ready, g.line = append(append(g.ready, g.line...), '\n'), g.line[:0]
		return g.show("\n")
	case b == 0x03 || b == 0x04 && len(g.line) == 0:
		g.ended, g.line = true, nil
		return g.show("\n")
	case b == 0x7f || b == 0x08:
		return g.take(1)
	case b == 0x15:
		return g.take(len(g.line))
	case b < 0x20 || len(g.line) >= guestLineMax:
		return nil
	}
	g.line = append(g.line, b)
	return g.show(string([]byte{b})) // a character of several bytes is shown as they come
}

// take takes so many characters back, in as many cells as they are shown in.
func (g *guestLines) take(characters int) error {
	before := theme.Width(string(g.line))
	for ; characters > 0 && len(g.line) > 0; characters-- {
		_, size := utf8.DecodeLastRune(g.line)
		g.line = g.line[:len(g.line)-size]
	}
	return g.show(strings.Repeat("\b \b", max(before-theme.Width(string(g.line)), 0)))
}

func (g *guestLines) show(s string) error {
	_, err := io.WriteString(g.echo, s)
	return err
}

// sharedWriter is written to by several goroutines, a whole piece at a time.
type sharedWriter struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

func (s *sharedWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
