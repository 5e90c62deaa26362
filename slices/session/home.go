package session

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	stdslices "slices"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Attachment names one connection of a client, through one edge, to a home. The caller numbers them; a number is never reused.
type Attachment uint64

// Out is a frame for an attachment; Close says that the connection ends after it.
type Out struct {
	To    Attachment
	Frame Frame
	Close bool
}

// Message is what arrived in order, exactly once. Gap is set on the first message, or alone, when MissedTo numbers before it
// were given up by the sender: the receiver's program must not assume that it knows everything.
type Message struct {
	Session  nexus.ID
	Seq      uint64
	Payload  []byte
	Gap      bool
	MissedTo uint64 // with Gap: everything up to this number that was not received
}

// OpKind says what an Op changes.
type OpKind uint8

// The changes of a session that its buddy must know. Values cross processes: never renumber.
const (
	OpOpen    OpKind = 1 // Session, Slice
	OpEpoch   OpKind = 2 // Number: epochs up to it have been given out
	OpConfirm OpKind = 3 // Number: epochs below it are fenced
	OpSend    OpKind = 4 // Payload, which gets the next number
	OpAcked   OpKind = 5 // Number: acknowledged by the client
	OpReceive OpKind = 6 // Number: received from the client
	OpEnd     OpKind = 7
)

// Op is one change of one session, to be kept by the buddy before the Result it came with is acted on.
type Op struct {
	Kind    OpKind
	Session nexus.ID
	Number  uint64
	Slice   string
	Payload []byte
}

// Result is what a call to Home leads to. Order matters: Ops to the buddy first, then Messages to the program, then Outs.
type Result struct {
	Outs     []Out
	Messages []Message
	Ops      []Op
	Opened   []nexus.ID // sessions that began
	Ended    []nexus.ID // sessions that ended
	Moved    []Moved    // sessions that go on over another connection
}

// MoveKind says how a session came to its present connection.
type MoveKind uint64

// The kinds. Values are spoken by browsers: never renumber.
const (
	MovePlanned   MoveKind = 1 // the old connection worked until the new one was in use
	MoveRecovered MoveKind = 2 // the old connection had died or fallen silent
)

// Moved is one hand-off, told by the client when it confirms the new connection.
type Moved struct {
	Session nexus.ID
	Slice   string
	Kind    MoveKind
}

// Home holds the sessions whose log lives here. It is pure: no clock, no sockets, no goroutines; not safe for concurrent use.
type Home struct {
	limits  Limits
	tickets Tickets
	all     map[nexus.ID]*live
	by      map[Attachment]*live
	newID   func() nexus.ID
	dirty   []*live   // sessions with an acknowledgement due
	swept   time.Time // when tickets and absences were last looked at
}

// Tickets makes and reads tickets; see NewTickets.
type Tickets interface {
	Make(Claims) (string, error)
	// Read checks signature and expiry and gives the claims. Error: nexus.CodeRefused.
	Read(text string, now time.Time) (Claims, error)
}

// Claims is what a ticket says. It opens one attachment after the epoch it was made in: the client's confirmation of that
// attachment, or of any later one, spends it.
type Claims struct {
	Session nexus.ID
	Slice   string
	Epoch   uint64
	Expires time.Time
}

// live is one session.
type live struct {
	id        nexus.ID
	slice     string
	epoch     uint64 // highest given out
	confirmed uint64 // lower ones are fenced
	down      window
	received  uint64     // last number received from the client
	taken     uint64     // last number that the program took: what is acknowledged
	unacked   int        // messages taken since the last ack sent
	listed    bool       // in Home.dirty
	at        []attached // at most two, oldest first: in order, so that one seed is one run
	lostAt    time.Time  // when the last connection went; zero while there is one
}

type attached struct {
	at        Attachment
	epoch     uint64
	ticketDue time.Time
}

func (s *live) attached(at Attachment) *attached {
	for i := range s.at {
		if s.at[i].at == at {
			return &s.at[i]
		}
	}
	return nil
}

// ackEvery is how many messages may go unacknowledged until Tick.
const ackEvery = 8

// NewHome makes a home without sessions. newID gives the ids of new sessions; nil takes random ones.
func NewHome(l Limits, t Tickets, newID func() nexus.ID) *Home {
	if newID == nil {
		newID = func() nexus.ID {
			var id nexus.ID
			if _, err := rand.Read(id[:]); err != nil {
				panic("session: no randomness: " + err.Error()) // the system's source does not fail
			}
			return id
		}
	}
	return &Home{limits: l.WithDefaults(), tickets: t, all: map[nexus.ID]*live{}, by: map[Attachment]*live{}, newID: newID}
}

// Sessions is the number of sessions held.
func (h *Home) Sessions() int { return len(h.all) }

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
		r.Outs = append(r.Outs, Out{To: at, Frame: Frame{Type: FrameClose, Payload: []byte("protocol: " + err.Error())}, Close: true})
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

// Unacked is the number of messages that the client has not acknowledged; ok is false when the session is not held.
func (h *Home) Unacked(id nexus.ID) (n int, ok bool) {
	s := h.all[id]
	if s == nil {
		return 0, false
	}
	return len(s.down.kept), true
}

// Attached lists the connections of a session, oldest first.
func (h *Home) Attached(id nexus.ID) []Attachment {
	var out []Attachment
	if s := h.all[id]; s != nil {
		for _, a := range s.at {
			out = append(out, a.at)
		}
	}
	return out
}

// SessionOf gives the session that a connection belongs to.
func (h *Home) SessionOf(at Attachment) (nexus.ID, bool) {
	if s := h.by[at]; s != nil {
		return s.id, true
	}
	return nexus.ID{}, false
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

// note counts a message to be acknowledged, at the latest by the next Tick.
func (h *Home) note(s *live) {
	s.unacked++
	if !s.listed {
		s.listed = true
		h.dirty = append(h.dirty, s)
	}
}
