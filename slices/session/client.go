package session

import (
	"encoding/binary"
	stdslices "slices"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Client is a session's other end, as pure as Home: it is told what arrives and when, and says what to send.
// Not safe for concurrent use.
type Client struct {
	limits   Limits
	id       nexus.ID
	epoch    uint64
	ticket   string
	received uint64 // last number received
	taken    uint64 // last number that the program took: what is acknowledged
	unacked  int
	up       window
	conns    []*clientConn // a few, oldest first
	active   Attachment    // 0: none
	ended    bool
}

type clientConn struct {
	at      Attachment
	epoch   uint64 // 0 until welcomed
	heardAt time.Time
	pingDue time.Time
	begun   time.Time
	grace   time.Duration // how long the welcome took: the first pong is as far away. 0 once that has come
	pinged  []time.Time   // when the pings that are still to be answered were sent, the last one being number pings
	pings   uint64        // sent
	trip    time.Duration // of the last answered ping, not told yet
	suspect bool          // silent for two heartbeats
}

// ClientResult is what a call to Client leads to. Messages first, then Outs.
type ClientResult struct {
	Outs     []Out
	Messages []Message
	Drop     []Attachment // connections to close
	Move     []string     // edges to connect to now, best first; empty: none
	Suspect  bool         // the connection in use has fallen silent: connect elsewhere too, before it counts as dead
	Edges    []string     // all edges, when the home has told them
	Switched bool         // a new connection is in use
	Ended    string       // the session has ended, and why
}

// NewClient makes the end of a session not opened yet.
func NewClient(l Limits) *Client {
	return &Client{limits: l.WithDefaults(), up: newWindow()}
}

// ID is the session's id, zero before the first welcome.
func (c *Client) ID() nexus.ID { return c.id }

// Active is the connection in use, 0 when there is none.
func (c *Client) Active() Attachment { return c.active }

// Unacked is the number of messages sent and not acknowledged.
func (c *Client) Unacked() int { return len(c.up.kept) }

func (c *Client) conn(at Attachment) *clientConn {
	for _, k := range c.conns {
		if k.at == at {
			return k
		}
	}
	return nil
}

// Connected begins a connection: its first frame is the hello.
func (c *Client) Connected(now time.Time, conn Attachment) Out {
	c.conns = append(c.conns, &clientConn{at: conn, begun: now, heardAt: now, pingDue: now.Add(c.limits.Heartbeat)})
	return Out{To: conn, Frame: Frame{Type: FrameHello, Ticket: c.ticket, Seq: c.received}}
}

// Lost says that a connection has gone. It reports whether none is in use now, so that the caller connects elsewhere at once.
func (c *Client) Lost(conn Attachment) bool {
	c.conns = stdslices.DeleteFunc(c.conns, func(k *clientConn) bool { return k.at == conn })
	if c.active == conn {
		c.active = 0
	}
	return c.active == 0 && !c.ended
}

// Send numbers a message and sends it when there is a connection. Errors: nexus.CodeUnavailable when the window is full,
// nexus.CodeNotFound when the session has ended, nexus.CodeMalformed for too large a payload. The payload is taken over.
func (c *Client) Send(payload []byte) (ClientResult, error) {
	var r ClientResult
	switch {
	case c.ended:
		return r, nexus.Errf("session send", nexus.CodeNotFound, "session "+c.id.String(), "open a new one", "has ended")
	case len(payload) > MaxPayloadBytes:
		return r, nexus.Errf("session send", nexus.CodeMalformed, "message", "split it", "%d bytes, at most %d", len(payload), MaxPayloadBytes)
	case !c.up.room(len(payload), c.limits.RetainBytes):
		return r, nexus.Errf("session send", nexus.CodeUnavailable, "session "+c.id.String(), "wait for the acknowledgement",
			"%d bytes are unacknowledged", c.up.bytes)
	}
	seq := c.up.push(payload)
	if c.active != 0 {
		r.Outs = append(r.Outs, Out{To: c.active, Frame: Frame{Type: FrameData, Seq: seq, Payload: payload}})
	}
	return r, nil
}

// Receive handles a frame. An error means that the connection breaks the protocol: drop it and connect elsewhere.
func (c *Client) Receive(now time.Time, conn Attachment, f Frame) (ClientResult, error) {
	var r ClientResult
	k := c.conn(conn)
	if k == nil || c.ended {
		return r, nil
	}
	k.heardAt, k.suspect = now, false
	if k.epoch == 0 && f.Type != FrameWelcome && f.Type != FrameClose {
		return r, malformed("%s before the welcome", f.Type)
	}
	switch f.Type {
	case FrameWelcome:
		return c.welcome(conn, k, f)
	case FrameData:
		return c.data(conn, f)
	case FrameAck:
		if !c.up.ack(f.Seq) {
			return r, malformed("ack of %d, %d were sent", f.Seq, c.up.last())
		}
	case FrameTicket:
		c.takeTicket(k, f.Ticket)
	case FrameMove:
		c.takeTicket(k, f.Ticket)
		r.Move = lines(f.Payload)
	case FrameGap:
		if f.Seq > c.received {
			r.Messages = append(r.Messages, Message{Session: c.id, Seq: f.Seq, Gap: true, MissedTo: f.Seq})
			c.received, c.taken = f.Seq, f.Seq
		}
	case FrameEdges:
		r.Edges = lines(f.Payload)
	case FrameClose:
		c.closed(conn, k, string(f.Payload), &r)
	case FramePong:
		k.pong(now, f.Seq)
	default:
		return r, malformed("%s from a home", f.Type)
	}
	return r, nil
}

func lines(b []byte) []string {
	return strings.FieldsFunc(string(b), func(x rune) bool { return x == '\n' })
}

// takeTicket keeps the ticket of the newest connection; one of an older epoch may be spent already.
func (c *Client) takeTicket(k *clientConn, ticket string) {
	if k.epoch >= c.epoch && ticket != "" {
		c.ticket = ticket
	}
}

// welcome puts a newer connection to use: everything unacknowledged goes over it again, then the older ones are fenced by the
// confirmation. The confirmation comes last, so that the home still takes the old connection's messages until these are there.
func (c *Client) welcome(conn Attachment, k *clientConn, f Frame) (ClientResult, error) {
	var r ClientResult
	if k.epoch != 0 || f.Epoch == 0 || !c.id.IsZero() && f.Session != c.id {
		return r, malformed("a welcome that does not fit")
	}
	if !c.up.ack(f.Seq) {
		return r, malformed("welcome acknowledges %d, %d were sent", f.Seq, c.up.last())
	}
	k.epoch, k.grace = f.Epoch, k.heardAt.Sub(k.begun)
	if f.Epoch <= c.epoch { // a slower racer: the newer connection stays
		r.Drop = append(r.Drop, conn)
		return r, nil
	}
	kind := MoveRecovered
	if old := c.conn(c.active); old != nil && !old.suspect {
		kind = MovePlanned
	}
	c.readSettings(f.Payload)
	c.id, c.epoch, c.ticket, c.active = f.Session, f.Epoch, f.Ticket, conn
	c.unacked++ // an acknowledgement may have gone down with the connection before: Tick says it again
	seq := c.up.first
	for _, payload := range c.up.kept {
		r.Outs = append(r.Outs, Out{To: conn, Frame: Frame{Type: FrameData, Seq: seq, Payload: payload}})
		seq++
	}
	r.Outs = append(r.Outs, Out{To: conn, Frame: Frame{Type: FrameConfirm, Epoch: f.Epoch, Seq: uint64(kind)}})
	for _, other := range c.conns {
		if other != k && other.epoch == 0 { // racers that have not been welcomed
			r.Drop = append(r.Drop, other.at)
		}
	}
	r.Switched = true
	return r, nil
}

func (c *Client) readSettings(b []byte) {
	beat, b, ok := takeUvarint(b)
	if !ok || beat == 0 || beat > 60_000 {
		return
	}
	c.limits.Heartbeat = time.Duration(beat) * time.Millisecond
	if keep, n := binary.Uvarint(b); n > 0 && keep > 0 && keep <= 64<<20 {
		c.limits.RetainBytes = int(keep)
	}
}

// data delivers the next message and drops what came over the other connection already.
func (c *Client) data(conn Attachment, f Frame) (ClientResult, error) {
	var r ClientResult
	switch {
	case f.Seq == c.received+1:
		c.received++
		r.Messages = append(r.Messages, Message{Session: c.id, Seq: f.Seq, Payload: append([]byte(nil), f.Payload...)})
	case f.Seq > c.received:
		return r, malformed("message %d after %d", f.Seq, c.received)
	}
	return r, nil
}

// Taken says that the program has taken every message up to seq, which is then acknowledged.
func (c *Client) Taken(seq uint64) ClientResult {
	var r ClientResult
	if seq <= c.taken || seq > c.received {
		return r
	}
	c.taken = seq
	if c.unacked++; c.unacked >= ackEvery && c.active != 0 {
		c.unacked = 0
		r.Outs = append(r.Outs, Out{To: c.active, Frame: Frame{Type: FrameAck, Seq: c.taken}})
	}
	return r
}

// closed ends a connection; the session too, when the home says so on the newest one.
func (c *Client) closed(conn Attachment, k *clientConn, reason string, r *ClientResult) {
	r.Drop = append(r.Drop, conn)
	if reason == "moved" || reason == "replaced" || strings.HasPrefix(reason, edgeClosePrefix) {
		return
	}
	if c.active == conn || c.active == 0 {
		c.ended = true
		r.Ended = reason
	}
}

// edgeClosePrefix begins the reason of a close frame that concerns one connection: an edge that cannot serve it, or frames that break the
// protocol. The session goes on over another one.
const edgeClosePrefix = "edge: "

// A connection that is silent for suspectAfter heartbeats gets company: another edge is tried. Only after silentAfter is it given
// up, and one that has not been welcomed yet after welcomeAfter: on a machine or a network that is merely slow, giving up early
// would begin the same work again and again.
const (
	suspectAfter = 2
	silentAfter  = 10
	welcomeAfter = 20
)

// pingsOpenMax bounds the pings of a connection that wait for an answer. An edge further away than that many heartbeats counts as silent.
const pingsOpenMax = 2 * welcomeAfter

func (k *clientConn) ping(now time.Time) {
	k.pings++
	if k.pinged = append(k.pinged, now); len(k.pinged) > pingsOpenMax {
		k.pinged = k.pinged[1:]
	}
}

// pong takes the round trip of the ping that is answered. Several are under way when the edge is further away than a heartbeat.
func (k *clientConn) pong(now time.Time, seq uint64) {
	first := k.pings - uint64(len(k.pinged)) + 1
	if seq < first || seq > k.pings {
		return
	}
	n := int(seq - first)
	k.trip, k.grace = now.Sub(k.pinged[n]), 0
	k.pinged = k.pinged[n+1:]
}

// Tick sends pings and acknowledgements that are due and names the connections that have fallen silent. Call it every 10 ms or so.
func (c *Client) Tick(now time.Time) ClientResult {
	var r ClientResult
	for _, k := range c.conns {
		patience := silentAfter * c.limits.Heartbeat
		if k.epoch == 0 {
			patience = welcomeAfter * c.limits.Heartbeat
		}
		silent := now.Sub(k.heardAt) - k.grace
		if silent >= patience {
			r.Drop = append(r.Drop, k.at)
			continue
		}
		if k.at == c.active && !k.suspect && silent >= suspectAfter*c.limits.Heartbeat {
			k.suspect, r.Suspect = true, true
		}
		if k.epoch != 0 && !now.Before(k.pingDue) {
			k.pingDue = now.Add(c.limits.Heartbeat)
			k.ping(now)
			r.Outs = append(r.Outs, Out{To: k.at, Frame: Frame{Type: FramePing, Seq: k.pings, Epoch: uint64(k.trip / time.Microsecond)}})
			k.trip = 0
		}
	}
	if c.unacked > 0 && c.active != 0 {
		c.unacked = 0
		r.Outs = append(r.Outs, Out{To: c.active, Frame: Frame{Type: FrameAck, Seq: c.taken}})
	}
	return r
}
