package main

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// A guest's terminal is raw: what a line discipline does for a terminal of this machine is done for it, byte by byte or at once.
func TestGuestLines(t *testing.T) {
	for _, c := range []struct {
		name, typed, echo string
		lines             []string
	}{
		{"enter", "Eva\r\r", "Eva\n\n", []string{"Eva", ""}},
		{"pasted lines", "a\r\nb\nc\r", "a\nb\nc\n", []string{"a", "b", "c"}},
		{"backspace", "ab\x7f\x08\x7fc\r", "ab\b \b\b \bc\n", []string{"c"}},
		{"a wide character goes in two cells", "日\x7fx\r", "日\b \b\b \bx\n", []string{"x"}},
		{"the line taken back", "abc\x15d\r", "abc" + strings.Repeat("\b \b", 3) + "d\n", []string{"d"}},
		{"interrupted", "abc\x03d\r", "abc\n", nil},
		{"ended at the beginning", "a\r\x04b\r", "a\n\n", []string{"a"}},
		{"ctrl-d within a line", "a\x04b\r", "ab\n", []string{"ab"}},
		{"control characters", "a\x1b\x07b\r", "ab\n", []string{"ab"}},
		{"without an end", "abc", "abc", nil},
		{"too long", strings.Repeat("x", guestLineMax+9) + "\r", strings.Repeat("x", guestLineMax) + "\n", []string{strings.Repeat("x", guestLineMax)}},
	} {
		for _, single := range []bool{false, true} {
			var echo bytes.Buffer
			g := &guestLines{in: strings.NewReader(c.typed), echo: &echo}
			if single {
				g.in = iotest.OneByteReader(g.in)
			}
			var lines []string
			sc := bufio.NewScanner(g)
			for sc.Scan() {
				lines = append(lines, sc.Text())
			}
			if err := sc.Err(); err != nil || strings.Join(lines, "|") != strings.Join(c.lines, "|") || len(lines) != len(c.lines) {
				t.Errorf("%s: got %q, %v, want %q", c.name, lines, err, c.lines)
			}
			if echo.String() != c.echo {
				t.Errorf("%s: shown %q, want %q", c.name, echo.String(), c.echo)
			}
		}
	}
}

// Whatever is typed, and in whatever pieces, comes out as whole lines within the bound, without a control character, the same each time.
func FuzzGuestLines(f *testing.F) {
	for _, seed := range []string{"a\r\nb", "日\x7f\x7f\x15\x03", "x\x04\r\x04", "\xff\xfe\x08\n\r"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, typed []byte) {
		g := &guestLines{in: bytes.NewReader(typed), echo: io.Discard}
		first := make([]byte, 3)
		n, err := g.Read(first)
		rest, rerr := io.ReadAll(g)
		whole := append(first[:n], rest...)
		if err == io.EOF {
			err = rerr
		}
		single, err2 := io.ReadAll(&guestLines{in: iotest.OneByteReader(bytes.NewReader(typed)), echo: io.Discard})
		if err != nil || err2 != nil || !bytes.Equal(whole, single) {
			t.Fatalf("%q at once, %q byte by byte: %v, %v", whole, single, err, err2)
		}
		if len(whole) > 0 && whole[len(whole)-1] != '\n' || len(whole) > len(typed) {
			t.Fatalf("%q is no whole lines of %q", whole, typed)
		}
		for _, line := range bytes.Split(whole, []byte("\n")) {
			if len(line) > guestLineMax || bytes.ContainsFunc(line, func(r rune) bool { return r < 0x20 }) {
				t.Fatalf("line of %d bytes: %q", len(line), line)
			}
		}
	})
}
