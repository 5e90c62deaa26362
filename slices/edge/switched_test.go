package edge

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
)

// pieces gives what it has in pieces whose sizes are taken from sizes in turn.
type pieces struct {
	rest, sizes []byte
	next        int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := len(p.rest)
	if len(p.sizes) > 0 {
		n = min(n, 1+int(p.sizes[p.next%len(p.sizes)])*97)
		p.next++
	}
	n = copy(b, p.rest[:n])
	p.rest = p.rest[n:]
	return n, nil
}

// FuzzSwitched: whatever is said in whatever pieces arrives as it is, and what breaks off is an error.
func FuzzSwitched(f *testing.F) {
	f.Add([]byte("\x82\x7e\x01"), []byte{1}, uint8(1))
	f.Add([]byte("whole"), []byte{}, uint8(40))
	f.Add([]byte("xy"), []byte{255, 0, 255, 44, 43, 42}, uint8(255))
	f.Fuzz(func(t *testing.T, said, sizes []byte, times uint8) {
		all := bytes.Repeat(said, 1+int(times)*8)
		pool := newBufferPool()
		for _, small := range []int{switchedTLSBytes, switchedBytes} {
			var out bytes.Buffer
			if n, err := copySwitched(&out, &pieces{rest: all, sizes: sizes}, pool, small); n != int64(len(all)) || err != nil || !bytes.Equal(out.Bytes(), all) {
				t.Errorf("%d of %d bytes, %v", n, len(all), err)
			}
		}
		broken := io.MultiReader(&pieces{rest: all, sizes: sizes}, iotest.ErrReader(io.ErrUnexpectedEOF))
		if n, err := copySwitched(io.Discard, broken, pool, switchedBytes); n != int64(len(all)) || err != io.ErrUnexpectedEOF {
			t.Errorf("broken off: %d of %d bytes, %v", n, len(all), err)
		}
	})
}
