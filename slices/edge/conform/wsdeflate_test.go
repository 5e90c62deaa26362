package conform_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/lxzan/gws"
)

// These tests are what Autobahn's groups 12 and 13 do: messages compressed by permessage-deflate (RFC 7692), of many kinds and sizes, whole and in
// fragments, under each offer of windows and contexts. Client and server are of our own, because no library takes every offer; libraries in pairs follow.

// deflateSide says what one side's compressor may do.
type deflateSide struct {
	takeover bool // messages may refer to those before
	bits     int  // of the window
}

// deflateTerms are what an opening handshake agreed on.
type deflateTerms struct{ client, server deflateSide }

// answer reads one offer as RFC 7692 section 7.1 has it and gives the terms with the response; ok is false for one that a server must decline.
func answer(offer string) (terms deflateTerms, response string, ok bool) {
	terms = deflateTerms{client: deflateSide{true, 15}, server: deflateSide{true, 15}}
	said := map[string]bool{}
	for i, p := range strings.Split(offer, ";") {
		name, value, valued := strings.Cut(strings.TrimSpace(p), "=")
		bits, err := strconv.Atoi(strings.Trim(value, `"`))
		good := err == nil && bits >= 8 && bits <= 15
		switch {
		case said[name] || (i == 0) != (name == "permessage-deflate"):
			return terms, "", false
		case i == 0:
		case name == "client_no_context_takeover" && !valued:
			terms.client.takeover = false
		case name == "server_no_context_takeover" && !valued:
			terms.server.takeover = false
		case name == "server_max_window_bits" && good:
			terms.server.bits = bits
		case name == "client_max_window_bits" && (good || !valued):
			if valued {
				terms.client.bits = bits
			}
		default:
			return terms, "", false
		}
		said[name] = true
	}
	return terms, terms.String(), true
}

// String is the extension's response.
func (d deflateTerms) String() string {
	s := "permessage-deflate"
	if !d.client.takeover {
		s += "; client_no_context_takeover"
	}
	if !d.server.takeover {
		s += "; server_no_context_takeover"
	}
	if d.client.bits < 15 {
		s += "; client_max_window_bits=" + strconv.Itoa(d.client.bits)
	}
	if d.server.bits < 15 {
		s += "; server_max_window_bits=" + strconv.Itoa(d.server.bits)
	}
	return s
}

// packer compresses one side's messages (section 7.2.1).
type packer struct {
	side deflateSide
	out  bytes.Buffer
	w    *flate.Writer
}

// pack compresses a message. The library's window is 32 KiB: for a smaller one it begins anew after as many bytes as that has.
func (p *packer) pack(message []byte) ([]byte, error) {
	p.out.Reset()
	if p.w == nil {
		w, err := flate.NewWriter(&p.out, flate.BestSpeed)
		if err != nil {
			return nil, err
		}
		p.w = w
	} else if !p.side.takeover || p.side.bits < 15 {
		p.w.Reset(&p.out)
	}
	for first := true; first || len(message) > 0; first = false {
		n := len(message)
		if p.side.bits < 15 {
			n = min(n, 1<<p.side.bits)
			if !first {
				p.w.Reset(&p.out)
			}
		}
		_, err := p.w.Write(message[:n])
		if err = errors.Join(err, p.w.Flush()); err != nil {
			return nil, err
		}
		message = message[n:]
	}
	return append([]byte(nil), bytes.TrimSuffix(p.out.Bytes(), []byte("\x00\x00\xff\xff"))...), nil
}

// unpacker is the other end of a packer.
type unpacker struct {
	side deflateSide
	seen []byte // what messages may refer to
}

// unpack gives a message (section 7.2.2).
func (u *unpacker) unpack(b []byte) ([]byte, error) {
	// The tail that was taken off, and an empty last block, so that the reader ends.
	r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(b), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")), u.seen)
	message, err := io.ReadAll(r)
	if u.side.takeover && err == nil {
		u.seen = append(u.seen, message...)
		u.seen = append([]byte(nil), u.seen[max(0, len(u.seen)-1<<u.side.bits):]...)
	}
	return message, err
}

