// Package roam is the Go client of sessions that move, beside the browser's (SPEC section 4, Session mobility;
// docs/session.md).
//
// Job: Dial opens a session at one edge; Send and Receive go on while the connection under them is exchanged: because the home asks,
// because the edge died (the next two edges are raced), because it fell silent (another one is tried after two missed heartbeats,
// before the old one is given up), or because another edge is nearer.
//
// Promises: within the home's retention window every message arrives once and in order, both ways; when that is not possible any
// more, Receive returns Gap or the session's end with its reason, never a hole. It imports the root and slices/session of this
// module.
package roam
