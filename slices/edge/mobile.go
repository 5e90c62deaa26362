package edge

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/BobbyBlanco400/nexus-cos/slices/session"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/browser"
)

// A session that moves enters the gateway as a WebSocket that asks for session.Subprotocol. The gateway holds nothing of it: it
// carries frames between the client and the session's home (docs/session.md). The connection's bytes are scheduled and counted in
// its slice like those of any other.

// isSession reports whether a request asks for a session that moves.
func isSession(r *http.Request) bool {
	if r.Method != http.MethodGet || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return false
	}
	for _, field := range r.Header.Values("Sec-WebSocket-Protocol") {
		for word := range strings.SplitSeq(field, ",") {
			if strings.TrimSpace(word) == session.Subprotocol {
				return true
			}
		}
	}
	return false
}

// asksForSession is isSession for a request that serve1 has read.
func (k *client1) asksForSession() bool {
	r := &k.req
	if k.g.config.Sessions == nil || string(r.Method) != http.MethodGet || !bytes.EqualFold(r.Field("upgrade").Value, []byte("websocket")) {
		return false
	}
	for i := range r.Fields {
		if !r.Fields[i].Is("sec-websocket-protocol") {
			continue
		}
		for word := range bytes.SplitSeq(r.Fields[i].Value, []byte{','}) {
			if string(bytes.TrimSpace(word)) == session.Subprotocol {
				return true
			}
		}
	}
	return false
}

// visit is what the home is told about a connection.
func (g *Gateway) visit(r *http.Request, host string) session.Visit {
	v := session.Visit{Host: host, Path: r.URL.RequestURI(), Remote: r.RemoteAddr, Secure: r.TLS != nil, Edge: g.config.Name,
		Header: map[string]string{}}
	for _, name := range session.PassedHeaders() {
		if value := r.Header.Get(name); value != "" {
			v.Header[name] = value
		}
	}
	return v
}

// own reports whether serveOwn answers a path.
func own(path []byte) bool {
	switch string(path) {
	case session.RTTPath, browser.ScriptPath, browser.TypesPath:
		return true
	}
	return false
}

// serveOwn answers the paths that belong to the gateway on every host. It reports whether it did.
func (g *Gateway) serveOwn(w http.ResponseWriter, r *http.Request) bool {
	if f, ok := browser.Lookup(r.URL.Path); ok {
		serveScript(w, r, f)
		return true
	}
	if !own([]byte(r.URL.Path)) {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*") // a page measures every edge; the answer says nothing
	h.Set("Timing-Allow-Origin", "*")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// serveScript gives the browser's client or its types, to pages of any host: it is the same everywhere and says nothing.
func serveScript(w http.ResponseWriter, r *http.Request, f browser.File) {
	h := w.Header()
	h.Set("Content-Type", f.Type)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Cache-Control", "no-cache") // asked again each time, answered by 304 unless the gateway speaks a newer one
	h.Set("ETag", f.ETag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.Body))
}

// serveSession carries one connection of a session until it ends. It reports whether the request was one.
func (g *Gateway) serveSession(w http.ResponseWriter, r *http.Request, x *exchange) bool {
	if !isSession(r) {
		return false
	}
	g.carrySession(w, r, x)
	return true
}

func (g *Gateway) carrySession(w http.ResponseWriter, r *http.Request, x *exchange) {
	host := x.target.route.Host
	port := newFramePort()
	line, err := g.config.Sessions.Attach(g.visit(r, host), port)
	if err != nil {
		w.Header().Set("Retry-After", "1")
		plainText(w, r, http.StatusServiceUnavailable, "the home of this host's sessions does not answer")
		return
	}
	defer line.Lost()
	// A page may come from another port of its own host (another edge); pages of other hosts are no business of this unit's.
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{session.Subprotocol},
		OriginPatterns: []string{host, host + ":*"}, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // answered by Accept
	}
	defer func() { _ = ws.CloseNow() }() // closed in order before, or gone
	x.becomeStream()
	ws.SetReadLimit(session.MaxFrameBytes)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	var writer sync.WaitGroup
	var over atomic.Bool // the client, or what it did, has ended the WebSocket
	defer writer.Wait()
	defer port.close()
	writer.Go(func() {
		defer cancel()
		port.run(func(frame []byte) error { return ws.Write(ctx, websocket.MessageBinary, frame) })
		if !over.Load() {
			// What is left to say is in the last frame; this only says it in WebSocket's own words too.
			_ = ws.Close(websocket.StatusNormalClosure, "")
		}
	})
	for {
		kind, b, err := ws.Read(ctx)
		if err != nil {
			over.Store(true)
			x.conn.linger() // the library has said why; RFC 6455 section 7.1.1: the server ends the connection
			return
		}
		if kind != websocket.MessageBinary {
			over.Store(true)
			_ = ws.Close(websocket.StatusUnsupportedData, "frames of a session are binary") // the client may be gone
			return
		}
		line.Frame(b)
	}
}

// linger ends our side of an upgraded connection and takes what the client has sent meanwhile: closing at once would reset the
// connection, and the client might never see the last words.
func (c *conn) linger() {
	if c.CloseWrite() != nil {
		return // it is gone
	}
	_ = c.SetReadDeadline(time.Now().Add(lingerFor))
	_, _ = io.CopyN(io.Discard, c, lingerBytes) // whatever ends it, the connection ends
}

// framePortBytesMax bounds what waits for one client: twice the default window, which the home never has under way at once.
const framePortBytesMax = 4 << 20

// framePort implements session.Port: frames of the home on their way to the client.
type framePort struct {
	wake chan struct{}

	mu    sync.Mutex
	queue [][]byte
	bytes int
	ended bool // nothing comes after what is queued
}

func newFramePort() *framePort { return &framePort{wake: make(chan struct{}, 1)} }

// Deliver implements session.Port.
func (p *framePort) Deliver(frame []byte, last bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return false
	}
	if p.bytes += len(frame); p.bytes > framePortBytesMax {
		p.queue, last = nil, true // the client takes nothing: it may come back and resume
	} else {
		p.queue = append(p.queue, frame)
	}
	p.ended = last
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return p.bytes <= framePortBytesMax
}

// close ends run after what is queued was tried.
func (p *framePort) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run writes frames until the last one or an error.
func (p *framePort) run(write func([]byte) error) {
	for {
		p.mu.Lock()
		batch, ended := p.queue, p.ended
		p.queue, p.bytes = nil, 0
		p.mu.Unlock()
		for _, frame := range batch {
			if write(frame) != nil {
				p.mu.Lock()
				p.ended, p.queue = true, nil
				p.mu.Unlock()
				return
			}
		}
		if len(batch) > 0 {
			continue
		}
		if ended {
			return
		}
		<-p.wake
	}
}
