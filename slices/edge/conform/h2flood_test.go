package conform_test

import (
	"bufio"
	"bytes"
	"net/http"
	stdslices "slices"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// h2Flood is something that a client does without end. It begins once for each connection and then steps until the connection ends.
type h2Flood struct {
	name    string
	windows uint32 // of the client's streams, bytes
	deaf    bool   // the client reads nothing
	begin   func(p *h2Peer) error
	step    func(p *h2Peer) error
	cut     bool            // the gateway ends the connection; otherwise it may go on, at the slice's cost
	ends    []http2.ErrCode // with one of these codes, or without a word when nil
}

const floodHost = "flood.test"

// reset opens a stream and does something to it.
func (p *h2Peer) reset(then func(stream uint32) error) error {
	stream, err := p.request(floodHost, "GET", true)
	if err != nil {
		return err
	}
	return then(stream)
}

func nothing(*h2Peer) error { return nil }

func h2Floods() []h2Flood {
	empty := bytes.Repeat(literal("", ""), 1000)
	bomb := append([]byte(nil), bytes.Repeat([]byte{0x80 | 62}, 8000)...) // 8000 times the newest entry of the table
	fields := literal(manyFields(15)...)
	return []h2Flood{
		{name: "10.5.1 CONTINUATION without end (CVE-2024-27316)", cut: true, ends: []http2.ErrCode{http2.ErrCodeProtocol},
			begin: func(p *h2Peer) error {
				return p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: common(floodHost)})
			},
			step: func(p *h2Peer) error { return p.framer.WriteContinuation(1, false, fields) }},
		{name: "10.5 streams opened and reset (CVE-2023-44487)", cut: true, begin: nothing, step: func(p *h2Peer) error {
			return p.reset(func(s uint32) error { return p.framer.WriteRSTStream(s, http2.ErrCodeCancel) })
		}},
		{name: "10.5 streams that the gateway must reset, window update of 0 (CVE-2025-8671)", cut: true, begin: nothing, step: func(p *h2Peer) error {
			return p.reset(func(s uint32) error { return p.framer.WriteWindowUpdate(s, 0) })
		}},
		{name: "10.5 streams that the gateway must reset, window above its limit (CVE-2025-8671)", cut: true, begin: nothing, step: func(p *h2Peer) error {
			return p.reset(func(s uint32) error { return p.framer.WriteWindowUpdate(s, 1<<31-1) })
		}},
		{name: "10.5 more streams than allowed", begin: nothing, step: func(p *h2Peer) error {
			_, err := p.request(floodHost, "POST", false)
			return err
		}},
		{name: "RFC 7541 section 7.3 a small block that unpacks to 30 MB", begin: func(p *h2Peer) error {
			_, err := p.request(floodHost, "GET", true, "x-bomb", string(bytes.Repeat([]byte{'y'}, 3800)))
			return err
		}, step: func(p *h2Peer) error {
			stream := p.next
			p.next += 2
			return p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndHeaders: true, EndStream: true,
				BlockFragment: append(common(floodHost), bomb...)})
		}},
		{name: "8.2.1 fields without a name (CVE-2019-9516)", begin: nothing, step: func(p *h2Peer) error {
			stream := p.next
			p.next += 2
			return p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndHeaders: true, EndStream: true,
				BlockFragment: append(common(floodHost), empty...)})
		}},
		{name: "6.5 SETTINGS of a client that reads nothing (CVE-2019-9515)", deaf: true, begin: nothing, step: func(p *h2Peer) error {
			return p.framer.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 15})
		}},
		{name: "6.7 PING of a client that reads nothing (CVE-2019-9512)", deaf: true, begin: nothing, step: func(p *h2Peer) error {
			return p.framer.WritePing(false, [8]byte{})
		}},
		{name: "5.2 large answers for a client that reads nothing (CVE-2019-9511, CVE-2019-9517)", deaf: true, windows: 1<<31 - 1, begin: nothing,
			step: func(p *h2Peer) error {
				_, err := p.request(floodHost, "GET", true, "x-large", "yes")
				return err
			}},
		{name: "6.1 DATA without data (CVE-2019-9518)", begin: func(p *h2Peer) error {
			_, err := p.request(floodHost, "POST", false)
			return err
		}, step: func(p *h2Peer) error { return p.framer.WriteData(1, false, nil) }},
		{name: "6.1 DATA that is all padding", begin: func(p *h2Peer) error {
			_, err := p.request(floodHost, "POST", false)
			return err
		}, step: func(p *h2Peer) error { return p.framer.WriteDataPadded(1, false, nil, make([]byte, 255)) }},
		{name: "5.3.2 PRIORITY (CVE-2019-9513)", begin: nothing, step: func(p *h2Peer) error {
			p.next += 2
			return p.framer.WritePriority(p.next, http2.PriorityParam{StreamDep: p.next - 2, Weight: 1})
		}},
		{name: "6.9 WINDOW_UPDATE of one byte", begin: nothing, step: func(p *h2Peer) error { return p.framer.WriteWindowUpdate(0, 1) }},
		{name: "5.5 frames of an unknown type", begin: nothing, step: func(p *h2Peer) error {
			return p.framer.WriteRawFrame(0xbd, 0, 0, make([]byte, 16<<10))
		}},
	}
}

