package session

import (
	stdslices "slices"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Moves that the home asks for, time, and the end of a session.

// GiveUp forgets the oldest unacknowledged messages of a session until n bytes fit, so that a program may prefer new messages
// to old ones. The client is told the gap on its next connection, or now.
func (h *Home) GiveUp(id nexus.ID, n int) Result {
	var r Result
	s := h.all[id]
	if s == nil || s.down.room(n, h.limits.RetainBytes) {
		return r
	}
	for !s.down.room(n, h.limits.RetainBytes) {
		s.down.forget(s.down.first)
	}
	r.Ops = append(r.Ops, Op{Kind: OpAcked, Session: id, Number: s.down.first - 1})
	for _, a := range s.at {
		r.Outs = append(r.Outs, Out{To: a.at, Frame: Frame{Type: FrameGap, Seq: s.down.first - 1}})
	}
	return r
}

// Move asks a session's client to go over to one of the given edges ("wss://host:port/path"), in order of preference. The
// present connection goes on until the client has confirmed the new one.
func (h *Home) Move(now time.Time, id nexus.ID, edges []string) (Result, error) {
	var r Result
	s := h.all[id]
	if s == nil || len(s.at) == 0 {
		return r, nexus.Errf("session move", nexus.CodeNotFound, "session "+id.String(), "it moves by itself when it returns", "has no connection")
	}
	for i := range s.at {
		ticket, err := h.ticket(now, s, &s.at[i])
		if err != nil {
			return r, err
		}
		r.Outs = append(r.Outs, Out{To: s.at[i].at, Frame: Frame{Type: FrameMove, Ticket: ticket, Payload: joinLines(edges)}})
	}
	return r, nil
}

// End ends a session and tells its client why.
func (h *Home) End(id nexus.ID, reason string) Result {
	var r Result
	if s := h.all[id]; s != nil {
		h.end(s, reason, &r)
	}
	return r
}

func (h *Home) end(s *live, reason string, r *Result) {
	for _, a := range stdslices.Clone(s.at) {
		r.Outs = append(r.Outs, Out{To: a.at, Frame: Frame{Type: FrameClose, Payload: []byte(reason)}, Close: true})
		h.detach(a.at, s)
	}
	delete(h.all, s.id)
	r.Ended = append(r.Ended, s.id)
	r.Ops = append(r.Ops, Op{Kind: OpEnd, Session: s.id})
}

// sweepEvery is how often tickets and absent clients are looked at: a pass over all sessions, so not on every beat.
const sweepEvery = time.Second

// Tick sends the acknowledgements that are due, and about every second fresh tickets; it ends sessions whose client stayed away
// too long. Call it every 20 ms or so.
func (h *Home) Tick(now time.Time) Result {
	var r Result
	for _, s := range h.dirty {
		if s.unacked > 0 {
			h.ack(s, &r)
		}
		s.listed = false
	}
	h.dirty = h.dirty[:0]
	if now.Sub(h.swept) >= sweepEvery {
		h.swept = now
		h.sweep(now, &r)
	}
	return r
}

func (h *Home) sweep(now time.Time, r *Result) {
	for _, s := range h.all {
		if len(s.at) == 0 && now.Sub(s.lostAt) >= h.limits.RetainFor {
			h.end(s, "away too long", r)
			continue
		}
		for i := range s.at {
			if now.Before(s.at[i].ticketDue) {
				continue
			}
			if ticket, err := h.ticket(now, s, &s.at[i]); err == nil {
				r.Outs = append(r.Outs, Out{To: s.at[i].at, Frame: Frame{Type: FrameTicket, Ticket: ticket}})
			}
		}
	}
}
