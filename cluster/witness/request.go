package witness

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Bounds of a request, in bytes and lines.
const (
	requestMax    = 64 << 10
	proofMax      = 63 // hashes: c2sp.org/tlog-witness#add-checkpoint
	noteMax       = 48 << 10
	signaturesMax = 100 // on a note: as golang.org/x/mod/sumdb/note
	originMax     = 256
)

// Request is the body of an add-checkpoint call: a checkpoint, and the proof that its tree begins with the one of Old entries.
type Request struct {
	Old        uint64
	Proof      []nexus.Hash
	Checkpoint string // signed note
}

// ParseRequest reads a body and refuses every spelling but Encode's. It judges no signature and no proof. Error:
// nexus.CodeMalformed.
func ParseRequest(body []byte) (Request, error) {
	bad := func(format string, args ...any) (Request, error) {
		return Request{}, nexus.Errf("add checkpoint", nexus.CodeMalformed, fmt.Sprintf("request of %d bytes", len(body)),
			"old SIZE, lines of proof, an empty line, a signed checkpoint: c2sp.org/tlog-witness", format, args...)
	}
	if len(body) > requestMax {
		return bad("at most %d", requestMax)
	}
	head, note, ok := strings.Cut(string(body), "\n\n")
	if !ok {
		return bad("no empty line before the checkpoint")
	}
	lines := strings.Split(head, "\n")
	size, ok := strings.CutPrefix(lines[0], "old ")
	if !ok {
		return bad("the first line does not say the old size")
	}
	var r Request
	var err error
	if r.Old, err = parseSize(size); err != nil {
		return bad("old size: %v", err)
	}
	if lines = lines[1:]; len(lines) > proofMax {
		return bad("%d lines of proof, at most %d", len(lines), proofMax)
	}
	for i, l := range lines {
		h, err := parseHash(l)
		if err != nil {
			return bad("line %d of the proof: %v", i+1, err)
		}
		r.Proof = append(r.Proof, h)
	}
	if r.Checkpoint = note; note == "" || len(note) > noteMax {
		return bad("a checkpoint of %d bytes: at least 1, at most %d", len(note), noteMax)
	}
	return r, nil
}

// Encode is the body as ParseRequest reads it.
func (r Request) Encode() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "old %d\n", r.Old)
	for _, h := range r.Proof {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	b.WriteString("\n" + r.Checkpoint)
	return []byte(b.String())
}

// parseSize reads a number of entries in its one spelling.
func parseSize(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%q is not a plain number below 2^63", s)
	}
	return n, nil
}

func parseHash(s string) (nexus.Hash, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != len(nexus.Hash{}) || base64.StdEncoding.EncodeToString(raw) != s {
		return nexus.Hash{}, fmt.Errorf("%q is not the base64 of 32 bytes", s)
	}
	return nexus.Hash(raw), nil
}

// tree is what a checkpoint says of its log (c2sp.org/tlog-checkpoint); lines after the third are the log's own.
type tree struct {
	origin string
	size   uint64
	root   nexus.Hash
	body   string // what is signed
}

// parseTree reads a signed note's body. It judges no signature.
func parseTree(note string) (tree, error) {
	at := strings.LastIndex(note, "\n\n") // as golang.org/x/mod/sumdb/note parts body and signatures
	if at < 0 || !strings.HasSuffix(note, "\n") {
		return tree{}, fmt.Errorf("no signed note")
	}
	if n := strings.Count(note[at+2:], "\n"); n > signaturesMax {
		return tree{}, fmt.Errorf("%d signatures, at most %d", n, signaturesMax)
	}
	t := tree{body: note[:at+1]}
	lines := strings.Split(note[:at], "\n")
	if len(lines) < 3 || lines[0] == "" || len(lines[0]) > originMax {
		return tree{}, fmt.Errorf("a checkpoint has origin, size and root on three lines")
	}
	for _, l := range lines {
		if l == "" {
			return tree{}, fmt.Errorf("an empty line inside the checkpoint")
		}
	}
	t.origin = lines[0]
	var err error
	if t.size, err = parseSize(lines[1]); err != nil {
		return tree{}, fmt.Errorf("size: %w", err)
	}
	if t.root, err = parseHash(lines[2]); err != nil {
		return tree{}, fmt.Errorf("root: %w", err)
	}
	return t, nil
}
