package bench

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// recorded serves pictures that a node gave before, over a socket as the node's own: what the console does with them can be
// measured apart from what the node does. It checks no signature and can do nothing else.
type recorded struct {
	path   string
	server *http.Server
	done   chan struct{}

	mu      sync.Mutex // everything below
	picture *wire.Overview
	units   []wire.UnitRow // the whole lists that the picture has the beginning of
	tallies []wire.TallyRow
	changed chan struct{} // closed and replaced with each picture
}

// serveRecorded listens on a socket of its own under dir and shows o until told otherwise. Close ends it.
func serveRecorded(dir string, o *wire.Overview) (*recorded, error) {
	own, err := os.MkdirTemp(dir, "s")
	if err != nil {
		return nil, err
	}
	s := &recorded{path: filepath.Join(own, "n.sock"), done: make(chan struct{}), picture: o, changed: make(chan struct{})}
	l, err := net.Listen("unix", s.path)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/hello", func(w http.ResponseWriter, _ *http.Request) {
		now, _ := s.present()
		_ = json.NewEncoder(w).Encode(now.Node) // who asked is gone, then
	})
	mux.HandleFunc("GET /v1/watch", s.watch)
	mux.HandleFunc("GET /v1/units", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(wire.Units{Units: s.units})
	})
	mux.HandleFunc("GET /v1/tally", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(wire.Tally{Units: s.tallies})
	})
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { // ends with the server
		_ = s.server.Serve(l)
		close(s.done)
	}()
	return s, nil
}

func (s *recorded) present() (*wire.Overview, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.picture, s.changed
}

// hold sets the whole lists of units and tallies; they must not change afterwards.
func (s *recorded) hold(units []wire.UnitRow, tallies []wire.TallyRow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.units, s.tallies = units, tallies
}

// show replaces the picture; it must not change afterwards.
func (s *recorded) show(o *wire.Overview) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.picture = o
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *recorded) watch(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc, rc := json.NewEncoder(w), http.NewResponseController(w)
	for {
		o, changed := s.present()
		if enc.Encode(o) != nil || rc.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		}
	}
}

func (s *recorded) close() error {
	err := s.server.Close()
	<-s.done
	return errors.Join(err, os.RemoveAll(filepath.Dir(s.path)))
}

// record takes a picture of a node every tenth of a second, the pace at which a node shows them.
func record(ctx context.Context, n Node, d time.Duration) ([]*wire.Overview, error) {
	var out []*wire.Overview
	for end := time.Now().Add(d); time.Now().Before(end); {
		o, err := n.Overview(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
		if err := pause(ctx, pictureEvery); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// pictureEvery is the pace of a node's pictures.
const pictureEvery = 100 * time.Millisecond