// deflatePeer is one end of a connection with the extension.
type deflatePeer struct {
	rw     io.ReadWriter
	br     *bufio.Reader
	server bool
	pack   packer
	unpack unpacker
}

func newDeflatePeer(rw io.ReadWriter, br *bufio.Reader, server bool, d deflateTerms) *deflatePeer {
	own, other := d.client, d.server
	if server {
		own, other = other, own
	}
	return &deflatePeer{rw: rw, br: br, server: server, pack: packer{side: own}, unpack: unpacker{side: other}}
}

// send compresses a message and sends it in frames of so many bytes; 0: in one.
func (p *deflatePeer) send(op byte, message []byte, fragment int) error {
	b, err := p.pack.pack(message)
	if err != nil {
		return err
	}
	for i, f := range (limitCase{op: op, fragment: fragment}).frames(b) {
		f.bare = p.server
		if i == 0 {
			f.rsv = 4 // RSV1 says it of the whole message
		}
		if _, err := p.rw.Write(f.encode()); err != nil {
			return err
		}
	}
	return nil
}

// receive gives a message, and how many frames and bytes it came in.
func (p *deflatePeer) receive() (op byte, message []byte, frames, size int, err error) {
	var b []byte
	for {
		f, err := readFrame(p.br)
		if err != nil {
			return 0, nil, 0, 0, err
		}
		if frames++; frames == 1 {
			op = f.op
		}
		if compressed := f.rsv == 4; compressed != (frames == 1) || f.rsv&3 != 0 || (frames > 1) != (f.op == wsMore) {
			return 0, nil, 0, 0, fmt.Errorf("frame %d is %v with reserved bits %03b", frames, f, f.rsv)
		}
		if b = append(b, f.payload...); f.fin {
			break
		}
	}
	message, err = p.unpack.unpack(b)
	return op, message, frames, len(b), err
}

// deflateServer is a server of our own that takes the first offer it can and sends each message back, compressed anew, in as many frames as it came in.
// It keeps the offers that it was made.
func deflateServer(offers chan<- string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		said := strings.Join(r.Header.Values("Sec-WebSocket-Extensions"), ", ")
		offers <- said
		for offer := range strings.SplitSeq(said, ",") {
			terms, response, ok := answer(strings.TrimSpace(offer))
			if !ok {
				continue
			}
			raw, br, err := accept(w, r, response)
			if err != nil {
				return
			}
			defer func() { _ = raw.Close() }()
			p := newDeflatePeer(raw, br, true, terms)
			for {
				op, m, frames, size, err := p.receive()
				if err != nil || p.send(op, m, size/frames+1) != nil {
					return // the client's reading says so
				}
			}
		}
		http.Error(w, "no offer that can be taken", http.StatusBadRequest)
	}
}

// deflateOffers are Autobahn's 13.1 to 13.7: contexts kept or not, windows unsaid, of 9 and of 15 bits, and several offers of which the first is none; and
// all other widths, asked of either side.
func deflateOffers() []string {
	offers := []string{
		"permessage-deflate",
		"permessage-deflate; client_max_window_bits",
		"permessage-deflate; client_no_context_takeover; server_no_context_takeover",
		"permessage-deflate; server_no_context_takeover",
		"permessage-deflate; client_no_context_takeover",
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=9",
		"permessage-deflate; server_no_context_takeover; server_max_window_bits=15; client_max_window_bits",
		`permessage-deflate; server_max_window_bits="10"`,
		"permessage-deflate; nonsense, permessage-deflate; server_max_window_bits=9; server_no_context_takeover, permessage-deflate",
		"permessage-deflate; server_max_window_bits=16, permessage-deflate; client_max_window_bits=7, permessage-deflate",
		"x-webkit-deflate-frame, permessage-deflate; client_max_window_bits",
	}
	for bits := 8; bits <= 15; bits++ {
		offers = append(offers, fmt.Sprintf("permessage-deflate; client_max_window_bits=%d; server_max_window_bits=%d", bits, 23-bits))
	}
	return offers
}

