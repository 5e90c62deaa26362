package h1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Bad is a message that is refused: the status that says so to a client, and why.
type Bad struct {
	Status int
	What   string
}

// Error implements error.
func (b *Bad) Error() string { return b.What }

func bad(status int, format string, args ...any) *Bad {
	return &Bad{Status: status, What: fmt.Sprintf(format, args...)}
}

// FieldsMax bounds the fields of one head.
const FieldsMax = 256

// Field is one header line. Both slices point into the head.
type Field struct{ Name, Value []byte }

// Is reports whether the field has a name, given in lower case.
func (f *Field) Is(lower string) bool { return equalLower(f.Name, lower) }

// ReadHead reads up to the empty line that ends a head and gives the head without that line, and how many bytes of the reader it
// takes with it: 0 when a long head was read out of it already. Until then the caller discards them. At most max bytes. The errors are
// the reader's (io.EOF only before the first byte, io.ErrUnexpectedEOF within) or *Bad.
func ReadHead(br *bufio.Reader, max int) (head []byte, size int, err error) {
	var long []byte
	seen := 0
	for {
		if br.Buffered() == seen {
			if seen == br.Size() { // the head does not fit the buffer
				part, _ := br.Peek(seen)
				long = append(long, part...)
				_, _ = br.Discard(seen)
				seen = 0
			}
			if _, err := br.Peek(seen + 1); err != nil {
				if errors.Is(err, io.EOF) && seen+len(long) > 0 {
					err = io.ErrUnexpectedEOF
				}
				return nil, 0, err
			}
		}
		have, _ := br.Peek(br.Buffered())
		if long == nil {
			if i := endOfHead(have, seen); i >= 0 {
				if i > max {
					return nil, 0, bad(431, "the head of this request is longer than %d bytes", max)
				}
				return have[:i], i, nil
			}
		} else {
			all := append(long, have...)
			if i := endOfHead(all, len(long)); i >= 0 {
				_, _ = br.Discard(i - len(long))
				if i > max {
					return nil, 0, bad(431, "the head of this request is longer than %d bytes", max)
				}
				return all[:i], 0, nil
			}
		}
		if len(long)+len(have) > max {
			return nil, 0, bad(431, "the head of this request is longer than %d bytes", max)
		}
		seen = len(have)
	}
}

// endOfHead gives how many bytes the head and its empty line take; -1 when it is not there yet. It looks from a bit before from on.
func endOfHead(b []byte, from int) int {
	start := max(0, from-3)
	for {
		i := bytes.IndexByte(b[start:], '\n')
		if i < 0 {
			return -1
		}
		i += start
		rest := b[i+1:]
		if len(rest) >= 1 && rest[0] == '\n' {
			return i + 2
		}
		if len(rest) >= 2 && rest[0] == '\r' && rest[1] == '\n' {
			return i + 3
		}
		start = i + 1
	}
}

// nextLine cuts the first line off. Without lone it must end in CR LF and hold no other CR.
func nextLine(b []byte, lone bool) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return nil, nil, false
	}
	line, rest = b[:i], b[i+1:]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	} else if !lone {
		return nil, nil, false
	}
	return line, rest, bytes.IndexByte(line, '\r') < 0
}

// appendFields parses header lines up to the empty one. lone allows lines that end in LF alone, as some backends write them.
func appendFields(fields []Field, b []byte, lone bool) ([]Field, *Bad) {
	for {
		line, rest, ok := nextLine(b, lone)
		switch {
		case !ok:
			return fields, bad(400, "a header line does not end in CR LF, or holds a CR")
		case len(line) == 0:
			return fields, nil
		case line[0] == ' ' || line[0] == '\t':
			return fields, bad(400, "a header line is folded")
		case len(fields) == FieldsMax:
			return fields, bad(431, "more than %d header lines", FieldsMax)
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 || !Token(line[:colon]) {
			return fields, bad(400, "a header line without a proper name")
		}
		value := trim(line[colon+1:])
		if !valueBytes(value) {
			return fields, bad(400, "a control character in a header's value")
		}
		fields = append(fields, Field{Name: line[:colon], Value: value})
		b = rest
	}
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// tokenChars are RFC 9110's tchar.
var tokenChars = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

// Token reports whether b is a token (RFC 9110 section 5.6.2), which is never empty.
func Token(b []byte) bool {
	for _, c := range b {
		if !tokenChars[c] {
			return false
		}
	}
	return len(b) > 0
}

func valueBytes(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// equalLower compares with a word in lower case, whatever the case of b. It allocates nothing.
func equalLower(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range b {
		if lowerByte(b[i]) != lower[i] {
			return false
		}
	}
	return true
}

// HasPrefix reports whether b begins with a word in lower case, whatever the case of b.
func HasPrefix(b []byte, lower string) bool {
	return len(b) >= len(lower) && equalLower(b[:len(lower)], lower)
}

// HasToken reports whether a comma-separated list holds a word, given in lower case.
func HasToken(list []byte, lower string) bool {
	for len(list) > 0 {
		word, rest, _ := bytes.Cut(list, []byte{','})
		if equalLower(trim(word), lower) {
			return true
		}
		list = rest
	}
	return false
}

// Digits reads a length: decimal digits only, at most 18 of them, so that it never leaves 63 bits.
func Digits(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
