// Package session moves a live session from one edge to another without losing, repeating or reordering a message
// (SPEC section 4, Session mobility; DESIGN section 5).
//
// Job: a session has a home, where its log lives, and reaches its client through whatever edge the client is connected to.
// Edges hold nothing: they check a ticket and carry frames. Every message has a number in its direction; the receiver
// acknowledges cumulatively, the sender keeps what is not acknowledged, and a new connection begins by saying what was last
// received. Each attachment raises the session's epoch; what comes from an older epoch after the client has confirmed the new
// one is refused.
//
// Promises: within the retention window (Limits.RetainFor, Limits.RetainBytes) every message is delivered once and in order, in
// both directions, over planned moves, killed edges and edges that fall silent. Beyond the window the receiver is told which
// numbers are missing; nothing is ever left out in silence.
//
// Not promised: a home that dies takes the sessions with it that have no buddy; a message is delivered once to the client's
// program, which may itself fail before acting on it.
//
// The core (Home, Client) is pure: it takes the time as an argument and returns what is to be sent, so a simulator drives the
// same code as the sockets do. It imports the root package only, of this module.
package session
