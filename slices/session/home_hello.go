package session

import (
	"encoding/binary"
	stdslices "slices"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// How a connection begins: a new session, or one that its ticket names.

// Hello handles the first frame of a connection that belongs to the given slice. A refusal is a close frame in the result and
// an error for the log; the connection then ends.
func (h *Home) Hello(now time.Time, at Attachment, slice string, f Frame) (Result, error) {
	var r Result
	refuse := func(err *nexus.Error) (Result, error) {
		r.Outs = append(r.Outs, Out{To: at, Frame: Frame{Type: FrameClose, Payload: []byte(err.Cause.Error())}, Close: true})
		return r, err
	}
	if f.Type != FrameHello || h.by[at] != nil {
		return refuse(malformed("%s where a hello belongs", f.Type))
	}
	s, err := h.find(now, slice, &f, &r)
	if err != nil {
		return refuse(err)
	}
	if f.Seq > s.down.last() {
		return refuse(malformed("client received %d, %d were sent", f.Seq, s.down.last()))
	}
	s.epoch++
	s.lostAt = time.Time{}
	s.dropOldest(h, &r)
	s.at = append(s.at, attached{at: at, epoch: s.epoch})
	h.by[at] = s
	r.Ops = append(r.Ops, Op{Kind: OpEpoch, Session: s.id, Number: s.epoch})
	ticket, err2 := h.ticket(now, s, s.attached(at))
	if err2 != nil {
		return r, err2
	}
	r.Outs = append(r.Outs, Out{To: at, Frame: Frame{Type: FrameWelcome, Session: s.id, Epoch: s.epoch, Seq: s.received, Ticket: ticket,
		Payload: h.settings()}})
	if f.Seq+1 < s.down.first { // the client missed what is no longer kept: said, never silent
		r.Outs = append(r.Outs, Out{To: at, Frame: Frame{Type: FrameGap, Seq: s.down.first - 1}})
	}
	first := max(f.Seq+1, s.down.first)
	for i, payload := range s.down.after(f.Seq) {
		r.Outs = append(r.Outs, Out{To: at, Frame: Frame{Type: FrameData, Seq: first + uint64(i), Payload: payload}})
	}
	return r, nil
}

// settings is the welcome's payload: heartbeat in milliseconds, window in bytes, both as varints.
func (h *Home) settings() []byte {
	b := binary.AppendUvarint(nil, uint64(h.limits.Heartbeat/time.Millisecond))
	return binary.AppendUvarint(b, uint64(h.limits.RetainBytes))
}

// find opens a new session or finds the one the ticket is for.
func (h *Home) find(now time.Time, slice string, f *Frame, r *Result) (*live, *nexus.Error) {
	if f.Ticket == "" {
		if len(h.all) >= h.limits.Sessions {
			return nil, nexus.Errf("session", nexus.CodeUnavailable, "home", "try again later", "%d sessions are held, the most allowed", len(h.all))
		}
		s := &live{id: h.newID(), slice: slice, down: newWindow()}
		h.all[s.id] = s
		r.Opened = append(r.Opened, s.id)
		r.Ops = append(r.Ops, Op{Kind: OpOpen, Session: s.id, Slice: slice})
		return s, nil
	}
	c, err := h.tickets.Read(f.Ticket, now)
	if err != nil {
		return nil, nexus.Errf("session", nexus.CodeRefused, "ticket", "open a new session", "ticket refused: %w", err)
	}
	s := h.all[c.Session]
	refused := func(format string, args ...any) (*live, *nexus.Error) {
		return nil, nexus.Errf("session", nexus.CodeRefused, "session "+c.Session.String(), "open a new session", format, args...)
	}
	switch {
	case s == nil:
		return refused("session is not held here any more")
	case c.Slice != slice || s.slice != slice:
		return refused("ticket is for slice %s, used on %s", c.Slice, slice)
	case c.Epoch < s.confirmed || c.Epoch > s.epoch:
		return refused("ticket of epoch %d is spent", c.Epoch)
	}
	return s, nil
}

// dropOldest keeps at most one attachment beside the one that comes: make before break needs two, never more.
func (s *live) dropOldest(h *Home, r *Result) {
	for len(s.at) > 1 {
		oldest := s.at[0].at
		r.Outs = append(r.Outs, Out{To: oldest, Frame: Frame{Type: FrameClose, Payload: []byte("replaced")}, Close: true})
		h.detach(oldest, s)
	}
}

func (h *Home) detach(at Attachment, s *live) {
	s.at = stdslices.DeleteFunc(s.at, func(a attached) bool { return a.at == at })
	delete(h.by, at)
}

func (h *Home) ticket(now time.Time, s *live, a *attached) (string, error) {
	a.ticketDue = now.Add(h.limits.TicketFor / 3)
	return h.tickets.Make(Claims{Session: s.id, Slice: s.slice, Epoch: a.epoch, Expires: now.Add(h.limits.TicketFor)})
}
