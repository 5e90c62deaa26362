package edge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge/h1"
)

// inlineBody1 is how long a body may be that goes to the backend in one write with its head, in bytes.
const inlineBody1 = 4 << 10

// transit is one request on its way to a backend and back.
type transit struct {
	k        *client1
	x        *exchange
	body     *body1 // what is still to be sent; nil: nothing
	headOnly bool   // HEAD
	replay   bool   // may be sent again when an idle connection turns out to be dead
	keep     bool   // the client's connection may go on
	minor    int    // of the client's HTTP/1
	up       *upstream
	upload   *upload1
	headAt   time.Time // when the head of the answer was here
	limited  io.LimitedReader

	protocol []byte // that is asked for; nil: none
	socket   bool   // as a WebSocket
}

// forward takes a request to its backend and the answer to the client, and reports whether the connection may carry another.
func (k *client1) forward(size int, x *exchange) (again bool) {
	m := string(k.req.Method)
	k.watch.answered = false // nothing is watched between requests
	t := &k.transit
	*t = transit{k: k, x: x, headOnly: m == http.MethodHead, keep: !k.req.Close, minor: k.req.Minor}
	if t.body = k.body(); t.body == nil {
		t.replay = m == http.MethodGet || t.headOnly || m == http.MethodOptions
	} else if k.req.Length > k.g.config.BodyBytesMax {
		k.refuse(tooLarge())
		return false
	}
	if k.req.Upgrade {
		t.protocol, t.socket = bytes.Clone(k.req.Field("upgrade").Value), k.req.Field("sec-websocket-key") != nil
	}
	k.out = k.requestHead(k.out[:0])
	_, _ = k.br.Discard(size) // from here on the fields of the request are gone
	t.inline()
	if no := t.send(); no != nil {
		return t.fail(no)
	}
	if k.resp.Status == http.StatusSwitchingProtocols {
		return t.switchOver()
	}
	return t.answer()
}

func tooLarge() *refusal {
	return &refusal{status: http.StatusRequestEntityTooLarge, text: "the request's body is larger than this gateway takes"}
}

// requestHead writes the head for the backend: the client's own fields but those of this connection, and what the gateway saw itself in
// place of what a client claims about its own forwarding.
func (k *client1) requestHead(out []byte) []byte {
	r := &k.req
	out = append(append(out, r.Method...), ' ')
	out = append(append(out, r.Target...), " HTTP/1.1\r\nHost: "...)
	out = append(append(out, r.Host...), "\r\n"...)
	for i := range r.Fields {
		f := &r.Fields[i]
		if f.Is("host") || f.Is("content-length") || f.Is("expect") || claims(f) || h1.HopByHop(r.Fields, f) {
			continue
		}
		out = append(append(out, f.Name...), ": "...)
		out = append(append(out, f.Value...), "\r\n"...)
	}
	if te := r.Field("te"); te != nil && h1.HasToken(te.Value, "trailers") {
		out = append(out, "Te: trailers\r\n"...)
	}
	out = append(append(out, "X-Forwarded-For: "...), k.remote...)
	out = append(append(out, "\r\nX-Forwarded-Host: "...), r.Host...)
	if k.secure != nil {
		out = append(out, "\r\nX-Forwarded-Proto: https\r\n"...)
	} else {
		out = append(out, "\r\nX-Forwarded-Proto: http\r\n"...)
	}
	if r.Upgrade {
		out = append(append(append(out, "Connection: Upgrade\r\nUpgrade: "...), r.Field("upgrade").Value...), "\r\n"...)
	}
	switch {
	case r.Chunked:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	case r.Field("content-length") != nil:
		out = append(strconv.AppendInt(append(out, "Content-Length: "...), r.Length, 10), "\r\n"...)
	}
	return append(out, "\r\n"...)
}

