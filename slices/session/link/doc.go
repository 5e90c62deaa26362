// Package link carries clients' connections between an edge process and the home of their sessions (DESIGN section 5): one stream
// socket per edge, with every connection's frames on it, and the home's table coming the other way.
//
// Promises: an edge that falls silent or floods costs the home one bounded buffer and is dropped after silenceMax; a home that
// falls silent costs the edge its link, and every client on it is told to go to another edge. Nothing of a session lives in an edge.
//
// Not here: who may open the socket. On one machine it is a Unix socket that only the node's user can open; between machines the
// caller brings a net.Conn that is authenticated already. The package imports the root and slices/session of this module.
package link
