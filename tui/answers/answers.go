// Package answers keeps what a terminal says by itself from being taken for keys: attributes, colours, cursor and mode reports,
// names and versions, all of which nobody here asked for and which reach the console late, when another program asked.
//
// Promise: every byte that a person types arrives, in order and without delay; a report arrives in no part if it lies in one read,
// and a string that begins in one read is taken out of the following ones too, up to MostBytes or MostTime. The escape key alone
// passes. It imports the standard library only.
package answers

import (
	"io"
	"time"
)

// Bounds of a string that does not end: what comes after them is typed again.
const (
	MostBytes = 4096
	MostTime  = time.Second
)

// Reader takes reports out of what it reads. Not for concurrent use.
type Reader struct {
	in     io.Reader
	now    func() time.Time
	inside bool // a string that has not ended
	escape bool // its last byte so far was an escape
	taken  int  // bytes of it
	began  time.Time
}

// New reads keys from in.
func New(in io.Reader) *Reader { return &Reader{in: in, now: time.Now} }

// Read implements io.Reader. It may give no byte and no error, when all that came were reports.
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	return copy(p, r.typed(p[:n])), err
}

// typed is what of b was typed; it may share b's memory.
func (r *Reader) typed(b []byte) []byte {
	out := b[:0]
	for i := 0; i < len(b); {
		if r.inside {
			i += r.skip(b[i:])
			continue
		}
		if b[i] != 0x1b || i+1 == len(b) {
			out = append(out, b[i])
			i++
			continue
		}
		switch n := report(b[i:]); {
		case n > 0:
			i += n
		case begins(b[i:]):
			r.inside, r.escape, r.taken, r.began = true, false, 0, r.now()
			i += 2
		default:
			out = append(out, b[i])
			i++
		}
	}
	return out
}

// skip gives how many bytes belong to the open string.
func (r *Reader) skip(b []byte) int {
	if r.taken >= MostBytes || r.now().Sub(r.began) > MostTime {
		r.inside = false
		return 0
	}
	for i, c := range b {
		r.taken++
		switch {
		case c == 0x07, r.escape && c == '\\', c == 0x9c, c == 0x18, c == 0x1a, r.taken >= MostBytes:
			r.inside = false
			return i + 1
		}
		r.escape = c == 0x1b
	}
	return len(b)
}

// begins reports whether a string of a terminal begins: OSC with its number, DCS, APC or PM with what reports have there. Escape and
// a letter, which is how a terminal sends alt with a key, begins none.
func begins(b []byte) bool {
	if len(b) < 3 {
		return false
	}
	switch b[1] {
	case ']':
		return b[2] >= '0' && b[2] <= '9' || b[2] == 'L' || b[2] == 'l'
	case 'P':
		return b[2] == '>' || b[2] == '!' || b[2] == '$' || b[2] >= '0' && b[2] <= '9'
	case '_':
		return b[2] == 'G'
	}
	return false
}

// report gives the length of a control sequence that is a report, 0 when b begins with none. Keys end in ~, u or a letter that no
// report ends in; R ends both F3 with a modifier and a place of the cursor, and neither means anything here.
func report(b []byte) int {
	if b[1] != '[' {
		return 0
	}
	i := 2
	for i < len(b) && b[i] >= 0x30 && b[i] <= 0x3f {
		i++
	}
	for i < len(b) && b[i] >= 0x20 && b[i] <= 0x2f {
		i++
	}
	if i == len(b) || i == 2 {
		return 0
	}
	switch b[i] {
	case 'c', 'R', 'n', 't', 'x', 'y', 'S':
		return i + 1
	case 'u': // the keyboard's flags, not a key
		if b[2] == '?' {
			return i + 1
		}
	}
	return 0
}
