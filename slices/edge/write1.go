package edge

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge/h1"
)

// throughHandler answers a request by the handler that HTTP/2 uses too: files, the gateway's own paths, refusals of methods.
func (k *client1) throughHandler(head []byte, size int, x *exchange) (again bool) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append(append([]byte(nil), head...), "\r\n"...))))
	if err != nil {
		k.refuse(&refusal{status: http.StatusBadRequest, text: "the target of this request cannot be read"})
		return false
	}
	_, _ = k.br.Discard(size)
	r.Header.Del("Upgrade") // RFC 9110, section 7.8: it may be ignored
	r = r.WithContext(withConn(r.Context(), k.c))
	r.RemoteAddr, r.TLS, r.Host = k.c.RemoteAddr().String(), k.secure, string(k.req.Host)
	body := k.body()
	if r.Body = http.NoBody; body != nil {
		r.Body = io.NopCloser(body)
	}
	w := k.response(!k.req.Close)
	w.minor, w.headOnly = k.req.Minor, string(k.req.Method) == http.MethodHead
	w.Header().Set(RouteHeader, x.target.index)
	if k.alt != "" {
		w.Header().Set(altSvcHeader, k.alt)
	}
	k.g.answer(w, r, x)
	if w.finish() != nil {
		return false
	}
	if body != nil && !body.ended() {
		k.linger() // nobody read the body; what follows cannot be told from it
		return false
	}
	return w.keep
}

// response1 implements http.ResponseWriter on a client1. A body without a length is sent in chunks, or to HTTP/1.0 until the end.
type response1 struct {
	k        *client1
	header   http.Header
	minor    int
	headOnly bool
	keep     bool
	wrote    bool
	chunked  bool
	noBody   bool
	left     int64 // of the declared length; -1: none declared
	err      error
}

func (k *client1) response(keep bool) *response1 {
	return &response1{k: k, header: http.Header{}, minor: 1, keep: keep, left: -1}
}

// Header implements http.ResponseWriter.
func (w *response1) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *response1) WriteHeader(status int) {
	if w.wrote || status < 200 {
		return
	}
	w.wrote = true
	h := w.header
	if h.Get("Date") == "" {
		h.Set("Date", w.k.g.date.at(time.Now()))
	}
	if h.Get("Connection") == "close" {
		w.keep = false
	}
	h.Del("Connection")
	w.noBody = w.headOnly || status == http.StatusNoContent || status == http.StatusNotModified
	if n, ok := h1.Digits([]byte(h.Get("Content-Length"))); ok {
		w.left = n
	} else if h.Del("Content-Length"); !w.noBody {
		if w.chunked = w.minor == 1; !w.chunked {
			w.keep = false
		}
	}
	out := append(w.k.out[:0], "HTTP/1.1 "...)
	out = appendStatus(out, status, nil)
	for name, values := range h {
		for _, v := range values {
			out = appendField(out, name, v)
		}
	}
	if w.chunked {
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	}
	out = appendConnection(out, w.keep, w.minor)
	w.k.out = append(out, "\r\n"...)
	_, w.err = w.k.nc.Write(w.k.out)
}

// Write implements http.ResponseWriter.
func (w *response1) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.err != nil:
		return 0, w.err
	case w.noBody:
		return len(p), nil
	case w.left >= 0 && int64(len(p)) > w.left:
		return 0, http.ErrContentLength
	}
	data := p
	if w.chunked {
		w.k.out = h1.AppendChunk(w.k.out[:0], p)
		data = w.k.out
	} else if w.left >= 0 {
		w.left -= int64(len(p))
	}
	if _, w.err = w.k.nc.Write(data); w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// SetReadDeadline serves http.ResponseController.
func (w *response1) SetReadDeadline(at time.Time) error { return w.k.c.SetReadDeadline(at) }

// finish ends the response. An error means that the connection cannot go on.
func (w *response1) finish() error {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.err != nil:
	case w.chunked:
		_, w.err = io.WriteString(w.k.nc, "0\r\n\r\n")
	case w.left > 0 && !w.noBody:
		w.err = io.ErrShortWrite
	}
	return w.err
}

// date keeps the Date field of the present second in its text form (RFC 9110, section 6.6.1). Safe for concurrent use.
type date struct{ last atomic.Pointer[datedSecond] }

type datedSecond struct {
	second int64 // Unix
	text   string
}

func (d *date) at(now time.Time) string {
	second := now.Unix()
	if last := d.last.Load(); last != nil && last.second == second {
		return last.text
	}
	next := &datedSecond{second, now.UTC().Format(http.TimeFormat)}
	d.last.Store(next)
	return next.text
}

func appendStatus(out []byte, status int, reason []byte) []byte {
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, ' ')
	if text := http.StatusText(status); len(reason) == 0 || text != "" {
		out = append(out, text...)
	} else {
		out = append(out, reason...)
	}
	return append(out, "\r\n"...)
}

// appendField writes a field of the gateway's own or of a handler; a line break in a value would begin another field.
func appendField(out []byte, name, value string) []byte {
	out = append(append(out, name...), ": "...)
	for i := range len(value) {
		if c := value[i]; c == '\r' || c == '\n' {
			out = append(out, ' ')
		} else {
			out = append(out, c)
		}
	}
	return append(out, "\r\n"...)
}

func appendConnection(out []byte, keep bool, minor int) []byte {
	switch {
	case !keep:
		return append(out, "Connection: close\r\n"...)
	case minor == 0:
		return append(out, "Connection: keep-alive\r\n"...)
	}
	return out
}
