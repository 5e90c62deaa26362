package link

import (
	"net"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

func FuzzMessage(f *testing.F) {
	f.Add([]byte{kindFrame, 1, 2, 3})
	f.Add([]byte{kindAttach, 0x80, 0x01, '{', '}'})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 2 {
			return // shorter ones are refused by their length
		}
		m, err := parseMessage(b)
		if err == nil && (m.kind < kindHello || m.kind > kindTaken || len(m.body) >= len(b)) {
			t.Fatalf("%x read as %+v", b, m)
		}
	})
}

// TestALinkThatSpeaksNonsenseIsCut: each stream of bytes ends its link and nothing else.
func TestALinkThatSpeaksNonsenseIsCut(t *testing.T) {
	for name, b := range map[string][]byte{
		"length 0":      {0},
		"length huge":   {0xff, 0xff, 0xff, 0xff, 0x7f},
		"unknown kind":  {2, 99, 0},
		"frame too big": append([]byte{0xc3, 0x90, 0x10}, append([]byte{kindFrame, 1}, make([]byte, session.MaxFrameBytes+2)...)...),
	} {
		near, far := net.Pipe()
		go func() {
			_, _ = far.Write(b) // the reader may have left
			_ = far.Close()
		}()
		if m, err := newReceiver(near).next(); err == nil {
			t.Errorf("%s: read as %+v", name, m)
		}
		_ = near.Close()
	}
}