// deflateKinds are contents that compress well, a little and not at all: Autobahn has files of JSON, text, pictures and noise for them.
func deflateKinds() map[string]func(n int) []byte {
	cut := func(b []byte, n int) []byte { return bytes.Repeat(b, n/len(b)+1)[:n] }
	var record bytes.Buffer
	for i := range 200 {
		_ = json.NewEncoder(&record).Encode(map[string]any{"id": i, "name": fmt.Sprintf("entry %d", i*i), "tags": []string{"a", "b"}}) // a buffer takes all
	}
	return map[string]func(int) []byte{
		"JSON":  func(n int) []byte { return cut(record.Bytes(), n) },
		"zeros": func(n int) []byte { return make([]byte, n) },
		"noise": func(n int) []byte { return limitCase{op: wsBinary, size: n}.payload() },
		"text":  func(n int) []byte { return limitCase{op: wsText, size: n}.payload() },
		"picture": func(n int) []byte {
			b := make([]byte, n)
			r := rand.New(rand.NewPCG(1, uint64(n)))
			for i := range b {
				b[i] = byte(i/16) + byte(r.Uint32()&3)
			}
			return b
		},
	}
}

// deflateCases are a size and the bytes of a frame, 0 for one, as in Autobahn's 12.x.1 to 18.
func deflateCases() [][2]int {
	return [][2]int{{0, 0}, {1, 0}, {16, 0}, {64, 0}, {256, 0}, {1 << 10, 0}, {4 << 10, 0}, {8 << 10, 0}, {16 << 10, 0}, {32 << 10, 0}, {64 << 10, 0},
		{128 << 10, 0}, {8 << 10, 256}, {16 << 10, 1 << 10}, {32 << 10, 8 << 10}, {64 << 10, 32 << 10}, {128 << 10, 64 << 10}, {1 << 10, 1}}
}

// deflateMost is the largest message for a window, in bytes. Our own compressor begins anew after each window's worth, which is slow for small ones.
func deflateMost(bits int) int {
	if bits == 15 || os.Getenv("NEXUS_SOAK") != "" {
		return 128 << 10
	}
	return 32 << bits
}

// deflateRounds is how often each message is sent; Autobahn sends a thousand.
func deflateRounds() int {
	if os.Getenv("NEXUS_SOAK") != "" {
		return 200
	}
	return 2
}

// TestWebSocketDeflate: offers and answers pass the gateway as they are, and so do compressed messages, which refer to earlier ones where that was agreed.
func TestWebSocketDeflate(t *testing.T) {
	t.Parallel()
	offers := make(chan string, 1)
	g := start(t, []site{{"ws.test", unit("ws"), deflateServer(offers)}})
	for name, target := range g.throughGateway("ws.test") { // in turn: each looks what the server was offered
		for _, offer := range deflateOffers() {
			t.Run(name+" "+offer, func(t *testing.T) {
				p, resp := target.open(t, "GET", map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
					"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Extensions": offer})
				_ = p.SetDeadline(time.Now().Add(10 * time.Minute)) // a closed socket says so later
				if got := <-offers; got != offer {
					t.Errorf("the server was offered %q", got)
				}
				said := resp.Header.Get("Sec-WebSocket-Extensions")
				terms, _, ok := answer(said)
				if resp.StatusCode != http.StatusSwitchingProtocols || !ok || said != terms.String() {
					t.Fatalf("answered %s, %q", resp.Status, said)
				}
				converse(t, newDeflatePeer(p, p.br, false, terms))
			})
		}
	}
}

