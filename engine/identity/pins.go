package identity

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// A client pins the last checkpoint that it saw of each cluster, outside the data directory: who can rewrite the node's
// files, or put yesterday's back, cannot rewrite what its clients remember (SPEC section 6, immutability).

// Checkpoint is the head of a log as a signed note says it (C2SP tlog-checkpoint). Text is the whole note with its
// signatures; the caller has verified them with the cluster's platform key.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   nexus.Hash
	Text   string
}

// checkpointMax bounds the text of a checkpoint, in bytes.
const checkpointMax = 64 << 10

// ParseCheckpoint reads origin, size and root of a note's text. It verifies no signature.
func ParseCheckpoint(text string) (Checkpoint, error) {
	bad := func(format string, args ...any) (Checkpoint, error) {
		return Checkpoint{}, nexus.Errf("read checkpoint", nexus.CodeMalformed, "checkpoint",
			"a signed note: origin, size, root",
			format, args...)
	}
	if len(text) > checkpointMax {
		return bad("%d bytes, at most %d", len(text), checkpointMax)
	}
	body, _, ok := strings.Cut(text, "\n\n")
	if !ok {
		return bad("no blank line before the signatures")
	}
	lines := strings.Split(body, "\n")
	if len(lines) < 3 || lines[0] == "" {
		return bad("three lines are wanted")
	}
	size, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] {
		return bad("size %q is not a plain number", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(nexus.Hash{}) {
		return bad("root %q is not base64 of 32 bytes", lines[2])
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: nexus.Hash(root), Text: text}, nil
}

// ConsistencyProver shows that the log of newer begins with the log of older (RFC 9162, section 2.1.4): it fetches a
// proof from whoever served newer and verifies it. Nil means proven; an error that wraps ErrInconsistent means
// disproven; any other error means that nothing is known. It is not called with a size of 0 or with equal sizes.
type ConsistencyProver func(older, newer Checkpoint) error

// ErrInconsistent says that two checkpoints of one log cannot both be true.
var ErrInconsistent = errors.New("log is not consistent with the pinned checkpoint")

// ErrRollback says that a log is shorter than the one seen before.
var ErrRollback = errors.New("log is shorter than the pinned checkpoint")

// Pins is the store of pinned checkpoints of one user. Safe for concurrent use, also by several processes.
type Pins struct{ dir string }

// PinsDir is where pins lie by the XDG rules: <stateHome>/nexus/pins, or <home>/.local/state/nexus/pins when stateHome
// ($XDG_STATE_HOME) is empty or not absolute.
func PinsDir(stateHome, home string) string {
	if !filepath.IsAbs(stateHome) {
		stateHome = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(stateHome, "nexus", "pins")
}

// NewPins gives the store in dir, which is made when the first pin is written.
func NewPins(dir string) *Pins { return &Pins{dir: dir} }

// pinFile is the stored form; SHA256 covers the other fields.
type pinFile struct {
	Cluster    nexus.ID   `json:"cluster"`
	Seen       time.Time  `json:"seen"`
	Checkpoint string     `json:"checkpoint"`
	SHA256     nexus.Hash `json:"sha256"`
}

func (f pinFile) sum() nexus.Hash {
	return sha256.Sum256([]byte(f.Cluster.String() + "\n" + f.Seen.Format(time.RFC3339Nano) + "\n" + f.Checkpoint))
}

func (f pinFile) encode() ([]byte, error) {
	b, err := json.MarshalIndent(f, "", "  ")
	return append(b, '\n'), err
}

func (p *Pins) path(cluster nexus.ID) string { return filepath.Join(p.dir, cluster.String()+".json") }

// Load gives the pinned checkpoint of a cluster. CodeNotFound: none was seen yet. CodeCorrupt: the file is damaged.
func (p *Pins) Load(cluster nexus.ID) (Checkpoint, time.Time, error) {
	const op = "read pin"
	path := p.path(cluster)
	b, err := readPrivate(op, path)
	if err != nil {
		return Checkpoint{}, time.Time{}, err
	}
	bad := func(err error) (Checkpoint, time.Time, error) {
		return Checkpoint{}, time.Time{}, corrupt(op, path,
			"compare with a checkpoint from a report or another client, then delete the file to pin anew", err)
	}
	var f pinFile
	if err := json.Unmarshal(b, &f); err != nil {
		return bad(err)
	}
	// Only the bytes that store writes are accepted: encoding/json forgives case, order, repeats and unknown fields.
	if again, err := f.encode(); err != nil || !bytes.Equal(again, b) {
		return bad(errors.New("not as it was written"))
	}
	if f.Cluster != cluster {
		return bad(fmt.Errorf("is of cluster %s", f.Cluster))
	}
	if f.sum() != f.SHA256 {
		return bad(errors.New("SHA-256 does not fit the content"))
	}
	c, err := ParseCheckpoint(f.Checkpoint)
	if err != nil {
		return bad(err)
	}
	return c, f.Seen, nil
}

// checkRetries bounds how often Check starts over because another process moved the pin while a proof was fetched.
const checkRetries = 8

// Check compares a checkpoint, whose signature the caller has verified, with the pinned one and pins it when it is
// newer and proven to continue it. The first checkpoint of a cluster is pinned as it is (first is true): trust on
// first use.
//
// Errors, none of which moves the pin:
//   - CodeCorrupt with ErrInconsistent: other content at the same size, or the prover disproved it. Both notes are kept
//     in <cluster>.conflict.json: two signed heads that exclude each other are publishable proof of misconduct.
//   - CodeCorrupt with ErrRollback: fewer entries than seen before; the files were put back, or a replica lags.
//   - CodeUnavailable: the proof could not be had.
//   - CodeCorrupt naming the pin file: it is damaged.
func (p *Pins) Check(cluster nexus.ID, text string, prove ConsistencyProver) (first bool, err error) {
	const op = "check checkpoint"
	fresh, err := ParseCheckpoint(text)
	if err != nil {
		return false, err
	}
	for range checkRetries {
		pinned, _, err := p.Load(cluster)
		none := nexus.CodeOf(err) == nexus.CodeNotFound
		if err != nil && !none {
			return false, err
		}
		if !none {
			if err := p.compare(op, cluster, pinned, fresh, prove); err != nil {
				return false, err
			}
			if fresh.Size == pinned.Size {
				return false, nil
			}
		}
		moved, err := p.store(op, cluster, pinned.Text, fresh)
		if err != nil || !moved {
			return none && err == nil, err
		}
	}
	return false, nexus.Errf(op, nexus.CodeUnavailable, "cluster "+cluster.String(), "try again",
		"other processes keep moving the pin")
}

func (p *Pins) compare(op string, cluster nexus.ID, pinned, fresh Checkpoint, prove ConsistencyProver) error {
	subject := fmt.Sprintf("cluster %s: pinned %d, shown %d entries", cluster, pinned.Size, fresh.Size)
	hint := "do not trust this node; compare with other clients: both checkpoints are in " + p.conflictPath(cluster)
	switch {
	case fresh.Origin != pinned.Origin:
		return p.conflict(op, subject, hint, cluster, pinned, fresh, fmt.Errorf("%w: origin is %q, not %q", ErrInconsistent,
			fresh.Origin, pinned.Origin))
	case fresh.Size < pinned.Size:
		return &nexus.Error{Op: op, Code: nexus.CodeCorrupt, Subject: subject, Cause: ErrRollback,
			Hint: "if the node was restored from a backup, entries after it are lost: ask its operator"}
	case fresh.Size == pinned.Size && fresh.Root != pinned.Root:
		return p.conflict(op, subject, hint, cluster, pinned, fresh, fmt.Errorf("%w: two roots for one size",
			ErrInconsistent))
	case fresh.Size == pinned.Size || pinned.Size == 0:
		return nil
	case prove == nil:
		return nexus.Errf(op, nexus.CodeInternal, subject, "", "no prover was given")
	}
	err := prove(pinned, fresh)
	switch {
	case errors.Is(err, ErrInconsistent):
		return p.conflict(op, subject, hint, cluster, pinned, fresh, err)
	case err != nil:
		return &nexus.Error{Op: op, Code: nexus.CodeUnavailable, Subject: subject, Cause: err,
			Hint: "try again; a node that cannot prove consistency is not to be trusted"}
	}
	return nil
}

func (p *Pins) conflictPath(cluster nexus.ID) string {
	return filepath.Join(p.dir, cluster.String()+".conflict.json")
}

// conflict keeps both notes. The first conflict stays: a later one adds nothing to the proof.
func (p *Pins) conflict(op, subject, hint string, cluster nexus.ID, pinned, fresh Checkpoint, cause error) error {
	if path := p.conflictPath(cluster); !exists(path) {
		b, err := json.MarshalIndent(map[string]any{"cluster": cluster, "pinned": pinned.Text, "shown": fresh.Text,
			"seen": time.Now().UTC()}, "", "  ")
		if err == nil {
			err = writeAtomic(op, path, append(b, '\n'))
		}
		if err != nil {
			cause = errors.Join(cause, fmt.Errorf("and the proof could not be kept: %w", err))
		}
	}
	return &nexus.Error{Op: op, Code: nexus.CodeCorrupt, Subject: subject, Cause: cause, Hint: hint}
}

// store replaces the pin, unless it is no longer the one that fresh was compared with: then moved is true.
func (p *Pins) store(op string, cluster nexus.ID, compared string, fresh Checkpoint) (moved bool, err error) {
	if err := os.MkdirAll(p.dir, dirMode); err != nil {
		return false, fileError(op, p.dir, err)
	}
	err = withDirLock(op, p.dir, func() error {
		now, _, err := p.Load(cluster)
		if err != nil && nexus.CodeOf(err) != nexus.CodeNotFound {
			return err
		}
		if now.Text != compared {
			moved = true
			return nil
		}
		f := pinFile{Cluster: cluster, Seen: time.Now().UTC().Round(0), Checkpoint: fresh.Text}
		f.SHA256 = f.sum()
		b, err := f.encode()
		if err != nil {
			return &nexus.Error{Op: op, Code: nexus.CodeInternal, Subject: p.path(cluster), Cause: err}
		}
		return writeAtomic(op, p.path(cluster), b)
	})
	return moved, err
}
