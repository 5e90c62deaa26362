package edge

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"sync"
	"time"
)

// copyBufferBytes is the size of the pooled buffers that bodies are copied through.
const copyBufferBytes = 32 << 10

// bufferPool implements httputil.BufferPool.
type bufferPool struct{ pool sync.Pool }

func newBufferPool() *bufferPool {
	return &bufferPool{sync.Pool{New: func() any { return new([copyBufferBytes]byte) }}}
}

// Get implements httputil.BufferPool.
func (p *bufferPool) Get() []byte { return p.pool.Get().(*[copyBufferBytes]byte)[:] }

// Put implements httputil.BufferPool.
func (p *bufferPool) Put(b []byte) { p.pool.Put((*[copyBufferBytes]byte)(b)) }

type exchangeKey struct{}

func exchangeFrom(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// reverseProxy is the first form of forwarder.
type reverseProxy struct{ proxy *httputil.ReverseProxy }

func newReverseProxy(g *Gateway, transport, grpc http.RoundTripper) *reverseProxy {
	return &reverseProxy{&httputil.ReverseProxy{
		Rewrite:        rewrite,
		Transport:      timedTransport{transport, grpc},
		BufferPool:     g.buffers,
		ModifyResponse: modifyResponse,
		ErrorHandler:   g.backendError,
		ErrorLog:       g.server.ErrorLog,
	}}
}

func (p *reverseProxy) forward(w http.ResponseWriter, r *http.Request, x *exchange) {
	if !x.target.slice.backends.admit(x.address) {
		x.target.out.answer(w, r)
		return
	}
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
	if err := settleBody(r, x); err != nil {
		p.proxy.ErrorHandler(w, r, err)
		return
	}
	w.Header().Del(RouteHeader) // the answer brings it (modifyResponse), and ReverseProxy clears fields after informational ones
	p.proxy.ServeHTTP(&routed{w, x.target.index, w.Header().Get(altSvcHeader)}, r)
}

// routed gives informational answers of a backend the gateway's own fields.
type routed struct {
	http.ResponseWriter
	index string
	alt   string // what Alt-Svc says of this gateway; empty: nothing
}

// Unwrap serves http.ResponseController.
func (w *routed) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *routed) WriteHeader(status int) {
	if status < http.StatusOK {
		ownFields(w.Header(), w.index)
		w.Header().Del(altSvcHeader)
	} else if w.alt != "" {
		w.Header().Set(altSvcHeader, w.alt)
	}
	w.ResponseWriter.WriteHeader(status)
}

// ownFields keeps the gateway's own fields the gateway's.
func ownFields(h http.Header, index string) {
	h.Del("Server")
	for name := range h {
		if strings.HasPrefix(strings.ToLower(name), "nexus-") {
			delete(h, name)
		}
	}
	h.Set(RouteHeader, index)
}

// rewrite makes the backend's request. ReverseProxy has taken out hop-by-hop fields already; what a client claims about
// its own forwarding goes too, and the gateway says what it saw itself.
func rewrite(p *httputil.ProxyRequest) {
	x := exchangeFrom(p.In.Context())
	p.Out.URL.Scheme = "http"
	p.Out.URL.Host = x.address
	p.Out.Host = p.In.Host
	for name := range p.Out.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-forwarded") || strings.HasPrefix(lower, "nexus-") ||
			lower == "forwarded" || lower == "x-real-ip" {
			delete(p.Out.Header, name)
		}
	}
	p.SetXForwarded()
}

// modifyResponse keeps the gateway's own fields the gateway's and finds out what is a stream.
func modifyResponse(resp *http.Response) error {
	x := exchangeFrom(resp.Request.Context())
	resp.Header.Del(altSvcHeader)
	ownFields(resp.Header, x.target.index)
	x.answered()
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil && kind == "text/event-stream" {
		x.becomeStream()
	}
	return nil
}

