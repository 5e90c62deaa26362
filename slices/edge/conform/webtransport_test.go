package conform_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/webtransport-go"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// dialWebTransport opens a WebTransport of a session and its stream.
func (g world) dialWebTransport(t *testing.T) (*webtransport.Session, *webtransport.Stream) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	d := &webtransport.Transport{TLSClientConfig: g.clientTLS(sessionHost),
		QUICConfig: &quic.Config{EnableDatagrams: true, EnableStreamResetPartialDelivery: true},
		DialAddr: func(ctx context.Context, _ string, c *tls.Config, q *quic.Config) (*quic.Conn, error) {
			return quic.DialAddrEarly(ctx, g.QUICAddr(), c, q)
		}}
	t.Cleanup(func() { _ = d.Close() })
	_, web, err := d.Dial(ctx, "https://"+sessionHost+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := web.OpenStreamSync(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return web, stream
}

// TestWebTransportMisuse: a session has one stream with frames of at most session.MaxFrameBytes. What goes beyond ends it; datagrams, which
// it has no use for, are thrown away and cost nothing.
func TestWebTransportMisuse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		misuse func(*testing.T, *webtransport.Session, *webtransport.Stream)
		lives  bool
	}{
		"a frame that says it is above the limit": {misuse: func(t *testing.T, _ *webtransport.Session, s *webtransport.Stream) {
			if _, err := s.Write([]byte{0xff, 0xff, 0xff, 0x7f}); err != nil {
				t.Fatal(err)
			}
		}},
		"a frame of nothing": {misuse: func(t *testing.T, _ *webtransport.Session, s *webtransport.Stream) {
			if _, err := s.Write([]byte{0}); err != nil {
				t.Fatal(err)
			}
		}},
		"a second stream": {misuse: func(t *testing.T, web *webtransport.Session, _ *webtransport.Stream) {
			s, err := web.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			_, _ = s.Write(make([]byte, 1<<10)) // the session may end meanwhile
		}},
		"a stream of one direction": {misuse: func(t *testing.T, web *webtransport.Session, _ *webtransport.Stream) {
			s, err := web.OpenUniStream()
			if err != nil {
				t.Fatal(err)
			}
			_, _ = s.Write(make([]byte, 1<<10)) // the session may end meanwhile
		}},
		"datagrams": {lives: true, misuse: func(t *testing.T, web *webtransport.Session, _ *webtransport.Stream) {
			if err := web.SendDatagram(make([]byte, 60_000)); err == nil {
				t.Error("a datagram of 60000 bytes was taken")
			}
			for range 2000 {
				if err := web.SendDatagram(make([]byte, 1000)); err != nil {
					t.Fatal(err)
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := sessionWorld(t, strictEcho(), func(c *edge.Config) { c.QUIC = true })
			web, stream := g.dialWebTransport(t)
			in := bufio.NewReader(stream)
			exchange(t, stream, in, session.Frame{Type: session.FrameHello}, session.FrameWelcome)
			c.misuse(t, web, stream)
			if c.lives {
				exchange(t, stream, in, session.Frame{Type: session.FramePing, Seq: 7}, session.FramePong)
				return
			}
			select {
			case <-web.Context().Done():
			case <-time.After(time.Minute):
				t.Error("the session goes on")
			}
			g.eventually(t, "nothing is left of it", func(s edge.SliceStats) bool { return s.Gateway.Streams == 0 })
		})
	}
}

// exchange sends a frame and reads until one of the wanted type has come.
func exchange(t *testing.T, stream *webtransport.Stream, in *bufio.Reader, send session.Frame, want session.FrameType) {
	t.Helper()
	if _, err := stream.Write(session.AppendSized(nil, send.Encode())); err != nil {
		t.Fatal(err)
	}
	_ = stream.SetReadDeadline(time.Now().Add(time.Minute)) // a closed stream says so at the read
	for {
		b, err := session.ReadSized(in)
		if err != nil {
			t.Fatal(err)
		}
		if f, err := session.ParseFrame(b); err == nil && f.Type == want {
			return
		}
	}
}
