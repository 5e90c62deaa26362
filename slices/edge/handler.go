package edge

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// Names that the gateway speaks itself.
const (
	// RouteHeader carries the ledger index of the route that a response came by.
	RouteHeader = "Nexus-Route"
	// RefusedHeader says over HTTP/2 and HTTP/3 why a request beyond its slice's share is refused (Retry-After says when). The body says it over HTTP/1.1, and
	// to a person in every protocol.
	RefusedHeader = "Nexus-Refused"
	// ProbePath is answered by the gateway's responder for the gateway's own probes; for everybody else it is a path
	// like any other.
	ProbePath = "/.well-known/nexus/probe"
)

// The receive windows of HTTP/2. Bodies of requests that wait for a place fill the connection's window while nobody
// reads them; parkedBodiesMax keeps room for those that have a place, which could otherwise never finish.
const (
	http2ConnBytes   = 4<<20 - 1 // the most that net/http takes
	http2StreamBytes = 512 << 10
	parkedBodiesMax  = 6
)

// forwarder answers one admitted request that net/http has read: HTTP/2 and HTTP/3. HTTP/1.1 has a way of its own (forward1.go).
type forwarder interface {
	forward(w http.ResponseWriter, r *http.Request, x *exchange)
}

// exchange is one request on its way. It is used by the request's goroutine only, except
// place, bodyLate and bodyBad.
type exchange struct {
	conn     *conn
	target   *target
	address  string // of the backend
	begin    time.Time
	beginNs  int64         // the same in Unix nanoseconds; over HTTP/1.1 of its first byte, in the end
	backend  time.Duration // waited for the backend
	probe    bool
	place    place
	grpc     bool        // a gRPC call
	streamed bool        // became a stream
	bodyLate atomic.Bool // the client paused too long within its body
	bodyBad  atomic.Bool // the body did not end as it should, by the client's doing
}

// began says when the request was read.
func (x *exchange) began(now time.Time) { x.begin, x.beginNs = now, now.UnixNano() }

func formatIndex(index uint64) string { return strconv.FormatUint(index, 10) }

// serveHTTP is the way of every request: host, slice of the connection, place in the slice's gate, backend or folder.
func (g *Gateway) serveHTTP(w http.ResponseWriter, r *http.Request) {
	g.handlers.Add(1)
	defer g.handlers.Done()
	c := connFrom(r.Context())
	var x *exchange
	if r.ProtoMajor >= 2 {
		c.http2.Store(true)
		defer func(begin time.Time) {
			// The end of a reset stream's body may be heard of before the end of its context.
			c.noteEnd(begin, r.Context().Err() != nil || x != nil && x.bodyBad.Load())
		}(time.Now())
	}
	if r.TLS == nil {
		r.TLS = c.tlsState
	}
	if g.retiring.Load() && r.ProtoMajor == 2 && c.toldToGo() {
		w.Header().Set("Connection", "close") // net/http turns it into the last GOAWAY
	}
	if r.ProtoMajor >= 2 {
		if why := malformed(r); why != "" {
			(&refusal{status: http.StatusBadRequest, text: why}).answer(w, r)
			return
		}
	}
	t, no := g.serving.Load().find(r.Host)
	if no == nil {
		no = g.bind(c, t)
	}
	if no != nil {
		no.answer(w, r)
		return
	}
	if r.TLS != nil && r.ProtoMajor < 3 {
		g.sayAltSvc(w.Header(), r.Host)
	}
	x = &exchange{
		conn: c, target: t, address: t.route.Backend.Address,
	}
	x.began(time.Now())
	x.probe = c.probe.Load() != nil && r.URL.Path == ProbePath
	if !c.served.Swap(true) && r.TLS != nil {
		c.firstByteNs.Store(x.beginNs) // the handshake is no part of the first request
	}
	if no := g.enter(x, r.Context().Done(), hasBody2(r)); no != nil {
		no.answer(w, r)
		return
	}
	defer x.leave()
	if r.ProtoMajor == 2 {
		steady := newSteadyWriter(w, c)
		defer steady.last()
		w = steady
	}
	w.Header().Set(RouteHeader, t.index)
	if x.probe {
		x.address = g.responder.address
	}
	g.answer(w, r, x)
}

