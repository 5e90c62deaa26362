package node

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
)

// publications serves what the platform publishes to whoever reaches the endpoint of the log: GET /publications lists it,
// /publications/exits/YYYY-MM.json and /publications/prices/N.json are files for nexus-verify. There is nothing of any person or unit in them.
type publications struct {
	open  func() *engine.Engine // nil while there is no ledger
	log   *slog.Logger
	reads chan struct{} // bounds how many are made at once; the others wait

	mu    sync.Mutex
	files map[string][]byte // a file once made stays right: it proves what it proves under its own checkpoint
}

// publicationsKept bounds the files kept in memory.
const publicationsKept = 64

func newPublications(open func() *engine.Engine, log *slog.Logger) *publications {
	return &publications{open: open, log: log, reads: make(chan struct{}, 2), files: map[string][]byte{}}
}

// beside serves publications under their paths, and everything else by another handler.
func (p *publications) beside(other http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", other)
	mux.HandleFunc("GET /publications", p.serve(func(_ *http.Request, e *engine.Engine) ([]byte, error) {
		list, err := control.PublishedOf(e)
		if err != nil {
			return nil, err
		}
		return json.Marshal(list)
	}))
	mux.HandleFunc("GET /publications/exits/{name}", p.serve(p.kept("exits", func(r *http.Request, e *engine.Engine, name string) ([]byte, error) {
		month, err := engine.StatementMonth(name)
		if err != nil {
			return nil, err
		}
		return e.PublishedExits(r.Context(), month)
	})))
	mux.HandleFunc("GET /publications/prices/{name}", p.serve(p.kept("prices", func(r *http.Request, e *engine.Engine, name string) ([]byte, error) {
		number, err := strconv.ParseUint(name, 10, 32)
		if err != nil || strconv.FormatUint(number, 10) != name { // one name for each: other spellings would push files out of memory
			return nil, nexus.Errf("publications", nexus.CodeMalformed, "price list "+strconv.Quote(name), "the number of a list", "not a number")
		}
		return e.PublishedPrices(r.Context(), uint32(number))
	})))
	return mux
}

// kept makes a file once.
func (p *publications) kept(what string, make func(*http.Request, *engine.Engine, string) ([]byte, error)) func(*http.Request, *engine.Engine) ([]byte, error) {
	return func(r *http.Request, e *engine.Engine) ([]byte, error) {
		name := strings.TrimSuffix(r.PathValue("name"), ".json")
		p.mu.Lock()
		file := p.files[what+"/"+name]
		p.mu.Unlock()
		if file != nil {
			return file, nil
		}
		file, err := make(r, e, name)
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.files) >= publicationsKept {
			clear(p.files)
		}
		p.files[what+"/"+name] = file
		return file, nil
	}
}

func (p *publications) serve(body func(*http.Request, *engine.Engine) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		e := p.open()
		if e == nil {
			http.Error(w, "no ledger is open on this node", http.StatusServiceUnavailable)
			return
		}
		select {
		case p.reads <- struct{}{}:
			defer func() { <-p.reads }()
		case <-r.Context().Done():
			return
		}
		b, err := body(r, e)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		switch nexus.CodeOf(err) {
		case "":
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(b) // a client that is gone needs no answer
		case nexus.CodeNotFound, nexus.CodeMalformed:
			http.Error(w, "nothing of that name is published; GET /publications lists what is", http.StatusNotFound)
		default:
			p.log.Error("publication not readable", "component", "publications", "path", r.URL.Path, "error", err)
			http.Error(w, "this publication cannot be read now; its operator was told", http.StatusInternalServerError)
		}
	}
}
