// Package tilelog publishes the ledger's tree over HTTP as C2SP tlog-tiles (c2sp.org/tlog-tiles), for outside clients, monitors
// and mirrors of that ecosystem: the signed checkpoint, the tiles of hashes, and bundles of entries.
//
// It promises: it only reads; nothing is given out that the newest signed checkpoint does not cover; and no plaintext, because an
// entry of the published log is the commitment of an entry of the ledger, 32 bytes that tell nothing without their salt. What
// that leaf commits to is told to its recipients by exports and proofs (docs/proofs.md). It must not import engine.
package tilelog

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// Log is what is published. Its methods are safe for concurrent use, and what they say of entries under a signed checkpoint
// never changes.
type Log interface {
	merkle.Reader
	// Head is the signed checkpoint to publish as a note, cosignatures in it, and its number of entries, never fewer than before; ""
	// before the first. The other methods cover at least that many entries.
	Head() (note string, size uint64)
	// RecordBySeq reads the record that holds entry seq; see ledger.Store.
	RecordBySeq(seq uint64) (ledger.Record, error)
}

const (
	readsMax     = 8 // requests that read the store at once; the others wait
	immutable    = "public, max-age=31536000, immutable"
	octets       = "application/octet-stream"
	hashBytes    = len(nexus.Hash{})
	retrySeconds = "5"
)

type handler struct {
	open  func() Log
	log   *slog.Logger
	reads chan struct{}
}

// Handler serves a log under GET /checkpoint and GET /tile/. open gives the log, nil while there is none: then all is answered
// 503. A path that names nothing, and a tile or bundle that the newest checkpoint does not cover, is 404. It bounds how many
// requests read the store at once, and holds at most one tile or bundle for each.
func Handler(open func() Log, log *slog.Logger) http.Handler {
	h := &handler{open: open, log: log, reads: make(chan struct{}, readsMax)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /checkpoint", h.checkpoint)
	mux.HandleFunc("GET /tile/{path...}", h.resource)
	return mux
}

// head gives the log and its newest checkpoint, or answers the request.
func (h *handler) head(w http.ResponseWriter) (l Log, note string, size uint64, ok bool) {
	if l = h.open(); l != nil {
		note, size = l.Head()
	}
	if note == "" {
		unavailable(w, "no ledger is open on this node")
		return nil, "", 0, false
	}
	return l, note, size, true
}

func unavailable(w http.ResponseWriter, text string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Retry-After", retrySeconds)
	http.Error(w, text, http.StatusServiceUnavailable)
}

func notFound(w http.ResponseWriter, text string) {
	w.Header().Set("Cache-Control", "no-store") // it may exist under the next checkpoint
	http.Error(w, text, http.StatusNotFound)
}

// checkpoint serves the note as it was signed (c2sp.org/tlog-tiles#checkpoints).
func (h *handler) checkpoint(w http.ResponseWriter, _ *http.Request) {
	_, note, _, ok := h.head(w)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	answer(w, []byte(note))
}

// resource serves a tile (c2sp.org/tlog-tiles#merkle-tree) or a bundle (c2sp.org/tlog-tiles#log-entries). Neither is compressed:
// hashes and commitments do not get smaller.
func (h *handler) resource(w http.ResponseWriter, r *http.Request) {
	p, ok := parsePath(r.PathValue("path"))
	if !ok {
		notFound(w, "not a path of a tile: tile/<L>/<N>[.p/<W>] or tile/entries/<N>[.p/<W>], see c2sp.org/tlog-tiles")
		return
	}
	l, _, size, ok := h.head(w)
	if !ok {
		return
	}
	if !p.under(size) {
		notFound(w, fmt.Sprintf("not in the tree of %d entries that the newest checkpoint signs", size))
		return
	}
	select {
	case h.reads <- struct{}{}:
		defer func() { <-h.reads }()
	case <-r.Context().Done():
		return
	}
	read := tile
	if p.entries {
		read = bundle
	}
	body, err := read(l, p)
	switch {
	case nexus.CodeOf(err) == nexus.CodeUnavailable:
		unavailable(w, "the ledger is closing")
	case err != nil:
		h.log.Error("log not readable", "component", "tilelog", "path", r.URL.Path, "error", err)
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "this part of the log cannot be read; its operator was told", http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", octets)
		w.Header().Set("Cache-Control", immutable)
		answer(w, body)
	}
}

func answer(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body) // a client that is gone needs no answer
}

// tile reads the hashes of a tile. A partial one may be narrower than what the store holds by now: the first hashes are the same.
func tile(l Log, p path) ([]byte, error) {
	nodes := make([]merkle.Node, p.width)
	for i := range nodes {
		nodes[i] = merkle.Node{Level: 8 * p.level, Index: p.index*merkle.TileWidth + uint64(i)}
	}
	hashes, err := l.Hashes(nodes)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(hashes)*hashBytes)
	for i := range hashes {
		out = append(out, hashes[i][:]...)
	}
	return out, nil
}

// bundle computes the commitments of a bundle's entries, each after its length.
func bundle(l Log, p path) ([]byte, error) {
	seq := p.index * merkle.TileWidth
	end := seq + uint64(p.width)
	out := make([]byte, 0, p.width*(2+hashBytes))
	for seq < end {
		r, err := l.RecordBySeq(seq)
		if err != nil {
			return nil, err
		}
		for ; seq < min(end, r.Next()); seq++ {
			i := seq - r.FirstSeq
			c := ledger.Commitment(ledger.EntrySalt(r.Salt, uint32(i)), r.Entries[i])
			out = binary.BigEndian.AppendUint16(out, uint16(len(c)))
			out = append(out, c[:]...)
		}
	}
	return out, nil
}
