// Package quicshare lets several processes serve QUIC from one UDP port, so that an edge can be upgraded without cutting an HTTP/3
// connection (DESIGN section 5 "QUIC by connection id", decision 53).
//
// Each process reads the same socket. The connection ids that it gives out name it, encrypted under a secret that the processes of the
// port share; a datagram read by one and meant for another is passed on through a socket in a folder that only they can enter. New
// connections belong to whoever reads their first datagram; a process that retires stops reading, and lives on what the others pass to it.
//
// Promises: a datagram is handed to the process that its connection lives in, or, when that has gone, to the one that read it, whose stateless
// reset tells the client at once; connection ids of one connection cannot be linked by who sees them; a datagram that is too many is
// dropped, as UDP does, and counted; nothing blocks for ever and nothing grows without bound. It knows nothing of HTTP or slices, and imports
// no package of this module but the root.
package quicshare
