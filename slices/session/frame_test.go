package session

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func TestFramesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := Frame{Type: FrameType(rapid.IntRange(1, 12).Draw(t, "type")), Epoch: rapid.Uint64().Draw(t, "epoch"), Seq: rapid.Uint64().Draw(t, "seq"),
			Ticket: rapid.StringN(0, 40, 200).Draw(t, "ticket"), Payload: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload")}
		if f.Type == FrameWelcome {
			f.Session = nexus.ID{1, 2, 3}
		}
		got, err := ParseFrame(f.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if got.Type != f.Type || got.Session != f.Session || got.Epoch != f.Epoch || got.Seq != f.Seq || got.Ticket != f.Ticket ||
			!bytes.Equal(got.Payload, f.Payload) {
			t.Fatalf("got %+v, want %+v", got, f)
		}
	})
}

func TestBadFramesAreRefused(t *testing.T) {
	t.Parallel()
	good := Frame{Type: FrameData, Seq: 7, Payload: []byte("x")}.Encode()
	for name, b := range map[string][]byte{
		"empty":               {},
		"type 0":              {0, 0, 0, 0, 0},
		"type 13":             {13, 0, 0, 0, 0},
		"cut":                 good[:len(good)-1],
		"left over":           append(append([]byte{}, good...), 0),
		"long varint":         {byte(FrameAck), 0x80, 0x00, 0, 0, 0},
		"welcome cut":         {byte(FrameWelcome), 1, 2, 3},
		"ticket too long":     append([]byte{byte(FrameHello), 0, 0, 0x81, 0x10}, make([]byte, 2049)...),
		"payload past end":    {byte(FrameData), 0, 1, 0, 9, 1},
		"payload length huge": {byte(FrameData), 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"frame too long":      make([]byte, MaxFrameBytes+1),
	} {
		if _, err := ParseFrame(b); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add(Frame{Type: FrameWelcome, Session: nexus.ID{1}, Epoch: 3, Seq: 9, Ticket: "t", Payload: []byte("p")}.Encode())
	f.Add(Frame{Type: FrameData, Seq: 1 << 40, Payload: make([]byte, 200)}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := ParseFrame(b)
		if err == nil && !bytes.Equal(frame.Encode(), b) {
			t.Fatalf("two forms of one frame: %x and %x", b, frame.Encode())
		}
	})
}
