package witness

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// LogKey is a log that a witness watches: its origin, and a key that signs its checkpoints. A log may have several.
type LogKey struct {
	Origin   string
	verifier note.Verifier
}

// ParseLogKey reads ORIGIN=KEY, or KEY alone when the key's name is the origin. KEY is a verifier key of signed notes for Ed25519
// (c2sp.org/signed-note), as nexus ledger head prints it. Error: nexus.CodeUsage.
func ParseLogKey(text string) (LogKey, error) {
	origin, key, named := strings.Cut(text, "=")
	if !named {
		key = text
	}
	v, err := note.NewVerifier(key)
	if err != nil {
		return LogKey{}, nexus.Errf("log key", nexus.CodeUsage, fmt.Sprintf("%q", text),
			"write ORIGIN=KEY or KEY, with the verifier key that the log's operator publishes: name+hash+base64", "%w", err)
	}
	if !named {
		origin = v.Name()
	}
	if origin == "" || len(origin) > originMax || strings.ContainsAny(origin, "\n\r") {
		return LogKey{}, nexus.Errf("log key", nexus.CodeUsage, fmt.Sprintf("%q", text), "write ORIGIN=KEY", "no origin")
	}
	return LogKey{Origin: origin, verifier: v}, nil
}

// Config says what a witness is. All but Clock and Logger is required.
type Config struct {
	Dir    string // made by Init
	Name   string // of its key, a URL without its scheme by custom
	Signer nexus.Signer
	Logs   []LogKey
	Clock  func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: nothing is logged
}

// Witness cosigns the checkpoints of the logs that it was told of. Safe for concurrent use; one process holds its folder.
type Witness struct {
	dir    string
	key    verify.WitnessKey
	signer nexus.Signer
	keys   map[string][]note.Verifier // by origin
	clock  func() time.Time
	log    *slog.Logger
	held   *os.File

	saved func() error // called when a checkpoint is on disk and its cosignature not given away yet; tests

	mu   sync.Mutex // guards what follows, and the order of checks and writes
	logs map[string]seen
}

