package edge

import (
	"net/http"
	"strings"
	"time"
)

// gRPC (github.com/grpc/grpc, PROTOCOL-HTTP2) needs HTTP/2 all the way: its status comes in trailers and both sides speak at once. Its
// servers understand nothing else, so such a request goes to the backend as HTTP/2 without TLS.

// isGRPC reports whether a request is a gRPC call.
func isGRPC(r *http.Request) bool {
	return r.ProtoMajor >= 2 && r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
}

// newGRPCTransport makes a slice's connections to its gRPC backends. A call may be silent for as long as its deadline allows, which is in
// its header and the backend's to keep; a backend that is gone is found by pings.
func newGRPCTransport(like *http.Transport) *http.Transport {
	t := like.Clone()
	t.ResponseHeaderTimeout = 0
	t.Protocols = new(http.Protocols)
	t.Protocols.SetUnencryptedHTTP2(true)
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second}
	return t
}