// hasBody2 reports whether a request of HTTP/2 or HTTP/3 brings a body. Each of them has a Body; only the length says that there is none, and
// in HTTP/3, where it is unknown until the stream ends, the method.
func hasBody2(r *http.Request) bool {
	if r.ProtoMajor == 3 && r.ContentLength < 0 && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		return false
	}
	return r.ProtoMajor >= 2 && r.ContentLength != 0
}

// isChallenge reports whether a path is one of http-01's (RFC 8555, section 8.3).
func isChallenge(path string) bool { return strings.HasPrefix(path, "/.well-known/acme-challenge/") }

// refusal is an answer that keeps a request from its backend. The zero one is no answer at all: the client has gone.
type refusal struct {
	status int
	text   string
	retry  int  // seconds after which trying again makes sense; 0: no word about it
	goOn   bool // the connection may carry another request

	brief [2][]string // values of Retry-After and RefusedHeader, made once
}

// tryAgain gives a refusal that is said often.
func tryAgain(status, retry int, goOn bool, text string) *refusal {
	return &refusal{status: status, text: text, retry: retry, goOn: goOn, brief: [2][]string{{strconv.Itoa(retry)}, {text}}}
}

func (n *refusal) fields(h http.Header) {
	if n.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(n.retry))
	}
}

func (n *refusal) answer(w http.ResponseWriter, r *http.Request) {
	if n.status == 0 {
		return
	}
	if r.ProtoMajor >= 2 && n.brief[0] != nil {
		h := w.Header()
		h["Retry-After"], h[RefusedHeader] = n.brief[0], n.brief[1]
		if !forAPerson(r.Header) {
			// A head alone: a text behind it would be one more frame, and would have to be watched for a client that takes none of it.
			w.WriteHeader(n.status)
			return
		}
	} else {
		n.fields(w.Header())
	}
	if r.ProtoMajor == 2 {
		steady := newSteadyWriter(w, connFrom(r.Context()))
		defer steady.last()
		w = steady
	}
	refuse(w, r, n.status, n.text)
}

// forAPerson reports whether somebody is going to look at the answer: a browser's navigation (Fetch Metadata, Sec-Fetch-Mode; browsers send it to trustworthy
// origins alone), or who takes text/html (RFC 9110, section 12.5.1). Whatever a client says of itself may be untrue; all it gains is the text.
func forAPerson(h http.Header) bool {
	if mode := h["Sec-Fetch-Mode"]; len(mode) == 1 && mode[0] == "navigate" {
		return true
	}
	for _, accept := range h["Accept"] {
		if strings.Contains(strings.ToLower(accept), "text/html") {
			return true
		}
	}
	return false
}

// slowDown is what requests are told that a slice's gate refuses, as long as it is the same.
type slowDown struct {
	over *shape.Refusal
	no   *refusal
}

// slowDown words a refusal of the gate.
func (s *sliceState) slowDown(over *shape.Refusal) *refusal {
	if last := s.refusing.Load(); last != nil && *last.over == *over {
		return last.no
	}
	seconds := max(1, int(over.RetryAfter/time.Second))
	no := tryAgain(http.StatusServiceUnavailable, seconds, false,
		fmt.Sprintf("this host has more requests than its share: %s; try again in %d s", over.Reason, seconds))
	s.refusing.Store(&slowDown{over, no})
	return no
}

// find gives where a host leads.
func (s *serving) find(hostport string) (*target, *refusal) {
	host, err := ParseHost(hostport)
	if err != nil {
		return nil, &refusal{status: http.StatusBadRequest, text: "the Host of this request is not a host name"}
	}
	t, ok := s.hosts[host]
	if !ok {
		return nil, &refusal{status: http.StatusNotFound, text: "the host " + host + " is not served here"}
	}
	return t, nil
}

// bind gives the connection to the host's slice.
func (g *Gateway) bind(c *conn, t *target) *refusal {
	switch c.bind(t.slice) {
	case bindOther:
		c.bound.Load().counters.Refused.Add(1)
		return &refusal{status: http.StatusMisdirectedRequest,
			text: "this connection belongs to another slice; open a new one for " + t.route.Host}
	case bindFull:
		t.slice.counters.Refused.Add(1)
		return &refusal{status: http.StatusServiceUnavailable, retry: 1, text: "too many connections for " + t.route.Host + "; try again"}
	}
	return nil
}