// backendError answers for a backend that did not. What went wrong inside is logged, not shown.
func (g *Gateway) backendError(w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeFrom(r.Context())
	w.Header().Set(RouteHeader, x.target.index)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		refuse(w, r, http.StatusRequestEntityTooLarge, "the request's body is larger than this gateway takes")
		return
	case x.bodyLate.Load():
		x.target.slice.counters.Cut.Add(1)
		refuse(w, r, http.StatusRequestTimeout, "the request's body did not come in time")
		return
	case errors.Is(err, context.Canceled), r.Context().Err() != nil:
		return // the client has gone
	case x.bodyBad.Load(): // no fault of the backend's: five of those would take it out
		refuse(w, r, http.StatusBadRequest, "the request's body did not end as it should")
		return
	}
	x.target.slice.counters.Failed.Add(1)
	x.failed()
	g.log.Debug("backend failed", "host", x.target.route.Host, "backend", x.address, "error", err)
	if errors.Is(err, os.ErrDeadlineExceeded) || isTimeout(err) {
		plainText(w, r, http.StatusGatewayTimeout, "the service behind this host did not answer in time")
		return
	}
	plainText(w, r, http.StatusBadGateway, "the service behind this host does not answer")
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// timedTransport adds up the time that a request waits for its backend.
type timedTransport struct{ inner, grpc http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t timedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	x := exchangeFrom(r.Context())
	begin := time.Now()
	inner := t.inner
	if x.grpc {
		inner = t.grpc
	}
	resp, err := inner.RoundTrip(r)
	x.backend += time.Since(begin)
	if err == nil {
		resp.Body = &timedBody{resp.Body, x}
	}
	return resp, err
}

type timedBody struct {
	io.ReadCloser
	exchange *exchange
}

// Read implements io.Reader.
func (b *timedBody) Read(p []byte) (int, error) {
	begin := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.exchange.backend += time.Since(begin)
	return n, err
}

// limitBody bounds a request's body in size, and in the time that its sender may pause.
func limitBody(w http.ResponseWriter, r *http.Request, x *exchange, config Config) {
	if r.Body == nil || r.Body == http.NoBody || x.grpc {
		return // a call's body lasts as long as the call; its bytes are scheduled like all
	}
	r.Body = &steadyBody{
		ReadCloser: http.MaxBytesReader(w, r.Body, config.BodyBytesMax),
		control:    http.NewResponseController(w), stall: config.StallTimeout, exchange: x,
	}
}

// steadyBody fails a body of which nothing came for the stall timeout. The deadline must be gone when the body is done:
// net/http goes on reading the connection behind the handler's back, and a deadline there would look like a client that
// has left.
type steadyBody struct {
	io.ReadCloser
	control  *http.ResponseController
	stall    time.Duration
	exchange *exchange

	mu     sync.Mutex
	closed bool
}

// Read implements io.Reader.
func (b *steadyBody) Read(p []byte) (int, error) {
	if !b.setDeadline(time.Now().Add(b.stall)) {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		b.setDeadline(time.Time{})
	case err != nil:
		b.exchange.bodyBroke(err)
	}
	return n, err
}

// setDeadline moves the deadline unless the body was closed: the transport may still read when the handler has ended,
// and the connection's deadline is then the next request's.
func (b *steadyBody) setDeadline(at time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	// A connection that takes no deadline is closed already; the read says so.
	_ = b.control.SetReadDeadline(at)
	return true
}

// Close implements io.Closer. net/http reads what is left of a small body, so the deadline holds there too.
func (b *steadyBody) Close() error {
	if !b.exchange.bodyLate.Load() {
		b.setDeadline(time.Now().Add(b.stall))
	}
	err := b.ReadCloser.Close()
	if err != nil {
		b.exchange.bodyBroke(err)
	} else {
		b.setDeadline(time.Time{})
	}
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	return err
}

// bodyBroke notes a body that did not end as it should. What follows it on an HTTP/1.1 connection cannot be told from
// the body's rest, so the connection must not carry another request.
func (x *exchange) bodyBroke(err error) {
	if isTimeout(err) {
		x.bodyLate.Store(true)
	} else {
		x.bodyBad.Store(true)
	}
	if !x.conn.http2.Load() {
		x.conn.broken.Store(true)
	}
}
