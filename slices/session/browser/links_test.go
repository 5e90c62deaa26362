package browser

import (
	"encoding/binary"
	"strings"

	"github.com/dop251/goja"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// What lies between the script and the home: sockets, faults, and the program behind the home.

func (w *world) dial(js *goja.Object, url string) int64 {
	edge, path, _ := strings.Cut(strings.TrimPrefix(strings.Replace(url, "wss:", "ws:", 1), "ws://"), "/")
	if path != "room?x=1" {
		w.fault("dialled %s", url)
	}
	w.next++
	l := &link{at: w.next, edge: "ws://" + edge, js: js, up: w.now, down: w.now}
	w.links[l.at] = l
	w.dialled = append(w.dialled, l.edge)
	w.after(w.far+w.delay(), func() {
		if w.down[l.edge] {
			w.cut(l)
		} else if !w.mute[l.edge] && !l.cut {
			_ = js.Set("protocol", js.Get("asked"))
			w.on(l, "onopen", nil)
		}
	})
	return int64(l.at)
}

// on calls one of a socket's handlers.
func (w *world) on(l *link, name string, e map[string]any) {
	if f, ok := goja.AssertFunction(l.js.Get(name)); ok {
		w.invoke(l.js, f, e)
	}
}

func (w *world) send(at int64, b goja.ArrayBuffer) {
	l := w.links[session.Attachment(at)]
	if l == nil || l.cut || l.silent {
		return
	}
	bytes := append([]byte(nil), b.Bytes()...)
	l.up = max(l.up, w.now+w.far/2) + w.delay()
	w.after(l.up-w.now, func() {
		if !l.silent && !w.mute[l.edge] {
			w.homeGets(l, bytes)
		}
	})
}

func (w *world) homeGets(l *link, bytes []byte) {
	f, err := session.ParseFrame(bytes)
	if err != nil {
		w.fault("home: %v", err)
		return
	}
	var r session.Result
	if l.hello {
		r, err = w.home.Frame(w.clock(), l.at, f)
	} else {
		l.hello = true
		r, err = w.home.Hello(w.clock(), l.at, "slice", f)
	}
	if err != nil && nexus.CodeOf(err) != nexus.CodeRefused {
		w.fault("home refuses: %v", err)
	}
	w.homeSays(r)
}

func (w *world) homeSays(r session.Result) {
	for _, id := range r.Opened {
		if w.id != (nexus.ID{}) {
			w.fault("a second session was opened")
		}
		w.id = id
	}
	w.trips = append(w.trips, r.Trips...)
	for _, m := range r.Messages {
		if n := binary.BigEndian.Uint64(m.Payload[1:]); m.Gap || n != w.upGot || m.Payload[0] != session.KindBinary {
			w.fault("home got message %d, expected %d", n, w.upGot)
		}
		w.upGot++
		w.after(2*w.rnd.Float64(), func() { w.programTakes(m.Seq) })
	}
	for _, o := range r.Outs {
		w.toPage(o)
	}
}

func (w *world) programTakes(seq uint64) {
	if w.stalled {
		w.after(10, func() { w.programTakes(seq) })
		return
	}
	w.homeSays(w.home.Taken(w.id, seq))
}

// toPage carries a frame, or what the faults make of it.
func (w *world) toPage(o session.Out) {
	l := w.links[o.To]
	if l == nil || l.cut || l.silent {
		return
	}
	bytes := o.Frame.Encode()
	if o.Frame.Type == session.FrameData {
		switch n := w.rnd.IntN(1000); {
		case n < w.dup:
			w.carry(l, bytes, false)
		case n < w.dup+w.reorder && l.held == nil:
			l.held = bytes
			return
		case n < w.dup+w.reorder+w.drop:
			return
		}
	}
	w.carry(l, bytes, o.Close)
	if l.held != nil {
		w.carry(l, l.held, false)
		l.held = nil
	}
}

func (w *world) carry(l *link, bytes []byte, last bool) {
	l.down = max(l.down, w.now+w.far/2) + w.delay()
	w.after(l.down-w.now, func() {
		if l.cut || l.silent || w.mute[l.edge] {
			return
		}
		w.on(l, "onmessage", map[string]any{"data": w.vm.NewArrayBuffer(append([]byte(nil), bytes...))})
		if last {
			w.cut(l)
		}
	})
}

// cut closes a link: the page is told, the home a moment later.
func (w *world) cut(l *link) {
	if l.cut {
		return
	}
	l.cut = true
	w.after(w.delay(), func() { w.home.Lost(w.clock(), l.at); delete(w.links, l.at) })
	w.on(l, "onclose", map[string]any{})
}

func (w *world) closeFromPage(at int64) {
	l := w.links[session.Attachment(at)]
	if l == nil || l.cut {
		return
	}
	w.after(max(l.up-w.now, 0)+w.delay(), func() { // what was sent before goes first
		l.cut = true
		w.home.Lost(w.clock(), l.at)
		delete(w.links, l.at)
	})
}

// kill takes an edge down with all its links.
func (w *world) kill(edge string) {
	w.down[edge] = true
	for at := session.Attachment(1); at <= w.next; at++ {
		if l := w.links[at]; l != nil && l.edge == edge {
			w.cut(l)
		}
	}
}

// active is the link in use, nil while there is none.
func (w *world) active() *link {
	for at := w.next; at > 0; at-- {
		if l := w.links[at]; l != nil && !l.cut && l.edge == w.page.Get("edge").String() {
			return l
		}
	}
	return nil
}

func (w *world) beat() {
	w.homeSays(w.home.Tick(w.clock()))
	w.after(20, w.beat)
}

func (w *world) message(seq uint64, text bool, data goja.Value) {
	b, ok := data.Export().(goja.ArrayBuffer)
	if text || !ok || len(b.Bytes()) != 8 {
		w.fault("message %d is %v", seq, data)
		return
	}
	if n := binary.BigEndian.Uint64(b.Bytes()); n != w.downGot {
		w.fault("page got message %d, expected %d", n, w.downGot)
	}
	w.downGot++
}

// sendDown and sendUp send the next number when there is room.
func (w *world) sendDown() {
	if w.id == (nexus.ID{}) {
		return
	}
	if r, err := w.home.Send(w.id, append([]byte{session.KindBinary}, number(w.downSent)...)); err == nil {
		w.downSent++
		w.homeSays(r)
	}
}

func (w *world) sendUp() goja.Value {
	v := w.method("send", w.vm.NewArrayBuffer(number(w.upSent)))
	w.upSent++
	return v
}
