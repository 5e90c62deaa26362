package edge

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/webtransport-go"

	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// isWebTransport reports whether a request asks for a WebTransport session (extended CONNECT over HTTP/3; drafts differ in the token).
func isWebTransport(r *http.Request) bool {
	return r.ProtoMajor == 3 && r.Method == http.MethodConnect && strings.HasPrefix(r.Proto, "webtransport")
}

// serveWebTransport carries one connection of a session over WebTransport until it ends: one bidirectional stream of the client's,
// each frame after its length. It reports whether the request was one.
func (g *Gateway) serveWebTransport(w http.ResponseWriter, r *http.Request, x *exchange) bool {
	if !isWebTransport(r) || g.config.Sessions == nil || g.quic == nil {
		return false
	}
	qw, ok := w.(*quicWriter)
	if !ok {
		return false
	}
	port := newFramePort()
	line, err := g.config.Sessions.Attach(g.visit(r, x.target.route.Host), port)
	if err != nil {
		w.Header().Set("Retry-After", "1")
		plainText(w, r, http.StatusServiceUnavailable, "the home of this host's sessions does not answer")
		return true
	}
	defer line.Lost()
	if !sameHost(r) {
		plainText(w, r, http.StatusForbidden, "pages of other hosts open no session here")
		return true
	}
	web, err := g.quic.web.Upgrade(qw.ResponseWriter, r)
	if err != nil {
		plainText(w, r, http.StatusBadRequest, "this is no WebTransport that the gateway speaks")
		return true
	}
	x.becomeStream()
	var guards sync.WaitGroup
	defer guards.Wait()
	ctx, cancel := context.WithCancel(web.Context())
	defer cancel()
	defer func() { _ = web.CloseWithError(0, "") }() // what had to be said is in the frames
	stream, err := web.AcceptStream(ctx)
	if err != nil {
		return true
	}
	// One stream carries a session. What comes on others would lie in the connection's windows for as long as it lasts.
	more := func(err error) {
		if err == nil {
			_ = web.CloseWithError(oneStreamOnly, "one stream carries a session") // it may have ended
		}
	}
	guards.Go(func() { _, err := web.AcceptStream(ctx); more(err) })
	guards.Go(func() { _, err := web.AcceptUniStream(ctx); more(err) })
	x.conn.carryFrames(ctx, stream, line, port)
	return true
}

// oneStreamOnly is the error of a WebTransport whose client opens a second stream.
const oneStreamOnly = 1

// lastFrameFor is how long a client has to end its side after the last frame.
const lastFrameFor = time.Second

// carryFrames moves frames both ways until either side ends.
func (c *conn) carryFrames(ctx context.Context, stream *webtransport.Stream, line session.Line, port *framePort) {
	var writer sync.WaitGroup
	defer writer.Wait()
	defer port.close()
	defer stream.CancelRead(0)
	writer.Go(func() {
		port.run(func(frame []byte) error {
			_, err := c.writeScheduled(ctx, session.AppendSized(nil, frame), func(p []byte) (int, error) {
				_ = stream.SetWriteDeadline(time.Now().Add(c.gateway.config.StallTimeout)) // a closed stream says so at the write
				return stream.Write(p)
			})
			return err
		})
		// The last frame has been said. The client ends its side when it has read it; ending the session before would overtake it.
		_ = stream.Close()
		_ = stream.SetReadDeadline(time.Now().Add(lastFrameFor))
	})
	in := bufio.NewReader(&quicBody{ReadCloser: streamBody{stream}, ctx: ctx, conn: c})
	for {
		frame, err := session.ReadSized(in)
		if err != nil {
			return
		}
		line.Frame(frame)
	}
}

// streamBody gives a stream the form of a body.
type streamBody struct{ *webtransport.Stream }

// Close implements io.Closer.
func (s streamBody) Close() error { return nil }