// converse sends every kind in every case and wants each message back, in as many frames.
func converse(t *testing.T, c *deflatePeer) {
	t.Helper()
	for kind, make := range deflateKinds() {
		for _, dc := range deflateCases() {
			if dc[0] > deflateMost(min(c.pack.side.bits, c.unpack.side.bits)) {
				continue
			}
			op := byte(wsBinary)
			if kind == "JSON" || kind == "text" {
				op = wsText
			}
			want := make(dc[0])
			for range deflateRounds() {
				sent := error(nil)
				done := goDo(func() { sent = c.send(op, want, dc[1]) })
				got, b, frames, size, err := c.receive()
				<-done
				if sent != nil || err != nil || got != op {
					t.Fatalf("%s of %d bytes in frames of %d: op %d, %v, %v", kind, dc[0], dc[1], got, sent, err)
				}
				same(t, b, want)
				if kind == "zeros" && dc[0] > 1<<10 && size > dc[0]/10 {
					t.Errorf("%d zeros came in %d bytes", dc[0], size)
				}
				if dc[1] > 0 && size > 4*dc[1] && frames < 2 {
					t.Errorf("%d bytes in frames of %d came in %d", size, dc[1], frames)
				}
			}
		}
	}
}

// goDo does something beside and gives what is closed when it is done.
func goDo(do func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	return done
}

// TestWebSocketDeflateRules: what RFC 7692 allows comes back, and what it forbids has the end that it has without a gateway. (The library lets RSV1 on
// a continuation and on a ping pass.)
func TestWebSocketDeflateRules(t *testing.T) {
	t.Parallel()
	echo := strictEcho()
	straight := httptest.NewServer(echo)
	t.Cleanup(straight.Close)
	g := start(t, []site{{"ws.test", unit("ws"), echo}})
	flat, err := (&packer{side: deflateSide{false, 15}}).pack([]byte("Hello"))
	if err != nil {
		t.Fatal(err)
	}
	hello := string(flat)
	for _, c := range []struct {
		name string
		send []wsFrame
		back string // what comes back: a message, uncompressed, or the end
	}{
		{"7.2.3.1 a message", []wsFrame{{fin: true, rsv: 4, op: wsText, payload: hello}}, "1 Hello"},
		{"7.2.3.1 in fragments", []wsFrame{{rsv: 4, op: wsText, payload: hello[:3]}, part(wsMore, true, hello[3:])}, "1 Hello"},
		{"7.2.3.1 a ping between", []wsFrame{{rsv: 4, op: wsText, payload: hello[:3]}, ping("x"), part(wsMore, true, hello[3:])}, "10 x"},
		{"6 a message that is not compressed", []wsFrame{text("plain")}, "1 plain"},
		{"6.1 RSV1 on a continuation", []wsFrame{{rsv: 4, op: wsText, payload: hello[:3]}, {fin: true, rsv: 4, op: wsMore, payload: hello[3:]}}, ""},
		{"6.1 RSV1 on a ping", []wsFrame{{fin: true, rsv: 4, op: wsPing, payload: "x"}}, ""},
		{"6.1 RSV2", []wsFrame{{fin: true, rsv: 2, op: wsText, payload: hello}}, "end"},
		{"6.1 RSV3", []wsFrame{{fin: true, rsv: 1, op: wsText, payload: hello}}, "end"},
		{"7.2.2 what cannot be decompressed", []wsFrame{{fin: true, rsv: 4, op: wsText, payload: "\xff\xff\xff\xff"}}, "end"},
		{"7.2.2 what is no text", []wsFrame{{fin: true, rsv: 4, op: wsText, payload: "\x02\x04\x00\x00\x00\xff\xff"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := say(t, wsTarget{addr: straight.Listener.Addr().String(), host: "ws.test", path: "/"}, c.send)
			if c.back == "end" && !strings.HasPrefix(want, "8 ") || c.back != "end" && c.back != "" && want != c.back {
				t.Errorf("without a gateway: %q, want %q", want, c.back)
			}
			for name, target := range g.throughGateway("ws.test") {
				if got := say(t, target, c.send); got != want {
					t.Errorf("%s: %q, %q without a gateway", name, got, want)
				}
			}
		})
	}
}

// say agrees on compression without contexts, sends frames and gives what comes first: opcode and content.
func say(t *testing.T, target wsTarget, send []wsFrame) string {
	t.Helper()
	p, resp := target.open(t, "GET", map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key":        "dGhlIHNhbXBsZSBub25jZQ==",
		"Sec-WebSocket-Extensions": "permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits"})
	if !strings.HasPrefix(resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
		t.Fatalf("answered %s, %v", resp.Status, resp.Header)
	}
	if err := p.send(send...); err != nil {
		t.Fatal(err)
	}
	f, err := readFrame(p.br)
	b := []byte(f.payload)
	if err == nil && f.rsv == 4 {
		b, err = (&unpacker{}).unpack(b)
	}
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", f.op, b)
}

