package conform_test

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// wsCase is a conversation: what is sent, what must come back, and with which code the server ends it. code 0: it goes on.
type wsCase struct {
	name string
	send []wsFrame
	back []wsFrame
	code uint16
	echo bool // code is the client's, which an endpoint typically answers with (section 5.5.1), or with 1000
}

// wsCases are RFC 6455's rules for an endpoint that echoes messages.
func wsCases() (list []wsCase) {
	add := func(name string, code uint16, back []wsFrame, send ...wsFrame) {
		list = append(list, wsCase{name, send, back, code, false})
	}
	echo := func(name string, send ...wsFrame) { add(name, 0, send, send...) }
	for _, n := range []int{0, 1, 125, 126, 127, 128, 65_535, 65_536} {
		echo(fmt.Sprintf("5.2 text of %d bytes", n), text(strings.Repeat("*", n)))
		echo(fmt.Sprintf("5.2 binary of %d bytes", n), bytesOf(strings.Repeat("\xfe", n)))
	}
	list = append(list, wsViolations()...)
	list = append(list, wsControls()...)
	list = append(list, wsFragments()...)
	list = append(list, wsTexts()...)
	return append(list, wsCloses()...)
}

// wsViolations end the connection at the frame itself, whatever the endpoint is for.
func wsViolations() (list []wsCase) {
	bad := func(name string, send ...wsFrame) { list = append(list, wsCase{name, send, nil, 1002, false}) }
	for rsv := byte(1); rsv < 8; rsv++ {
		bad(fmt.Sprintf("5.2 reserved bits %03b", rsv), wsFrame{fin: true, rsv: rsv, op: wsBinary, payload: "x"})
		bad(fmt.Sprintf("5.2 reserved bits %03b on a ping", rsv), wsFrame{fin: true, rsv: rsv, op: wsPing})
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		bad(fmt.Sprintf("5.2 opcode %d", op), wsFrame{fin: true, op: op})
		bad(fmt.Sprintf("5.2 opcode %d with a payload", op), wsFrame{fin: true, op: op, payload: "x"})
	}
	bad("5.1 a frame without a mask", wsFrame{fin: true, op: wsBinary, payload: "x", bare: true})
	bad("5.4 a continuation of nothing", part(wsMore, true, "x"))
	bad("5.4 a continuation of nothing that goes on", part(wsMore, false, "x"))
	bad("5.4 a message within a message", part(wsBinary, false, "a"), bytesOf("b"))
	bad("5.5 a ping in fragments", part(wsPing, false, "a"), part(wsMore, true, "b"))
	bad("5.5 a ping of 126 bytes", ping(strings.Repeat("x", 126)))
	bad("5.5 a close in fragments", part(wsClose, false, "\x03\xe8"))
	bad("5.5.1 a close of one byte", wsFrame{fin: true, op: wsClose, payload: "\x03"})
	bad("5.5.1 a close of 126 bytes", closing(1000, strings.Repeat("x", 124)))
	for _, code := range []uint16{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535} {
		bad(fmt.Sprintf("7.4 close code %d", code), closing(code, ""))
	}
	return list
}

func wsControls() []wsCase {
	long := strings.Repeat("p", 125)
	many := make([]wsFrame, 10)
	pongs := make([]wsFrame, 10)
	for i := range many {
		many[i], pongs[i] = ping(fmt.Sprint(i)), pong(fmt.Sprint(i))
	}
	return []wsCase{
		{"5.5.2 an empty ping", []wsFrame{ping("")}, []wsFrame{pong("")}, 0, false},
		{"5.5.2 a ping of bytes that are no text", []wsFrame{ping("\x00\xff\xfe")}, []wsFrame{pong("\x00\xff\xfe")}, 0, false},
		{"5.5.2 a ping of 125 bytes", []wsFrame{ping(long)}, []wsFrame{pong(long)}, 0, false},
		{"5.5.2 ten pings", many, pongs, 0, false},
		{"5.5.3 a pong that nobody asked for", []wsFrame{pong("x"), ping("y")}, []wsFrame{pong("y")}, 0, false},
	}
}

func wsFragments() []wsCase {
	var crumbs []wsFrame
	word := "crumbs of a message"
	for i := range len(word) {
		op := byte(wsMore)
		if i == 0 {
			op = wsText
		}
		crumbs = append(crumbs, part(op, i == len(word)-1, word[i:i+1]))
	}
	return []wsCase{
		{"5.4 two fragments", []wsFrame{part(wsText, false, "ab"), part(wsMore, true, "cd")}, []wsFrame{text("abcd")}, 0, false},
		{"5.4 empty fragments", []wsFrame{part(wsBinary, false, ""), part(wsMore, false, ""), part(wsMore, true, "x")}, []wsFrame{bytesOf("x")}, 0, false},
		{"5.4 nothing in fragments", []wsFrame{part(wsText, false, ""), part(wsMore, true, "")}, []wsFrame{text("")}, 0, false},
		{"5.4 a fragment for each byte", crumbs, []wsFrame{text(word)}, 0, false},
		{"5.4 pings between fragments",
			[]wsFrame{part(wsText, false, "ab"), ping("1"), part(wsMore, false, "cd"), ping("2"), part(wsMore, true, "ef")},
			[]wsFrame{pong("1"), pong("2"), text("abcdef")}, 0, false},
		{"5.4 a close between fragments", []wsFrame{part(wsText, false, "ab"), closing(1000, "")}, nil, 1000, false},
	}
}