// Open opens a witness's folder and locks it. Errors: nexus.CodeCorrupt for a state that is missing, damaged or of another key,
// nexus.CodeConflict when another process holds the folder, nexus.CodeUsage when no log is named.
func Open(c Config) (*Witness, error) {
	key, err := verify.NewWitnessKey(c.Name, c.Signer.Public())
	if err != nil {
		return nil, err
	}
	if len(c.Logs) == 0 {
		return nil, nexus.Errf("open witness", nexus.CodeUsage, "logs", "name a log: ORIGIN=KEY", "none to watch")
	}
	w := &Witness{dir: c.Dir, key: key, signer: c.Signer, keys: map[string][]note.Verifier{}, clock: c.Clock, log: c.Logger}
	for _, l := range c.Logs {
		w.keys[l.Origin] = append(w.keys[l.Origin], l.verifier)
	}
	if w.clock == nil {
		w.clock = time.Now
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	if w.held, err = lock(c.Dir); err != nil {
		return nil, err
	}
	if w.logs, err = loadState(c.Dir, key); err != nil {
		_ = w.held.Close() // the first error says more
		return nil, err
	}
	return w, nil
}

// Close gives the folder back.
func (w *Witness) Close() error { return w.held.Close() }

// Key is the witness's key; its String is what others are told.
func (w *Witness) Key() verify.WitnessKey { return w.key }

// Refusal says why a checkpoint is not cosigned, as an HTTP status of c2sp.org/tlog-witness.
type Refusal struct {
	Status int
	Size   uint64 // of the newest cosigned checkpoint; for 409
	Why    string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Why }

func refuse(status int, format string, args ...any) error {
	return &Refusal{Status: status, Why: fmt.Sprintf(format, args...)}
}

// Add judges a request and gives the line of the cosignature. The checkpoint is on disk when it returns. Errors: *Refusal; any other
// means that the state could not be saved, and nothing is cosigned.
func (w *Witness) Add(r Request) (line string, err error) {
	next, err := w.open(r.Checkpoint)
	if err != nil {
		return "", err
	}
	if r.Old > next.size {
		return "", refuse(http.StatusBadRequest, "old size %d, the checkpoint has %d entries", r.Old, next.size)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	last, known := w.logs[next.origin]
	if known && next.size == last.size && next.root != last.root {
		w.twoRoots(last, r.Checkpoint)
	}
	if r.Old != last.size {
		return "", &Refusal{Status: http.StatusConflict, Size: last.size,
			Why: fmt.Sprintf("old size %d, this witness cosigned %d entries", r.Old, last.size)}
	}
	switch {
	case next.size == 0 && next.root != merkle.EmptyRoot():
		err = refuse(http.StatusUnprocessableEntity, "the tree without entries has another root")
	case r.Old == 0 && len(r.Proof) > 0:
		err = refuse(http.StatusUnprocessableEntity, "a proof from the tree without entries, which needs none")
	case r.Old > 0:
		if bad := merkle.CheckConsistency(r.Proof, r.Old, next.size, last.root, next.root); bad != nil {
			w.log.Error("a checkpoint that is not proven to continue the one before", "component", "witness", "origin", next.origin,
				"cosigned", last.size, "shown", next.size, "error", bad)
			err = refuse(http.StatusUnprocessableEntity, "the proof does not show that the tree of %d entries begins with the one of %d", next.size, r.Old)
		}
	}
	if err != nil {
		return "", err
	}
	return w.cosign(next, last.seconds, known)
}

// open checks origin and signatures of a note.
func (w *Witness) open(text string) (seen, error) {
	t, err := parseTree(text)
	if err != nil {
		return seen{}, refuse(http.StatusBadRequest, "checkpoint: %v", err)
	}
	keys, ok := w.keys[t.origin]
	if !ok {
		return seen{}, refuse(http.StatusNotFound, "origin %q is not watched here", t.origin)
	}
	opened, err := note.Open([]byte(text), note.VerifierList(keys...))
	if err != nil {
		return seen{}, refuse(http.StatusForbidden, "no valid signature of a key of %q: %v", t.origin, err)
	}
	s := seen{Origin: t.origin, Checkpoint: opened.Text + "\n", tree: t}
	for _, sig := range opened.Sigs { // those of the log; what others put beside is not ours to pass on
		s.Checkpoint += "— " + sig.Name + " " + sig.Base64 + "\n"
	}
	return s, nil
}

// cosign signs, saves and only then gives the cosignature away. Crash before the rename: the old state stands, and the log asks again.
// Crash after it: the log learns the new size from 409, and gets its cosignature with an empty proof.
func (w *Witness) cosign(next seen, lastSeconds uint64, known bool) (string, error) {
	next.seconds = uint64(max(w.clock().Unix(), 1))
	if known { // a clock that was put back must not date a larger tree before a smaller one
		next.seconds = max(next.seconds, lastSeconds)
	}
	sig, err := w.signer.Sign(verify.CosignatureMessage(next.body, next.seconds))
	if err != nil {
		return "", nexus.Errf("cosign", nexus.CodeUnavailable, "log "+next.origin, "check the witness's key", "%w", err)
	}
	line := w.key.CosignatureLine(next.seconds, sig)
	next.Checkpoint += line
	logs := make(map[string]seen, len(w.logs)+1)
	for origin, s := range w.logs {
		logs[origin] = s
	}
	logs[next.origin] = next
	b, err := encodeState(w.key, logs)
	if err == nil {
		err = replaceFile(filepath.Join(w.dir, stateFile), b)
	}
	if err == nil && w.saved != nil {
		err = w.saved()
	}
	if err != nil {
		return "", nexus.Errf("cosign", nexus.CodeUnavailable, "log "+next.origin, "free disk space, or mend the witness's folder", "%w", err)
	}
	w.logs = logs
	return line, nil
}

// twoRoots keeps the proof that the log's key signed two histories.
func (w *Witness) twoRoots(last seen, second string) {
	path, err := keepEvidence(w.dir, TwoRoots{Origin: last.Origin, Size: last.size, First: last.Checkpoint, Second: second})
	w.log.Error("two roots for one size: the log shows different histories", "component", "witness", "origin", last.Origin, "size", last.size,
		"evidence", path, "not_kept", err)
}

// Watched is what a witness knows of a log.
type Watched struct {
	Origin     string    `json:"origin"`
	Size       uint64    `json:"size"`       // entries under the newest cosigned checkpoint
	Time       time.Time `json:"time"`       // of the cosignature; zero: nothing cosigned yet
	Checkpoint string    `json:"checkpoint"` // with the log's signature and this witness's; empty: nothing cosigned yet
}

// Watching lists the logs of a witness by origin, those of its state that it was not told of again included.
func (w *Witness) Watching() []Watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := watched(w.logs)
	for origin := range w.keys {
		if _, ok := w.logs[origin]; !ok {
			out = append(out, Watched{Origin: origin})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Origin < out[j].Origin })
	return out
}

func watched(logs map[string]seen) []Watched {
	out := []Watched{}
	for _, s := range logs {
		out = append(out, Watched{Origin: s.Origin, Size: s.size, Time: time.Unix(int64(s.seconds), 0).UTC(), Checkpoint: s.Checkpoint})
	}
	return out
}

// ReadFolder says what the witness in a folder has cosigned, and which files hold evidence against a log. It reads only, also while
// a process serves. Errors as Open's.
func ReadFolder(dir string, key verify.WitnessKey) (logs []Watched, evidence []string, err error) {
	state, err := loadState(dir, key)
	if err != nil {
		return nil, nil, err
	}
	logs = watched(state)
	sort.Slice(logs, func(i, j int) bool { return logs[i].Origin < logs[j].Origin })
	evidence, err = filepath.Glob(filepath.Join(dir, evidenceDir, "*.json"))
	return logs, evidence, err
}
