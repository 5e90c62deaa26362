// Package host runs a session.Home for real: many goroutines call it, connections of clients are its ports, and each session has
// one plain WebSocket to the unit's own program (SPEC section 4, Session mobility; DESIGN section 5).
//
// Job: the program behind a route sees one ordinary WebSocket per session, with the client's path and headers and a header
// Nexus-Session, and never notices that the client moved. What the program sends waits for the client within the retention
// window; beyond it the program is not read, so a client that is away slows its program and fills no memory.
//
// Promises: a message is acknowledged to the client only when the program's socket has taken it; a session's end is told to both
// sides with its reason; every queue is bounded. It imports the root package and slices/session of this module; where a host's
// route leads is asked through Config.Route, so the package knows no table.
package host