// wsTexts are texts in UTF-8 and what looks like it (section 8.1), in one frame and cut at each byte.
func wsTexts() (list []wsCase) {
	for _, s := range []string{"Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\u0000",
		"\u007f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\uffff",
		"\U00010000", "\U0010ffff", "𝄞 and 😀"} {
		list = append(list, wsCase{fmt.Sprintf("8.1 %+q", s), []wsFrame{text(s)}, []wsFrame{text(s)}, 0, false})
		for i := 1; i < len(s) && i < 6; i++ {
			list = append(list, wsCase{fmt.Sprintf("8.1 %+q cut at byte %d", s, i), []wsFrame{part(wsText, false, s[:i]), part(wsMore, true, s[i:])},
				[]wsFrame{text(s)}, 0, false})
		}
	}
	for _, s := range []string{"\x80", "\xbf", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf",
		"\xf0\x80\x80\xaf", "\xf8\x88\x80\x80\x80", "\xfe", "\xff", "a\xc3", "\xe2\x82",
		"\xf0\x9f\x98", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf7\xbf\xbf\xbf", "ok \xce\xba\xcf\x8e\xed\xa0\x80 edited"} {
		list = append(list, wsCase{fmt.Sprintf("8.1 not UTF-8: %+q", s), []wsFrame{text(s)}, nil, 1007, false})
		for i := 1; i < len(s) && i < 6; i++ {
			list = append(list, wsCase{fmt.Sprintf("8.1 not UTF-8: %+q cut at byte %d", s, i), []wsFrame{part(wsText, false, s[:i]), part(wsMore, true, s[i:])},
				nil, 1007, false})
		}
	}
	return list
}

func wsCloses() []wsCase {
	list := []wsCase{
		{"5.5.1 a close without a code", []wsFrame{{fin: true, op: wsClose}}, nil, 1005, true},
		{"5.5.1 a close with a reason of 123 bytes", []wsFrame{closing(1000, strings.Repeat("r", 123))}, nil, 1000, false},
		{"5.5.1 a message after a close", []wsFrame{closing(1000, ""), text("late")}, nil, 1000, false},
		{"5.5.1 a ping after a close", []wsFrame{closing(1000, ""), ping("late")}, nil, 1000, false},
		{"5.5.1 two closes", []wsFrame{closing(1000, ""), closing(1001, "")}, nil, 1000, false},
		{"8.1 a reason that is not UTF-8", []wsFrame{closing(1000, "\xce\xba\xed\xa0\x80")}, nil, 1007, false},
	}
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		list = append(list, wsCase{fmt.Sprintf("7.4 close code %d", code), []wsFrame{closing(code, "")}, nil, code, true})
	}
	return list
}

// play has one conversation and judges it.
func (c wsCase) play(t *testing.T, target wsTarget) {
	p := target.dial(t)
	failure := p.send(c.send...) // the server may have ended it by then
	back := c.back
	if c.code == 0 {
		if failure == nil {
			failure = p.send(ping("the end"))
		}
		back = append(append([]wsFrame(nil), c.back...), pong("the end"))
	}
	if failure != nil && c.code == 0 {
		t.Fatal(failure)
	}
	for _, want := range back {
		got, err := p.message()
		if err != nil || got.op != want.op || got.payload != want.payload {
			t.Fatalf("got %v, %v, want %v", got, err, want)
		}
	}
	code := c.code
	if code == 0 {
		code = 1000
		if err := p.send(closing(1000, "")); err != nil {
			t.Fatal(err)
		}
	}
	p.wantClose(t, code, c.echo)
}

// wantClose wants a close frame with the code, or 1000 for an echo, and the end of the connection behind it. 1005 stands for a
// frame without one, 1006 for no frame.
func (p *wsPeer) wantClose(t *testing.T, code uint16, echo bool) {
	t.Helper()
	got, err := p.message()
	if code == 1006 {
		if err == nil {
			t.Errorf("got %v, want the end without a word", got)
		}
		return
	}
	for err == nil && got.op == wsBinary && strings.HasPrefix(got.payload, string(rune(session.FrameClose))) {
		got, err = p.message() // what a session says in its own words before
	}
	if err != nil || got.op != wsClose {
		t.Fatalf("got %v, %v, want a close with %d", got, err, code)
	}
	said := uint16(1005)
	if len(got.payload) >= 2 {
		said = binary.BigEndian.Uint16([]byte(got.payload))
	}
	if said != code && (!echo || said != 1000) {
		t.Errorf("closed with %d %q, want %d", said, got.payload[min(2, len(got.payload)):], code)
	}
	_ = p.send(closing(code, "")) // an answer, as RFC 6455 section 5.5.1 has it; the server may have gone
	if f, err := p.next(); err == nil {
		t.Errorf("%v after the close", f)
	}
}

// TestWebSocket holds the strict echo to the cases directly, which tries the cases themselves, and then through the gateway, in clear text and
// over TLS: what lies between must not change anything.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	echo := strictEcho()
	straight := httptest.NewServer(echo)
	t.Cleanup(straight.Close)
	g := start(t, []site{{"ws.test", unit("ws"), echo}})
	for name, target := range map[string]wsTarget{
		"straight":            {addr: straight.Listener.Addr().String(), host: "ws.test", path: "/"},
		"through the gateway": {addr: g.Addr(), host: "ws.test", path: "/"},
		"through it over TLS": {addr: g.TLSAddr(), host: "ws.test", path: "/", tls: &tls.Config{RootCAs: g.ca.Pool(), ServerName: "ws.test"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range wsCases() {
				t.Run(c.name, func(t *testing.T) { c.play(t, target) })
			}
		})
	}
}
