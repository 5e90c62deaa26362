package witness

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

const (
	evidenceDir  = "evidence"
	evidenceForm = "nexus-two-roots-v1"
	evidenceMax  = 256 // files: after that an operator has seen enough
)

// TwoRoots is the evidence that a log's key signed two trees of one size. Whoever has the log's key can check it.
type TwoRoots struct {
	Format string `json:"format"`
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	First  string `json:"first"`  // the note that the witness cosigned
	Second string `json:"second"` // the one that it refused
}

// CheckEvidence checks that a file of evidence holds two notes with one origin and size and different roots, both signed by a key of the
// log. Error: nexus.CodeMalformed for what proves nothing.
func CheckEvidence(b []byte, keys []LogKey) (TwoRoots, error) {
	var e TwoRoots
	bad := func(format string, args ...any) (TwoRoots, error) {
		return TwoRoots{}, nexus.Errf("check evidence", nexus.CodeMalformed, fmt.Sprintf("file of %d bytes", len(b)),
			"give a file of a witness's folder of evidence, and the log's key", format, args...)
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return bad("%w", err)
	}
	if e.Format != evidenceForm {
		return bad("format %q; this version reads %s", e.Format, evidenceForm)
	}
	var verifiers []note.Verifier
	for _, k := range keys {
		if k.Origin == e.Origin {
			verifiers = append(verifiers, k.verifier)
		}
	}
	var trees [2]tree
	for i, text := range []string{e.First, e.Second} {
		var err error
		if trees[i], err = parseTree(text); err == nil {
			_, err = note.Open([]byte(text), note.VerifierList(verifiers...))
		}
		if err != nil {
			return bad("note %d: %w", i+1, err)
		}
		if trees[i].origin != e.Origin || trees[i].size != e.Size {
			return bad("note %d is of %q at %d entries", i+1, trees[i].origin, trees[i].size)
		}
	}
	if trees[0].root == trees[1].root {
		return bad("both notes have the same root")
	}
	return e, nil
}

// keepEvidence writes the first evidence for a size of a log; a later one adds nothing. It gives the file's path.
func keepEvidence(dir string, e TwoRoots) (string, error) {
	e.Format = evidenceForm
	folder := filepath.Join(dir, evidenceDir)
	sum := sha256.Sum256([]byte(e.Origin))
	path := filepath.Join(folder, fmt.Sprintf("%x-%d.json", sum[:8], e.Size))
	if _, err := os.Lstat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(folder, dirPrivate); err != nil {
		return "", err
	}
	if list, err := os.ReadDir(folder); err != nil || len(list) >= evidenceMax {
		return "", errors.Join(err, fmt.Errorf("%s holds %d files already", folder, len(list)))
	}
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return "", err
	}
	return path, replaceFile(path, append(b, '\n'))
}
