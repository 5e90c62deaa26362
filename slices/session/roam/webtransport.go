package roam

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// webStream is a connection over WebTransport: one stream, each frame after its length.
type webStream struct {
	web    *webtransport.Session
	dialer *webtransport.Transport
	stream *webtransport.Stream
	in     *bufio.Reader
	once   sync.Once
}

// quicConfig bounds what a client waits for a handshake; silence is the session's own business.
func quicConfig() *quic.Config {
	return &quic.Config{EnableDatagrams: true, EnableStreamResetPartialDelivery: true, HandshakeIdleTimeout: dialTimeout,
		MaxIdleTimeout: 30 * time.Second}
}

func (s *Session) tlsFor(address string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS13}
	if s.options.TLS != nil {
		c = s.options.TLS.Clone()
	}
	if host, _, err := net.SplitHostPort(address); err == nil && c.ServerName == "" {
		c.ServerName = host
	}
	c.NextProtos = []string{http3.NextProtoH3}
	return c
}

// dialQUIC makes QUIC connections; the name stays the host's, also where its address is the loopback's.
func dialQUIC(ctx context.Context, address string, t *tls.Config, c *quic.Config) (*quic.Conn, error) {
	return quic.DialAddrEarly(ctx, loopback(address), t, c)
}

func (s *Session) dialWebTransport(ctx context.Context, address string) (wire, error) {
	d := &webtransport.Transport{TLSClientConfig: s.tlsFor(address[len("https://"):]), QUICConfig: quicConfig(), DialAddr: dialQUIC}
	resp, web, err := d.Dial(ctx, address+s.path, nil)
	if err != nil {
		return nil, err
	}
	_ = resp.Body // belongs to the session
	stream, err := web.OpenStreamSync(ctx)
	if err != nil {
		_ = web.CloseWithError(0, "") // of no use without the stream
		return nil, err
	}
	return &webStream{web: web, dialer: d, stream: stream, in: bufio.NewReader(stream)}, nil
}

func (w *webStream) read(context.Context) ([]byte, error) { return session.ReadSized(w.in) }

func (w *webStream) write(_ context.Context, frame []byte) error {
	_, err := w.stream.Write(session.AppendSized(nil, frame))
	return err
}

// close ends the stream in order, so that what is under way arrives, and the session with it a moment later.
func (w *webStream) close() {
	w.once.Do(func() {
		_ = w.stream.Close()            // may have ended by itself
		_ = w.web.CloseWithError(0, "") // as above
		_ = w.dialer.Close()            // it waits for nothing any more
	})
}

// measureWebTransport gives the shortest of a few round trips over HTTP/3, 0 when the edge does not answer.
func (s *Session) measureWebTransport(ctx context.Context, address string) time.Duration {
	t := &http3.Transport{TLSClientConfig: s.tlsFor(address[len("https://"):]), QUICConfig: quicConfig(), Dial: dialQUIC, EnableDatagrams: true}
	defer func() { _ = t.Close() }() // nothing is under way
	return roundTrips(ctx, &http.Client{Transport: t}, address+session.RTTPath)
}
