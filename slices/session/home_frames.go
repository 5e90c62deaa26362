package session

import (
	"fmt"
	stdslices "slices"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// What arrives and what is sent while a connection lives.

// Frame handles any later frame of a connection. An error ends that connection (the close frame is in the result), not the
// session.
func (h *Home) Frame(now time.Time, at Attachment, f Frame) (Result, error) {
	var r Result
	s := h.by[at]
	if s == nil { // fenced or replaced: whatever still comes is refused
		return r, nexus.Errf("session", nexus.CodeRefused, fmt.Sprintf("attachment %d", at), "", "%s on a fenced connection", f.Type)
	}
	var err error
	switch f.Type {
	case FrameData:
		err = h.data(s, f, &r)
	case FrameAck:
		if !s.down.ack(f.Seq) {
			err = malformed("ack of %d, %d were sent", f.Seq, s.down.last())
		} else {
			r.Ops = append(r.Ops, Op{Kind: OpAcked, Session: s.id, Number: f.Seq})
		}
	case FrameConfirm:
		err = h.confirm(s, at, MoveKind(f.Seq), &r)
	case FramePing:
		if took := time.Duration(min(f.Epoch, uint64(tripMax/time.Microsecond))) * time.Microsecond; took > 0 {
			r.Trips = append(r.Trips, Trip{Slice: s.slice, Took: took})
		}
		r.Outs = append(r.Outs, Out{To: at, Frame: Frame{Type: FramePong, Seq: f.Seq}})
	case FrameGap:
		if f.Seq > s.received {
			s.received, s.taken = f.Seq, f.Seq
			r.Ops = append(r.Ops, Op{Kind: OpReceive, Session: s.id, Number: f.Seq})
			r.Messages = append(r.Messages, Message{Session: s.id, Seq: f.Seq, Gap: true, MissedTo: f.Seq})
		}
	case FrameClose:
		h.end(s, string(f.Payload), &r)
	default:
		err = malformed("%s from a client", f.Type)
	}
	if err != nil {
		r.Outs = append(r.Outs, Out{To: at, Frame: Frame{Type: FrameClose, Payload: []byte(edgeClosePrefix + "protocol: " + err.Error())}, Close: true})
		h.detach(at, s)
		s.noteLost(now)
	}
	return r, err
}

// data accepts the next message of the client, and acknowledges again what it had. A number further ahead cannot come over a
// connection that keeps order: the client begins each with everything unacknowledged.
func (h *Home) data(s *live, f Frame, r *Result) error {
	switch {
	case f.Seq == s.received+1:
		s.received++
		r.Ops = append(r.Ops, Op{Kind: OpReceive, Session: s.id, Number: s.received})
		r.Messages = append(r.Messages, Message{Session: s.id, Seq: f.Seq, Payload: append([]byte(nil), f.Payload...)})
	case f.Seq <= s.received:
		h.note(s) // Tick says again what was received
	default:
		return malformed("message %d after %d", f.Seq, s.received)
	}
	return nil
}

// Taken says that the session's program has taken every message up to seq: only now are they acknowledged, so that a slow program
// slows its client and fills no memory here.
func (h *Home) Taken(id nexus.ID, seq uint64) Result {
	var r Result
	s := h.all[id]
	if s == nil || seq <= s.taken || seq > s.received {
		return r
	}
	s.taken = seq
	h.note(s)
	if s.unacked >= ackEvery {
		h.ack(s, &r)
	}
	return r
}

// ack says on every connection of a session what was taken.
func (h *Home) ack(s *live, r *Result) {
	s.unacked = 0
	for _, a := range s.at {
		r.Outs = append(r.Outs, Out{To: a.at, Frame: Frame{Type: FrameAck, Seq: s.taken}})
	}
}

// confirm fences every older connection: the client has the new one in use.
func (h *Home) confirm(s *live, at Attachment, kind MoveKind, r *Result) error {
	epoch := s.attached(at).epoch
	if epoch < s.confirmed {
		return malformed("confirmation of epoch %d after %d", epoch, s.confirmed)
	}
	if s.confirmed > 0 && epoch > s.confirmed {
		if kind != MovePlanned {
			kind = MoveRecovered
		}
		r.Moved = append(r.Moved, Moved{Session: s.id, Slice: s.slice, Kind: kind})
	}
	s.confirmed = epoch
	r.Ops = append(r.Ops, Op{Kind: OpConfirm, Session: s.id, Number: epoch})
	for _, a := range stdslices.Clone(s.at) {
		if a.epoch < epoch {
			r.Outs = append(r.Outs, Out{To: a.at, Frame: Frame{Type: FrameClose, Payload: []byte("moved")}, Close: true})
			h.detach(a.at, s)
		}
	}
	return nil
}

// Lost says that a connection has gone. The session waits for another, RetainFor at most.
func (h *Home) Lost(now time.Time, at Attachment) {
	if s := h.by[at]; s != nil {
		h.detach(at, s)
		s.noteLost(now)
	}
}

func (s *live) noteLost(now time.Time) {
	if len(s.at) == 0 {
		s.lostAt = now
	}
}

// Send gives a session's client a message. Errors: nexus.CodeNotFound when the session has ended, nexus.CodeUnavailable when the
// window is full of what the client has not acknowledged (nothing is sent; wait or end the session), nexus.CodeMalformed for a
// payload above MaxPayloadBytes. The payload is taken over.
func (h *Home) Send(id nexus.ID, payload []byte) (Result, error) {
	var r Result
	s := h.all[id]
	if s == nil {
		return r, nexus.Errf("session send", nexus.CodeNotFound, "session "+id.String(), "the client opens a new one", "has ended")
	}
	if len(payload) > MaxPayloadBytes {
		return r, nexus.Errf("session send", nexus.CodeMalformed, fmt.Sprintf("message of %d bytes", len(payload)), "split it",
			"at most %d", MaxPayloadBytes)
	}
	if !s.down.room(len(payload), h.limits.RetainBytes) {
		return r, nexus.Errf("session send", nexus.CodeUnavailable, "session "+id.String(), "wait for the client's acknowledgement",
			"%d bytes are unacknowledged, the window is %d", s.down.bytes, h.limits.RetainBytes)
	}
	seq := s.down.push(payload)
	r.Ops = append(r.Ops, Op{Kind: OpSend, Session: id, Payload: payload})
	for _, a := range s.at { // both connections during a move: the client drops what it has
		r.Outs = append(r.Outs, Out{To: a.at, Frame: Frame{Type: FrameData, Seq: seq, Payload: payload}})
	}
	return r, nil
}

// note counts a message to be acknowledged, at the latest by the next Tick.
func (h *Home) note(s *live) {
	s.unacked++
	if !s.listed {
		s.listed = true
		h.dirty = append(h.dirty, s)
	}
}