// claims reports whether a field is what a client says about its own forwarding, or the gateway's word.
func claims(f *h1.Field) bool {
	return h1.HasPrefix(f.Name, "x-forwarded") || h1.HasPrefix(f.Name, "nexus-") || f.Is("forwarded") || f.Is("x-real-ip")
}

// inline puts a short body that is here already behind the head.
func (t *transit) inline() {
	b := t.body
	if b == nil || b.chunked != nil || b.expect || b.left > inlineBody1 || int64(t.k.br.Buffered()) < b.left {
		return
	}
	part, _ := t.k.br.Peek(int(b.left))
	t.k.out = append(t.k.out, part...)
	_, _ = t.k.br.Discard(len(part))
	t.body = nil
}

// send brings the request to the backend and reads the head of the answer into k.resp.
func (t *transit) send() *refusal {
	backends := t.x.target.slice.backends
	if !backends.admit(t.x.address) {
		return t.x.target.out
	}
	begin := time.Now()
	defer func() {
		t.headAt = time.Now()
		t.x.backend += t.headAt.Sub(begin)
	}()
	now := begin
	for fresh := false; ; now = time.Now() {
		up, err := t.x.target.slice.upstreams.get(context.Background(), t.x.address, fresh, now)
		if err != nil {
			return t.failed(err)
		}
		t.up = up
		if err = t.ask(now); err == nil {
			t.x.answered()
			return nil
		}
		silent := up.got == 0
		t.endUpload()
		_ = up.Close() // failed
		if gone := t.k.watch.end(t.k); gone {
			return &refusal{}
		}
		if errors.Is(err, errEnded) {
			continue // it was not asked: the next one may be
		}
		if t.replay && up.reused && silent && !isTimeout(err) && backends.mayRetry() {
			fresh = true
			continue
		}
		return t.failed(err)
	}
}

// ask sends the request and reads the head of the answer. A body is sent meanwhile.
func (t *transit) ask(now time.Time) error {
	up := t.up
	if t.body == nil {
		up.begin(t, now, t.k.out)
		return t.readHead()
	}
	if up.reused && !quiet(up.raw) {
		return errEnded
	}
	up.begin(t, now, nil)
	if err := up.write(t.k.out, t.k.g.config.StallTimeout); err != nil {
		return err
	}
	t.upload = t.startUpload()
	return t.readHead()
}

// readHead reads heads until the one that counts.
func (t *transit) readHead() error {
	for range upstreamHeadersMax {
		head, size, err := h1.ReadHead(t.up.br, upstreamHeadMax)
		if err != nil {
			return err
		}
		if wrong := t.k.resp.Parse(head); wrong != nil {
			return wrong
		}
		if t.k.resp.Status >= 200 || t.k.resp.Status == http.StatusSwitchingProtocols {
			if t.k.resp.Status < 200 && !t.switches() {
				return errors.New("switched to a protocol that nobody asked for")
			}
			t.up.head = size
			return nil
		}
		t.inform()
		_, _ = t.up.br.Discard(size)
	}
	return errors.New("informational answers without end")
}

// inform passes an informational answer on, such as 103 with links to load early (RFC 9110, section 15.2). 100 is the gateway's own to
// say, and HTTP/1.0 knows none.
func (t *transit) inform() {
	k, r := t.k, &t.k.resp
	if t.minor == 0 || r.Status == http.StatusContinue {
		return
	}
	out := appendStatus(append(k.back[:0], "HTTP/1.1 "...), r.Status, r.Reason)
	out = append(t.responseFields(out, false), "\r\n"...)
	k.back = out[:0]
	k.watch.mu.Lock()
	defer k.watch.mu.Unlock()
	t.write(out) // who cannot be written to is found out by the answer
}

