package session

import (
	"encoding/binary"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// FrameType is the first byte of a frame. Values are spoken by browsers: never renumber.
type FrameType uint8

// The frames. C: sent by the client, H: by the home, through the edge.
const (
	FrameHello   FrameType = 1  // C: first on every connection: Ticket (empty opens a new session), Seq: last message received
	FrameWelcome FrameType = 2  // H: answer to hello: Session, Epoch, Seq: last message received, Ticket, Payload: Settings
	FrameData    FrameType = 3  // both: Seq, Payload
	FrameAck     FrameType = 4  // both: Seq: everything up to it was received
	FramePing    FrameType = 5  // C: Seq: any number, Epoch: the round trip of the ping before in microseconds, 0: not known
	FramePong    FrameType = 6  // H: Seq: the ping's; the home answers, so that a pong speaks for the whole way
	FrameConfirm FrameType = 7  // C: Epoch: this connection is in use now, older ones are fenced; Seq: a MoveKind
	FrameMove    FrameType = 8  // H: Ticket, Payload: addresses of edges, one per line: connect there, then confirm
	FrameTicket  FrameType = 9  // H: Ticket: replaces the one before
	FrameGap     FrameType = 10 // both: Seq: everything up to it that was not received never will be
	FrameClose   FrameType = 11 // both: Payload: reason; the session has ended
	FrameEdges   FrameType = 12 // H: Payload: addresses of all edges, one per line: where to go when this one dies
)

var frameNames = [...]string{"", "hello", "welcome", "data", "ack", "ping", "pong", "confirm", "move", "ticket", "gap", "close", "edges"}

// String gives the word used in documentation and logs.
func (t FrameType) String() string {
	if t >= 1 && int(t) < len(frameNames) {
		return frameNames[t]
	}
	return fmt.Sprintf("frame(%d)", uint8(t))
}

// Limits of a frame.
const (
	MaxPayloadBytes = 256 << 10
	MaxTicketBytes  = 2 << 10
	MaxFrameBytes   = MaxPayloadBytes + MaxTicketBytes + 64
)

// Frame is one message on the wire: type, session (16 bytes), epoch and seq as varints, ticket and payload with their lengths
// as varints. One form for all types keeps the browser's decoder at twenty lines; what a type does not use is zero.
type Frame struct {
	Type    FrameType
	Session nexus.ID
	Epoch   uint64
	Seq     uint64
	Ticket  string
	Payload []byte
}

// AppendTo appends the frame's bytes to dst. Sessions are sent only where they are meaningful (welcome); elsewhere the
// connection implies them, and the 16 bytes are left out.
func (f Frame) AppendTo(dst []byte) []byte {
	dst = append(dst, byte(f.Type))
	if f.Type == FrameWelcome {
		dst = append(dst, f.Session[:]...)
	}
	dst = binary.AppendUvarint(dst, f.Epoch)
	dst = binary.AppendUvarint(dst, f.Seq)
	dst = binary.AppendUvarint(dst, uint64(len(f.Ticket)))
	dst = append(dst, f.Ticket...)
	dst = binary.AppendUvarint(dst, uint64(len(f.Payload)))
	return append(dst, f.Payload...)
}

// Encode gives the frame's bytes.
func (f Frame) Encode() []byte {
	return f.AppendTo(make([]byte, 0, 1+16+4*binary.MaxVarintLen64+len(f.Ticket)+len(f.Payload)))
}

// ParseFrame reads one whole frame; the payload points into b. Error: nexus.CodeMalformed for an unknown type, a length past the
// end or above its limit, a varint longer than needed, or bytes left over.
func ParseFrame(b []byte) (Frame, error) {
	if len(b) == 0 || len(b) > MaxFrameBytes {
		return Frame{}, malformed("frame of %d bytes", len(b))
	}
	f := Frame{Type: FrameType(b[0])}
	if f.Type < FrameHello || f.Type > FrameEdges {
		return Frame{}, malformed("unknown frame type %d", b[0])
	}
	b = b[1:]
	if f.Type == FrameWelcome {
		if len(b) < len(f.Session) {
			return Frame{}, malformed("%s cut short", f.Type)
		}
		copy(f.Session[:], b)
		b = b[len(f.Session):]
	}
	var numbers [2]uint64
	for i := range numbers {
		var ok bool
		if numbers[i], b, ok = takeUvarint(b); !ok {
			return Frame{}, malformed("%s: bad number", f.Type)
		}
	}
	f.Epoch, f.Seq = numbers[0], numbers[1]
	ticket, b, ok := takeBytes(b, MaxTicketBytes)
	if !ok {
		return Frame{}, malformed("%s: bad ticket length", f.Type)
	}
	f.Ticket = string(ticket)
	f.Payload, b, ok = takeBytes(b, MaxPayloadBytes)
	if !ok || len(b) != 0 {
		return Frame{}, malformed("%s: bad payload length", f.Type)
	}
	return f, nil
}

func takeUvarint(b []byte) (uint64, []byte, bool) {
	x, n := binary.Uvarint(b)
	if n <= 0 || n > 1 && b[n-1] == 0 {
		return 0, nil, false
	}
	return x, b[n:], true
}

func takeBytes(b []byte, limit uint64) ([]byte, []byte, bool) {
	n, b, ok := takeUvarint(b)
	if !ok || n > limit || n > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:n:n], b[n:], true
}

func malformed(format string, args ...any) *nexus.Error {
	return nexus.Errf("session", nexus.CodeMalformed, "frame", "speak the protocol of docs/session.md", format, args...)
}
