// Package conform holds the gateway to the specifications of what it speaks. It has no code of its own: its tests start real
// gateways on loopback and speak HTTP/2 (RFC 9113), WebSocket (RFC 6455) and HTTP/3 (RFC 9114, RFC 9000) to them, frame by frame, as a
// hostile or careless peer would. docs/conformance.md has the table of what was tried and what did not pass.
//
// Each case is named by the section that it is about. A case that does not hold stands in a list with its reason, and the test
// fails when such a case begins to hold, so that the list is never longer than it must be.
package conform
