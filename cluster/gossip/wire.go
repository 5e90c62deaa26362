package gossip

import (
	"bytes"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// wire is the library's transport with a way out for questions for keys: a stream that begins with theirs is not the library's. Everything else goes through.
type wire struct {
	memberlist.NodeAwareTransport
	serve   func(net.Conn) // nil: this node keeps no keys, such a stream is closed
	streams chan net.Conn
	slots   chan struct{} // one for each hand-over under way
	done    chan struct{}
	once    sync.Once
	all     sync.WaitGroup
}

// newWire takes over a transport. Shutdown ends it.
func newWire(inner memberlist.NodeAwareTransport, serve func(net.Conn)) *wire {
	w := &wire{NodeAwareTransport: inner, serve: serve, streams: make(chan net.Conn), slots: make(chan struct{}, maxHandovers), done: make(chan struct{})}
	w.all.Go(w.sort)
	return w
}

// StreamCh implements memberlist.Transport.
func (w *wire) StreamCh() <-chan net.Conn { return w.streams }

// Shutdown implements memberlist.Transport. It returns when all that it started has.
func (w *wire) Shutdown() error {
	err := w.NodeAwareTransport.Shutdown()
	w.once.Do(func() { close(w.done) })
	w.all.Wait()
	return err
}

func (w *wire) sort() {
	for {
		select {
		case conn := <-w.NodeAwareTransport.StreamCh():
			w.all.Go(func() { w.take(conn) })
		case <-w.done:
			return
		}
	}
}

// take looks at a stream's first byte. A stream that says nothing is closed when the library would have closed it, or with the wire.
func (w *wire) take(conn net.Conn) {
	ended := make(chan struct{})
	defer close(ended)
	w.all.Go(func() {
		select {
		case <-w.done:
			_ = conn.SetReadDeadline(time.Unix(1, 0))
		case <-ended:
		}
	})
	first := make([]byte, 1)
	err := conn.SetReadDeadline(time.Now().Add(handoverTimeLimit))
	if err == nil {
		_, err = conn.Read(first)
	}
	if err != nil {
		_ = conn.Close()
		return
	}
	if first[0] != handoverMagic[0] {
		select {
		case w.streams <- begun{conn, io.MultiReader(bytes.NewReader(first), conn)}: // the library sets its own deadline
		case <-w.done:
			_ = conn.Close()
		}
		return
	}
	defer func() { _ = conn.Close() }()
	if w.serve == nil {
		return
	}
	select {
	case w.slots <- struct{}{}:
		w.serve(conn)
		<-w.slots
	default:
	}
}

// begun is a stream whose first byte has been read, and is read again.
type begun struct {
	net.Conn
	io.Reader
}

func (b begun) Read(p []byte) (int, error) { return b.Reader.Read(p) }

// bindTries is how often a free port is looked for that is free for packets and for streams.
const bindTries = 10

// bind opens the sockets as the library would, and tells m the port.
func bind(m *memberlist.Config, logger *log.Logger) (memberlist.NodeAwareTransport, error) {
	tries := 1
	if m.BindPort == 0 {
		tries = bindTries
	}
	for {
		t, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{BindAddrs: []string{m.BindAddr}, BindPort: m.BindPort, Logger: logger})
		if tries--; err != nil && tries > 0 && strings.Contains(err.Error(), "address already in use") {
			continue
		}
		if err != nil {
			return nil, err
		}
		if m.BindPort == 0 {
			m.BindPort = t.GetAutoBindPort()
			m.AdvertisePort = m.BindPort
		}
		return t, nil
	}
}
