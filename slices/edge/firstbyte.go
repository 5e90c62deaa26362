package edge

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"
)

// seldomHasBody reports whether requests of a method usually bring no body.
func seldomHasBody(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodOptions, "PROPFIND", "SEARCH":
		return true
	}
	return false
}

// settleBody finds out whether a request of HTTP/2 or HTTP/3 brings a body where its header left that open and its method usually has none. HTTP/3
// never says it at once: the end of the stream is a word of its own, which comes later or, when the client resets the stream, never. Without this
// the transport would begin such a request as one with a body, and a backend that reads none (net/http's server is one) does not notice then
// that its client has gone: the request would outlive the gateway. The error is that of the body; no backend has heard of the request then.
func settleBody(r *http.Request, x *exchange) error {
	if r.ProtoMajor < 2 || r.ContentLength >= 0 || !seldomHasBody(r.Method) {
		return nil
	}
	begin := time.Now()
	defer func() { x.backend += time.Since(begin) }() // the client's time, not the gateway's
	first := make([]byte, 1)
	_, err := io.ReadFull(r.Body, first)
	switch {
	case errors.Is(err, io.EOF):
		r.ContentLength = 0
		return nil
	case err != nil:
		return err
	}
	rest := r.Body
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(first), rest), rest}
	return nil
}
