package session

import (
	"crypto/rand"
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
	Trips    []Trip     // round trips that clients told
}

// Trip is a round trip that a client measured: itself, edge, home and back. It is the client's word: figures are made of it, never
// decisions.
type Trip struct {
	Slice string
	Took  time.Duration
}

// tripMax bounds what is believed of a round trip.
const tripMax = time.Minute

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