// enter takes the place that reading took, or waits for one. body: an HTTP/2 request whose body fills the connection's window meanwhile.
func (g *Gateway) enter(x *exchange, gone <-chan struct{}, body bool) *refusal {
	s := x.target.slice
	if !x.probe {
		g.lately.note(s, x.begin)
	}
	since := x.begin
	if !x.conn.takePlace() && !s.gate.TryEnter() {
		err := x.park(gone, body)
		if over, ok := errors.AsType[*shape.Refusal](err); ok {
			s.counters.Refused.Add(1)
			x.conn.probe.Load().refused()
			return s.slowDown(over)
		}
		if err != nil {
			return &refusal{} // the client has gone
		}
		since = time.Now()
	}
	x.place.begin(s, since)
	x.conn.enter()
	return nil
}

// park waits in the slice's queue.
func (x *exchange) park(gone <-chan struct{}, body bool) error {
	if body {
		defer x.conn.parkedBodies.Add(-1)
		if x.conn.parkedBodies.Add(1) > parkedBodiesMax {
			return &shape.Refusal{Reason: shape.ReasonQueueFull, RetryAfter: time.Second}
		}
	}
	x.conn.heldByGate()
	defer x.conn.heldNoMore()
	if !x.conn.http2.Load() {
		return x.target.slice.gate.EnterFirst(gone)
	}
	return x.target.slice.gate.Enter(gone)
}

// leave gives the place back and counts the answer.
func (x *exchange) leave() {
	s := x.target.slice
	x.conn.working.Add(-1)
	x.place.end()
	if x.streamed {
		s.counters.Streams.Add(-1)
		return // a stream's length says nothing about the gateway
	}
	if x.probe {
		return
	}
	if x.conn.http2.Load() {
		// Many requests share the connection: the answer is taken as written when the handler has ended.
		x.record(time.Now().UnixNano())
		return
	}
	if first := x.conn.firstByteNs.Load(); first > 0 {
		x.beginNs = first
	}
	x.conn.pending.Store(x)
}

// becomeStream gives the place back early: a WebSocket or an event stream works for hours and waits most of the time.
// Its bytes stay scheduled and its number bounded by the slice's sessions.
func (x *exchange) becomeStream() {
	if x.streamed {
		return
	}
	x.streamed = true
	x.target.slice.counters.Streams.Add(1)
	x.place.end()
}

// finishExchange records an HTTP/1.1 answer when its last byte has been written.
func (c *conn) finishExchange() {
	if x := c.pending.Swap(nil); x != nil {
		x.record(max(c.lastWriteNs.Load(), x.beginNs))
	}
}

func (x *exchange) record(endNs int64) {
	own := max(time.Duration(endNs-x.beginNs)-x.backend, 0)
	x.target.slice.latency.Record(time.Unix(0, endNs), own)
}

// answer serves an admitted request.
func (g *Gateway) answer(w http.ResponseWriter, r *http.Request, x *exchange) {
	if g.serveWebTransport(w, r, x) {
		return
	}
	if r.Method == http.MethodConnect || r.Method == http.MethodTrace || r.URL.Path == "*" {
		refuse(w, r, http.StatusMethodNotAllowed, "this method is not served here")
		return
	}
	if !x.probe {
		x.target.slice.counters.Requests.Add(1)
	}
	if g.config.Issuer != nil && isChallenge(r.URL.Path) && g.config.Issuer.Challenge(w, r) {
		return
	}
	if g.config.Sessions != nil && (g.serveOwn(w, r) || g.serveSession(w, r, x)) {
		return
	}
	x.grpc = isGRPC(r)
	limitBody(w, r, x, g.config)
	switch b := x.target.route.Backend; {
	case x.address != "":
		x.target.slice.forward.forward(w, r, x)
	case b.Folder != "":
		serveFolder(w, r, b.Folder)
	default:
		w.Header().Set("Retry-After", "60")
		plainText(w, r, http.StatusServiceUnavailable, "nothing is deployed behind "+x.target.route.Host+" yet")
	}
}

// refuse answers with a plain text and, over HTTP/1.1, closes the connection: what it says next is not ours to parse.
func refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	if r.ProtoMajor < 2 {
		w.Header().Set("Connection", "close")
	}
	plainText(w, r, status, text)
}

func plainText(w http.ResponseWriter, r *http.Request, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(text + "\n")) // the client may be gone; nobody is left to tell
	}
}