// failed words why there is no answer, and counts it.
func (t *transit) failed(err error) *refusal {
	s := t.x.target.slice
	if u := t.upload; u != nil && u.clientErr != nil {
		var large *http.MaxBytesError
		switch {
		case errors.As(u.clientErr, &large):
			return tooLarge()
		case isTimeout(u.clientErr):
			s.counters.Cut.Add(1)
			return &refusal{status: http.StatusRequestTimeout, text: "the request's body did not come in time"}
		case errors.As(u.clientErr, new(*h1.Bad)):
			return &refusal{status: http.StatusBadRequest, text: "the request's body is not framed as it says"}
		}
		return &refusal{} // the client has gone
	}
	s.counters.Failed.Add(1)
	t.x.failed()
	t.k.g.log.Debug("backend failed", "host", t.x.target.route.Host, "backend", t.x.address, "error", err)
	if errors.Is(err, os.ErrDeadlineExceeded) || isTimeout(err) {
		return &refusal{status: http.StatusGatewayTimeout, text: "the service behind this host did not answer in time", goOn: true}
	}
	return &refusal{status: http.StatusBadGateway, text: "the service behind this host does not answer", goOn: true}
}

// fail tells the client.
func (t *transit) fail(no *refusal) (again bool) {
	if no.status == 0 {
		return false
	}
	goOn := no.goOn && t.body.ended()
	keep := goOn && t.keep
	if t.k.say(no, keep, t.minor, t.headOnly, t.x.target.index) != nil {
		return false
	}
	if !goOn {
		t.k.linger() // what it still sends is the rest of the body
	}
	return keep
}

// answer takes the response to the client.
func (t *transit) answer() (again bool) {
	k, r, up := t.k, &t.k.resp, t.up
	bodiless := r.Bodiless(t.headOnly)
	toEnd := !bodiless && !r.Chunked && r.Length < 0
	chunks := !bodiless && r.Length < 0 && t.minor == 1
	if !bodiless && r.Length < 0 && !chunks {
		t.keep = false
	}
	if t.body != nil && !t.body.ended() && !t.uploadEnds() {
		t.keep = false
	}
	if f := r.Field("content-type"); f != nil && eventStream(f.Value) {
		t.x.becomeStream()
	}
	k.watch.answer(t.x.streamed)
	if k.watch.half.Load() {
		t.keep = false
	}
	k.back = t.responseHead(k.back[:0], bodiless, chunks)
	closes := r.Close || toEnd
	_, _ = up.br.Discard(up.head) // from here on the fields of the response are gone
	up.until, up.counts = time.Time{}, true
	ok := t.copyBody(bodiless, chunks)
	t.x.backend += up.waited
	over := t.headAt
	if up.waited > 0 {
		over = time.Now()
	}
	complete := t.endUpload()
	if gone := k.watch.end(k); gone {
		ok = false
	}
	if ok && complete && !closes {
		up.rest()
		t.x.target.slice.upstreams.put(t.x.address, up, over)
	} else {
		_ = up.Close() // nothing more comes of it
	}
	if ok && !complete {
		k.c.broken.Store(true)
		k.linger()
	}
	return ok && complete && t.keep
}

func eventStream(value []byte) bool {
	kind, _, _ := bytes.Cut(value, []byte{';'})
	return h1.HasToken(kind, "text/event-stream")
}

// responseHead writes the head for the client: the backend's own fields but those of its connection, with the gateway's framing and fields.
func (t *transit) responseHead(out []byte, bodiless, chunks bool) []byte {
	r := &t.k.resp
	out = appendStatus(append(out, "HTTP/1.1 "...), r.Status, r.Reason)
	out = t.responseFields(out, chunks)
	if r.Field("date") == nil {
		out = append(append(append(out, "Date: "...), t.k.g.date.at(t.headAt)...), "\r\n"...)
	}
	if t.k.alt != "" {
		out = append(append(append(out, altSvcHeader+": "...), t.k.alt...), "\r\n"...)
	}
	switch {
	case chunks:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	case r.Length >= 0 && r.Status != http.StatusNoContent && (!bodiless || t.headOnly || r.Status == http.StatusNotModified):
		out = append(strconv.AppendInt(append(out, "Content-Length: "...), r.Length, 10), "\r\n"...)
	}
	return append(appendConnection(out, t.keep, t.minor), "\r\n"...)
}

