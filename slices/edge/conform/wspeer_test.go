package conform_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The opcodes of RFC 6455 section 5.2.
const (
	wsMore   = 0
	wsText   = 1
	wsBinary = 2
	wsClose  = 8
	wsPing   = 9
	wsPong   = 10
)

// wsFrame is a frame as it is sent or received.
type wsFrame struct {
	fin     bool
	rsv     byte // RSV1 to RSV3 as bits 4, 2, 1
	op      byte
	payload string

	bare bool // sent without a mask
	wide int  // bytes of the length's extension, 2 or 8; 0: as few as needed
}

// String tells a frame in few words.
func (f wsFrame) String() string {
	return fmt.Sprintf("op %d fin %v %.40q (%d bytes)", f.op, f.fin, f.payload, len(f.payload))
}

func text(s string) wsFrame    { return wsFrame{fin: true, op: wsText, payload: s} }
func bytesOf(s string) wsFrame { return wsFrame{fin: true, op: wsBinary, payload: s} }
func ping(s string) wsFrame    { return wsFrame{fin: true, op: wsPing, payload: s} }
func pong(s string) wsFrame    { return wsFrame{fin: true, op: wsPong, payload: s} }

// part is a fragment: op for the first, wsMore for the rest.
func part(op byte, fin bool, s string) wsFrame { return wsFrame{fin: fin, op: op, payload: s} }

// closing is a close frame with a code and a reason.
func closing(code uint16, reason string) wsFrame {
	return wsFrame{fin: true, op: wsClose, payload: string(binary.BigEndian.AppendUint16(nil, code)) + reason}
}

// encode gives the bytes of a client's frame.
func (f wsFrame) encode() []byte {
	b := []byte{f.op | f.rsv<<4, 0x80}
	if f.fin {
		b[0] |= 0x80
	}
	if f.bare {
		b[1] = 0
	}
	switch n := len(f.payload); {
	case f.wide == 8 || n > 0xffff:
		b[1] |= 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	case f.wide == 2 || n > 125:
		b[1] |= 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] |= byte(n)
	}
	if f.bare {
		return append(b, f.payload...)
	}
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, mask[:]...)
	for i := range len(f.payload) {
		b = append(b, f.payload[i]^mask[i&3])
	}
	return b
}

// wsPeer is a client of WebSocket that sends what it is told.
type wsPeer struct {
	net.Conn
	br *bufio.Reader
}

// wsTarget is where a suite is run: an address, TLS or not, and what the opening handshake says.
type wsTarget struct {
	addr, host, path string
	tls              *tls.Config
	protocol         string
}

// dial opens a WebSocket and checks the handshake's answer (section 4.2.2).
func (g wsTarget) dial(t *testing.T) *wsPeer {
	t.Helper()
	p, resp := g.open(t, "GET", map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": g.protocol})
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" ||
		resp.Header.Get("Sec-WebSocket-Protocol") != g.protocol {
		t.Fatalf("handshake: %s, %v", resp.Status, resp.Header)
	}
	return p
}

// open sends an opening handshake as it is given and reads the answer.
func (g wsTarget) open(t *testing.T, method string, fields map[string]string) (*wsPeer, *http.Response) {
	t.Helper()
	nc, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(30 * time.Second)) // a closed socket says so later
	if g.tls != nil {
		nc = tls.Client(nc, g.tls)
	}
	p := &wsPeer{nc, bufio.NewReader(nc)}
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, g.path, g.host) // a builder takes everything
	for name, value := range fields {
		if value != "" {
			_, _ = fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	if _, err := io.WriteString(p, b.String()+"\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(p.br, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	return p, resp
}

// send sends frames in one write each.
func (p *wsPeer) send(frames ...wsFrame) error {
	for _, f := range frames {
		if _, err := p.Write(f.encode()); err != nil {
			return err
		}
	}
	return nil
}

// next reads a frame of the server's, which may not be masked (section 5.1) and, without an extension, has no reserved bits.
func (p *wsPeer) next() (wsFrame, error) {
	f, err := readFrame(p.br)
	if err == nil && (f.rsv != 0 || !f.bare) {
		err = fmt.Errorf("a server's frame is %v with reserved bits %03b, masked %v", f, f.rsv, !f.bare)
	}
	return f, err
}

// readFrame reads a frame of either side.
func readFrame(br *bufio.Reader) (wsFrame, error) {
	var head [2]byte
	if _, err := io.ReadFull(br, head[:]); err != nil {
		return wsFrame{}, err
	}
	f := wsFrame{fin: head[0]&0x80 != 0, rsv: head[0] >> 4 & 7, op: head[0] & 15, bare: head[1]&0x80 == 0}
	n := uint64(head[1] & 0x7f)
	if n > 125 {
		ext := make([]byte, 2+6*(n-126))
		if _, err := io.ReadFull(br, ext); err != nil {
			return f, err
		}
		n = binary.BigEndian.Uint64(append(make([]byte, 8-len(ext)), ext...))
	}
	if n > 64<<20 {
		return f, fmt.Errorf("a frame of %d bytes", n)
	}
	var mask [4]byte
	if !f.bare {
		if _, err := io.ReadFull(br, mask[:]); err != nil {
			return f, err
		}
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(br, payload)
	if !f.bare {
		for i := range payload {
			payload[i] ^= mask[i&3]
		}
	}
	f.payload = string(payload)
	return f, err
}

// message puts the fragments of a message together; control frames come alone.
func (p *wsPeer) message() (wsFrame, error) {
	whole, err := p.next()
	for err == nil && !whole.fin {
		var f wsFrame
		if f, err = p.next(); err == nil {
			whole.payload, whole.fin = whole.payload+f.payload, f.fin
		}
	}
	return whole, err
}