// TestHTTP2Floods: whatever a client repeats without end, the gateway's memory stays bounded, its neighbour is served, and all is given
// back when it is over.
func TestHTTP2Floods(t *testing.T) { // alone: it reads the process's memory and its neighbour's latency
	const connections, eachMax = 1, 48 << 20 // bytes: 128 streams with their backends' ends, which are in this process
	g := start(t, []site{{floodHost, unit("flood"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Large") != "" {
			endless(w, r)
		}
	})}, neighbourSite()}, func(c *edge.Config) { c.StallTimeout = 5 * time.Second })
	n := g.neighbour(t)
	for _, f := range h2Floods() {
		t.Run(f.name, func(t *testing.T) {
			alone := n.ask(t, floodFor()/4)
			before := memoryInUse()
			var peers []*h2Peer
			var over []chan outcome
			for range connections {
				p, done := f.run(t, g)
				peers, over = append(peers, p), append(over, done)
			}
			beside := n.ask(t, floodFor())
			if grown := memoryInUse() - before; grown > connections*eachMax {
				t.Errorf("%d MiB more in use for %d connections", grown>>20, connections)
			}
			for i, p := range peers {
				if f.cut {
					_ = p.SetDeadline(time.Now().Add(time.Minute)) // should it not end, the client does
				} else {
					_ = p.Close() // the flood is over
				}
				o := <-over[i]
				if f.cut && !o.closed || f.ends != nil && (!o.goAwaySeen || !stdslices.Contains(f.ends, o.goAway)) {
					t.Errorf("ended with %+v, want an end with one of %v", o, f.ends)
				}
				_ = p.Close() // ended
			}
			unharmed(t, alone, beside)
			g.eventually(t, "all is given back", func(s edge.SliceStats) bool {
				return s.Gateway.Sessions == 0 && s.Gateway.InFlight == 0 && s.Gateway.Queue == 0
			})
		})
	}
}

// run connects and floods until the connection ends; the channel then tells how.
func (f h2Flood) run(t *testing.T, g world) (*h2Peer, chan outcome) {
	t.Helper()
	p := dialH2(t, g.Addr(), http2.Setting{ID: http2.SettingInitialWindowSize, Val: max(f.windows, 65_535)})
	if f.windows > 0 {
		if err := p.framer.WriteWindowUpdate(0, f.windows-65_535); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.begin(p); err != nil {
		t.Fatal(err)
	}
	p.framer = http2.NewFramer(bufio.NewWriterSize(p.Conn, 32<<10), p.Conn)
	p.framer.AllowIllegalWrites = true
	done := make(chan outcome, 1)
	stepped := make(chan struct{})
	go func() {
		defer close(stepped)
		for f.step(p) == nil {
		}
	}()
	go func() {
		if f.deaf {
			<-stepped // closed by the gateway, or at the end
			done <- outcome{closed: true}
			return
		}
		p.drain(done)
		_ = p.Close() // ends the steps
	}()
	return p, done
}
