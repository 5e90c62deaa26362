package conform_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Peer is a client of HTTP/2 in clear text that sends what it is told, well formed or not.
type h2Peer struct {
	net.Conn
	framer *http2.Framer
	block  bytes.Buffer
	enc    *hpack.Encoder
	next   uint32 // stream
}

// dialH2 connects and exchanges the preface and settings.
func dialH2(t *testing.T, addr string, settings ...http2.Setting) *h2Peer {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	p := &h2Peer{Conn: nc, framer: http2.NewFramer(nc, nc), next: 1}
	p.framer.AllowIllegalWrites = true
	p.enc = hpack.NewEncoder(&p.block)
	if _, err := io.WriteString(nc, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := p.framer.WriteSettings(settings...); err != nil {
		t.Fatal(err)
	}
	return p
}

// fields encodes name and value pairs.
func (p *h2Peer) fields(pairs ...string) []byte {
	p.block.Reset()
	for i := 0; i+1 < len(pairs); i += 2 {
		_ = p.enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}) // a buffer takes everything
	}
	return append([]byte(nil), p.block.Bytes()...)
}

// request opens the next stream with a request.
func (p *h2Peer) request(host, method string, end bool, more ...string) (stream uint32, err error) {
	stream = p.next
	p.next += 2
	block := p.fields(append([]string{":method", method, ":scheme", "http", ":authority", host, ":path", "/"}, more...)...)
	return stream, p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true, EndStream: end})
}

// outcome is how the gateway answered: what the stream got, or how the connection ended.
type outcome struct {
	status string        // ":status" of the stream; "" without one
	reset  http2.ErrCode // of the stream, with resetSeen
	goAway http2.ErrCode // of the connection, with goAwaySeen
	data   int

	resetSeen, goAwaySeen, ended, closed bool
}

// await reads until the stream has ended or the connection has, at most for limit.
func (p *h2Peer) await(stream uint32, limit time.Duration) (o outcome, err error) {
	_ = p.SetReadDeadline(time.Now().Add(limit)) // a closed socket says so at the read
	dec := hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		if f.Name == ":status" {
			o.status = f.Value
		}
	})
	for {
		f, err := p.framer.ReadFrame()
		if err != nil {
			var late net.Error
			if errors.As(err, &late) && late.Timeout() {
				return o, err
			}
			o.closed = true
			return o, nil
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = p.framer.WriteSettingsAck() // the gateway may have gone; the next read says so
			}
		case *http2.GoAwayFrame:
			o.goAway, o.goAwaySeen = f.ErrCode, true
		case *http2.RSTStreamFrame:
			if f.StreamID == stream {
				o.reset, o.resetSeen = f.ErrCode, true
				return o, nil
			}
		case *http2.HeadersFrame:
			_, _ = dec.Write(f.HeaderBlockFragment()) // of every stream: they share the table
			if f.StreamID == stream && f.StreamEnded() {
				o.ended = true
				return o, nil
			}
		case *http2.DataFrame:
			if f.StreamID != stream {
				continue
			}
			if o.data += len(f.Data()); f.StreamEnded() {
				o.ended = true
				return o, nil
			}
		}
	}
}

// drain reads and throws away until the connection ends, then tells how it ended.
func (p *h2Peer) drain(done chan<- outcome) {
	var o outcome
	for {
		f, err := p.framer.ReadFrame()
		if err != nil {
			var late net.Error
			o.closed = !errors.As(err, &late) || !late.Timeout()
			done <- o
			return
		}
		if g, ok := f.(*http2.GoAwayFrame); ok {
			o.goAway, o.goAwaySeen = g.ErrCode, true
		}
	}
}

// literal encodes fields without compression and without Huffman coding, so that illegal bytes stay what they are.
func literal(pairs ...string) []byte {
	var b []byte
	for i := 0; i+1 < len(pairs); i += 2 {
		b = append(b, 0) // literal without indexing, new name (RFC 7541 section 6.2.2)
		for _, s := range pairs[i : i+2] {
			b = append(appendPrefixed(b, 7, len(s)), s...)
		}
	}
	return b
}

// appendPrefixed encodes an integer (RFC 7541 section 5.1) with the bits above the prefix zero.
func appendPrefixed(b []byte, bits, n int) []byte {
	most := 1<<bits - 1
	if n < most {
		return append(b, byte(n))
	}
	b = append(b, byte(most))
	for n -= most; n >= 128; n >>= 7 {
		b = append(b, byte(n)|128)
	}
	return append(b, byte(n))
}

// common is the beginning of a plain request, encoded literally.
func common(host string, more ...string) []byte {
	return literal(append([]string{":method", "GET", ":scheme", "http", ":authority", host, ":path", "/"}, more...)...)
}

func TestLiteralIsWhatHPACKReads(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5000)
	var got []string
	dec := hpack.NewDecoder(4096, func(f hpack.HeaderField) { got = append(got, f.Name, f.Value) })
	want := []string{"a", "b", "long", long, "", "\r\n"}
	if _, err := dec.Write(literal(want...)); err != nil || strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%v, %.80q", err, got)
	}
}