// TestWebSocketDeflateOfLibraries: each of two libraries as client and the other as server, with and without contexts that are kept.
func TestWebSocketDeflateOfLibraries(t *testing.T) {
	t.Parallel()
	wide := gws.PermessageDeflate{Enabled: true, ServerContextTakeover: true, ClientContextTakeover: true, ServerMaxWindowBits: 15, ClientMaxWindowBits: 15}
	g := start(t, []site{{"gws.test", unit("gws"), echoWith(wide)}, {"kept.test", unit("kept"), libraryEcho(websocket.CompressionContextTakeover)},
		{"fresh.test", unit("fresh"), libraryEcho(websocket.CompressionNoContextTakeover)}})
	for name, mode := range map[string]websocket.CompressionMode{"kept": websocket.CompressionContextTakeover, "fresh": websocket.CompressionNoContextTakeover} {
		t.Run("to gws, contexts "+name, func(t *testing.T) {
			t.Parallel()
			ws := g.throughGateway("gws.test")["clear text"].library(t, "/", mode)
			ws.SetReadLimit(wsMessageMax)
			for _, kind := range deflateKinds() {
				for _, dc := range deflateCases() {
					want := kind(dc[0])
					if err := ws.Write(t.Context(), websocket.MessageBinary, want); err != nil {
						t.Fatal(err)
					}
					_, got, err := ws.Read(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					same(t, got, want)
				}
			}
		})
		t.Run("from gws, contexts "+name, func(t *testing.T) {
			t.Parallel()
			client := &libraryClient{came: make(chan []byte, 1)}
			c, resp, err := gws.NewClient(client, &gws.ClientOption{Addr: "ws://" + name + ".test/", PermessageDeflate: wide,
				ReadMaxPayloadSize: wsMessageMax, WriteMaxPayloadSize: wsMessageMax,
				NewDialer: func() (gws.Dialer, error) { return toGateway(g.Addr()), nil }})
			if err != nil {
				t.Fatal(err, resp)
			}
			defer func() { _ = c.NetConn().Close() }()
			if !strings.Contains(resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
				t.Fatalf("no compression agreed: %v", resp.Header)
			}
			go c.ReadLoop()
			for _, kind := range deflateKinds() {
				for _, dc := range deflateCases() {
					want := kind(dc[0])
					if err := c.WriteMessage(gws.OpcodeBinary, want); err != nil {
						t.Fatal(err)
					}
					select {
					case got := <-client.came:
						same(t, got, want)
					case <-time.After(time.Minute):
						t.Fatalf("no answer to %d bytes", len(want))
					}
				}
			}
		})
	}
}

// libraryEcho is an echo of the other library.
func libraryEcho(mode websocket.CompressionMode) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: mode})
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		c.SetReadLimit(wsMessageMax)
		for {
			kind, b, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), kind, b) != nil {
				return // the client's reading says so
			}
		}
	})
}

// toGateway is a gateway's address as a dialer.
type toGateway string

// Dial implements gws.Dialer.
func (a toGateway) Dial(string, string) (net.Conn, error) { return net.Dial("tcp", string(a)) }

// libraryClient hands on what comes.
type libraryClient struct {
	gws.BuiltinEventHandler
	came chan []byte
}

// OnMessage implements gws.Event.
func (l *libraryClient) OnMessage(_ *gws.Conn, m *gws.Message) {
	b := append([]byte(nil), m.Bytes()...)
	_ = m.Close() // its buffer goes back
	l.came <- b
}
