package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// fakeWeb makes a WebTransport of the world's sockets: frames come and go as chunks of one to seven bytes. mode: "works"; "refused": it
// fails before it opens; "silent": it never opens.
const fakeWeb = `
const unhead = (b) => { let n = 0, at = 0, scale = 1; for (;;) { const c = b[at++]; n += (c & 127) * scale; scale *= 128; if (c < 128) return [at, n]; } };
globalThis.dialledWeb = [];
world.WebTransport = class {
	constructor(url) {
		dialledWeb.push(url);
		let opened, refused, ended;
		this.ready = new Promise((a, b) => { opened = a; refused = b; });
		this.closed = new Promise((a) => { ended = a; });
		this.chunks = []; this.reading = null; this.out = [];
		if (webMode === "refused") { refused(new Error("no")); ended(); return; }
		if (webMode === "silent") return;
		const socket = this.socket = new FakeSocket("ws" + url.slice(5), "nn5g.v1");
		const put = (chunk) => { if (this.reading) { const r = this.reading; this.reading = null; r(chunk); } else this.chunks.push(chunk); };
		socket.onopen = () => opened();
		socket.onclose = () => { put({ done: true }); ended(); };
		socket.onmessage = (e) => {
			const b = new Uint8Array(e.data), head = [];
			let n = b.length;
			for (; n >= 128; n = Math.floor(n / 128)) head.push((n % 128) + 128);
			head.push(n);
			const all = head.concat(Array.from(b));
			while (all.length > 0) put({ value: new Uint8Array(all.splice(0, 1 + Math.floor(__random() * 7))), done: false });
		};
	}
	async createBidirectionalStream() {
		const me = this;
		return {
			writable: { getWriter: () => ({
				async write(b) { const [at, n] = unhead(b); if (at + n !== b.length) throw new Error("length"); me.socket.send(b.slice(at)); },
				async close() {},
			}) },
			readable: { getReader: () => ({
				read: () => me.chunks.length > 0 ? Promise.resolve(me.chunks.shift()) : new Promise((r) => { me.reading = r; }),
			}) },
		};
	}
	close() { if (this.socket) this.socket.close(); }
};
`

const (
	secureA = "wss://a.example:1"
	secureB = "wss://b.example:2"
)

func webWorld(t *testing.T, mode string) *world {
	t.Helper()
	w := newWorld(t, 4, string(script), session.Limits{RetainFor: time.Minute})
	if _, err := w.vm.RunString(fmt.Sprintf("globalThis.webMode = %q;", mode) + fakeWeb); err != nil {
		t.Fatal(err)
	}
	w.open(0, secureA, "https://b.example:2", "ws://c.example:3")
	return w
}

// TestWebTransport: frames cut at any byte carry the session, also over a killed edge, and plain edges are none of a secure session's.
func TestWebTransport(t *testing.T) {
	t.Parallel()
	w := webWorld(t, "works")
	for i := range 600 {
		w.run(1, nil)
		w.sendDown()
		w.sendUp()
		if i == 300 {
			w.kill(edgeA)
		}
	}
	w.run(2000, nil)
	if w.downGot != w.downSent || w.upGot != w.upSent || w.downGot < 500 || len(w.faults) > 0 {
		t.Fatalf("down %d of %d, up %d of %d, %v", w.downGot, w.downSent, w.upGot, w.upSent, w.faults)
	}
	if edge, by := w.page.Get("edge").String(), w.page.Get("transport").String(); edge != secureB || by != "webtransport" {
		t.Fatalf("at %s over %s, told %v", edge, by, w.events2)
	}
	if edges := w.page.Get("edges").String(); edges != secureA+","+secureB {
		t.Fatalf("edges %s", edges)
	}
}

// TestFallBackToWebSocket: a WebTransport that is refused or does not open in half a second leaves the edge to WebSocket, and is not
// tried there again at the next connection.
func TestFallBackToWebSocket(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"refused", "silent"} {
		w := webWorld(t, mode)
		isOpen := func() bool { return w.page.Get("transport").String() == "websocket" }
		if !w.run(700, isOpen) {
			t.Fatalf("%s: not open: %v, %v", mode, w.events2, w.faults)
		}
		w.cut(w.links[w.next])
		w.run(5000, isOpen)
		w.kill(edgeB)
		if !w.run(5000, isOpen) {
			t.Fatalf("%s: not back: %v, %v", mode, w.events2, w.faults)
		}
		tries := strings.Split(w.vm.Get("dialledWeb").String(), ",")
		if len(tries) != 2 || !strings.HasPrefix(tries[0], "https://a.example:1/") || !strings.HasPrefix(tries[1], "https://b.example:2/") {
			t.Fatalf("%s: WebTransport was tried at %v", mode, tries)
		}
	}
}
