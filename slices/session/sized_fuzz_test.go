package session

import (
	"bufio"
	"bytes"
	"testing"
)

// FuzzReadSized: whatever comes over a stream, a frame that is taken is within its limit and comes back from its own bytes.
func FuzzReadSized(f *testing.F) {
	f.Add(AppendSized(AppendSized(nil, []byte{1}), bytes.Repeat([]byte{7}, 300)))
	f.Add([]byte{0x80, 0x00, 1})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		var again []byte
		for {
			frame, err := ReadSized(r)
			if err != nil {
				break
			}
			if len(frame) == 0 || len(frame) > MaxFrameBytes {
				t.Fatalf("frame of %d bytes", len(frame))
			}
			again = AppendSized(again, frame)
		}
		if !bytes.HasPrefix(b, again) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}
