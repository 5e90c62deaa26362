// Package h1 reads HTTP/1.1 messages as a gateway must: strictly from clients, whose words decide where a request ends, and with some
// patience from backends, whose words are framed anew anyway. RFC 9112 for the form, RFC 9110 for the words; where the RFCs let a
// server choose between mending and refusing, a client's request is refused: two readers that mend differently are how a second
// request is smuggled past a gateway.
//
// Promises: no allocation per message but what a long head needs; slices of a head point into the reader's buffer and stand until the
// next read from it. It does no routing and writes nothing. Nothing in it is safe for concurrent use.
package h1