// responseFields writes the fields of the backend that are for the client, and the route.
func (t *transit) responseFields(out []byte, chunks bool) []byte {
	r := &t.k.resp
	for i := range r.Fields {
		f := &r.Fields[i]
		if f.Is("server") || f.Is("alt-svc") || f.Is("content-length") || h1.HasPrefix(f.Name, "nexus-") || h1.HopByHop(r.Fields, f) && !(chunks && f.Is("trailer")) {
			continue
		}
		out = append(append(out, f.Name...), ": "...)
		out = append(append(out, f.Value...), "\r\n"...)
	}
	return append(append(append(out, RouteHeader+": "...), t.x.target.index...), "\r\n"...)
}

// copyBody writes what is in k.back and the body behind it. What is here already goes out in one write with the head; otherwise each
// piece goes out as it comes. It reports whether all of it was written.
func (t *transit) copyBody(bodiless, chunks bool) bool {
	k, r := t.k, &t.k.resp
	var src io.Reader
	var chunked *h1.Chunked
	switch {
	case bodiless || r.Length == 0:
		return t.flush()
	case r.Chunked:
		chunked = &h1.Chunked{R: t.up.br}
		src = chunked
	case r.Length > 0:
		t.limited = io.LimitedReader{R: t.up.br, N: r.Length}
		src = &t.limited
	default:
		src = t.up.br
	}
	left := r.Length
	for held := true; ; {
		if held && !t.here(left, chunked != nil) {
			if !t.flush() {
				return false
			}
			held = false
		}
		n, err := src.Read(k.copy)
		if n > 0 {
			data := k.copy[:n]
			switch {
			case chunks:
				k.back = h1.AppendChunk(k.back, data)
				data = nil
			case held:
				k.back = append(k.back, data...)
				data = nil
			}
			if left >= 0 {
				left -= int64(n)
			}
			whole := left == 0
			if (!held || whole) && !t.flush() || !t.write(data) {
				return false
			}
			if whole {
				return true
			}
		}
		if err != nil {
			return t.endBody(err, chunked, chunks, left)
		}
	}
}

// here reports whether the next part of the body is buffered to its end.
func (t *transit) here(left int64, chunked bool) bool {
	n := t.up.br.Buffered()
	if chunked {
		have, _ := t.up.br.Peek(n)
		return bytes.HasSuffix(have, []byte("0\r\n\r\n"))
	}
	return left >= 0 && int64(n) >= left
}

// endBody ends the body after its source has ended.
func (t *transit) endBody(err error, chunked *h1.Chunked, chunks bool, left int64) bool {
	if !errors.Is(err, io.EOF) || left > 0 {
		t.k.g.log.Debug("backend failed within its answer", "host", t.x.target.route.Host, "backend", t.x.address, "error", err)
		return false
	}
	if chunks {
		t.k.back = append(t.k.back, "0\r\n"...)
		if chunked != nil {
			for _, f := range chunked.Trailer {
				if !framing(&f) {
					t.k.back = append(append(append(append(t.k.back, f.Name...), ": "...), f.Value...), "\r\n"...)
				}
			}
		}
		t.k.back = append(t.k.back, "\r\n"...)
	}
	return t.flush()
}

// framing reports whether a field has no place in a trailer (RFC 9110 section 6.5.1).
func framing(f *h1.Field) bool {
	for _, name := range [...]string{"transfer-encoding", "content-length", "host", "connection", "trailer", "te", "upgrade"} {
		if f.Is(name) {
			return true
		}
	}
	return h1.HasPrefix(f.Name, "nexus-")
}

func (t *transit) flush() bool {
	ok := t.write(t.k.back)
	t.k.back = t.k.back[:0]
	return ok
}

func (t *transit) write(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	_, err := t.k.nc.Write(b)
	return err == nil
}
