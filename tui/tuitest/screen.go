package tuitest

import (
	"io"
	"os"
	"strings"
	"sync"
	"unicode/utf8"
)

// Emulator turns written bytes into a screen; tests bring one (vt10x).
type Emulator interface {
	io.Writer
	String() string
	Resize(columns, rows int)
}

// Screen is a terminal's other end: it reads what a program writes, parses it as a terminal would and counts bytes.
// Reading ends with the terminal. All methods are safe for concurrent use.
type Screen struct {
	master *os.File

	mu    sync.Mutex // everything below
	vt    Emulator
	bytes uint64
	raw   strings.Builder
}

// NewScreen reads from the master end of a pseudo-terminal, which stays the caller's to close.
func NewScreen(master *os.File, vt Emulator) *Screen {
	s := &Screen{master: master, vt: vt}
	go s.read()
	return s
}

func (s *Screen) read() {
	buf := make([]byte, 32<<10)
	held := 0 // bytes at the beginning of buf: of a rune whose rest has not come, which an emulator would drop
	for {
		n, err := s.master.Read(buf[held:])
		s.mu.Lock()
		s.bytes += uint64(n)
		s.raw.Write(buf[held : held+n])
		whole := wholeRunes(buf[:held+n])
		_, _ = s.vt.Write(buf[:whole])
		held = copy(buf, buf[whole:held+n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// wholeRunes is the length of p without a rune at its end that is not complete.
func wholeRunes(p []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if b := p[len(p)-i]; utf8.RuneStart(b) {
			if !utf8.FullRune(p[len(p)-i:]) {
				return len(p) - i
			}
			break
		}
	}
	return len(p)
}

// Text is the screen as it stands, one line a row.
func (s *Screen) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.vt.String()
}

// Shows reports whether all words are on the screen.
func (s *Screen) Shows(words ...string) bool {
	text := s.Text()
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// Bytes counts what arrived.
func (s *Screen) Bytes() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// Raw is all that arrived, escape sequences included.
func (s *Screen) Raw() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raw.String()
}

// Resize changes what the parser takes for the terminal's size; the caller tells the kernel.
func (s *Screen) Resize(width, height int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vt.Resize(width, height)
}

// Press types keys.
func (s *Screen) Press(keys string) error {
	_, err := io.WriteString(s.master, keys)
	return err
}
