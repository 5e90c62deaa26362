package ledger

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"golang.org/x/mod/sumdb/note"
)

// Checkpoint is what a node signs about its log: size and root of the tree and the command index it stands at. As text it
// is a C2SP checkpoint (c2sp.org/tlog-checkpoint) with extension lines.
type Checkpoint struct {
	Cluster nexus.ID
	Size    uint64
	Root    nexus.Hash
	Index   uint64
	Units   nexus.Hash // root of the map of units (UnitMap); zero in checkpoints from before there was one
}

const (
	originPrefix = "nexus/"
	unitsPrefix  = "units "
)

// Origin is the checkpoint's first line: which log it speaks of.
func (cp Checkpoint) Origin() string { return originPrefix + cp.Cluster.String() }

// Text is the checkpoint's body, the bytes that are signed.
func (cp Checkpoint) Text() string {
	text := fmt.Sprintf("%s\n%d\n%s\nindex %d\n", cp.Origin(), cp.Size, base64.StdEncoding.EncodeToString(cp.Root[:]), cp.Index)
	if !cp.Units.IsZero() {
		text += unitsPrefix + base64.StdEncoding.EncodeToString(cp.Units[:]) + "\n"
	}
	return text
}

// ParseCheckpoint reads a body as Text writes it and refuses every other spelling. Error: nexus.CodeMalformed.
func ParseCheckpoint(text string) (Checkpoint, error) {
	var cp Checkpoint
	bad := func() (Checkpoint, error) {
		return Checkpoint{}, nexus.Errf("parse checkpoint", nexus.CodeMalformed,
			fmt.Sprintf("checkpoint of %d bytes", len(text)),
			"origin, size, root, index and units, one line each", "not a checkpoint of this program")
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 5 && len(lines) != 6 || len(text) > 1024 {
		return bad()
	}
	cluster, ok := strings.CutPrefix(lines[0], originPrefix)
	if !ok || cp.Cluster.UnmarshalText([]byte(cluster)) != nil {
		return bad()
	}
	root, errRoot := base64.StdEncoding.DecodeString(lines[2])
	size, errSize := strconv.ParseUint(lines[1], 10, 64)
	index, errIndex := strconv.ParseUint(strings.TrimPrefix(lines[3], "index "), 10, 64)
	for _, err := range []error{errRoot, errSize, errIndex} {
		if err != nil {
			return bad()
		}
	}
	if len(root) != 32 {
		return bad()
	}
	cp.Size, cp.Index, cp.Root = size, index, nexus.Hash(root)
	if len(lines) == 6 {
		units, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[4], unitsPrefix))
		if err != nil || len(units) != 32 {
			return bad()
		}
		cp.Units = nexus.Hash(units)
	}
	// One text per checkpoint: leading zeros, capitals and padding tricks all differ from what Text writes.
	if cp.Text() != text {
		return bad()
	}
	return cp, nil
}

// VerifierKey gives the key in the form of signed notes ("name+hash+base64"), as other tools of that ecosystem take
// it. Error: nexus.CodeMalformed for a name that is empty or holds a space or a plus sign.
func VerifierKey(name string, key nexus.PublicKey) (string, error) {
	vkey, err := note.NewEd25519VerifierKey(name, ed25519.PublicKey(key[:]))
	if err == nil {
		_, err = note.NewVerifier(vkey)
	}
	if err != nil {
		return "", nexus.Errf("verifier key", nexus.CodeMalformed, fmt.Sprintf("name %q", name),
			"a name without spaces and plus signs", "%w", err)
	}
	return vkey, nil
}

// noteSigner lets any nexus.Signer, an agent's key too, sign notes.
type noteSigner struct {
	name   string
	hash   uint32
	signer nexus.Signer
}

func (s noteSigner) Name() string                    { return s.name }
func (s noteSigner) KeyHash() uint32                 { return s.hash }
func (s noteSigner) Sign(msg []byte) ([]byte, error) { return s.signer.Sign(msg) }

// SignCheckpoint gives the signed note of cp: its text, a blank line, one signature line under name. Errors:
// nexus.CodeMalformed for a bad name, nexus.CodeUnavailable when the signer fails.
func SignCheckpoint(signer nexus.Signer, name string, cp Checkpoint) (string, error) {
	return SignNote(signer, name, cp.Text())
}

// SignNote gives the signed note of any text under name, which must not begin as a checkpoint of a log does unless it is one. Errors as
// SignCheckpoint.
func SignNote(signer nexus.Signer, name, text string) (string, error) {
	vkey, err := VerifierKey(name, signer.Public())
	if err != nil {
		return "", err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return "", nexus.Errf("sign note", nexus.CodeInternal, "key "+vkey, "", "%w", err)
	}
	signed, err := note.Sign(&note.Note{Text: text}, noteSigner{name: name, hash: verifier.KeyHash(), signer: signer})
	if err != nil {
		first, _, _ := strings.Cut(text, "\n")
		return "", nexus.Errf("sign note", nexus.CodeUnavailable, first, "check the node's key", "%w", err)
	}
	return string(signed), nil
}

// OpenCheckpoint checks that text carries name's signature by key and gives the checkpoint. Signatures of others
// (cosignatures) are let through unread. Errors: nexus.CodeCorrupt when the signature is absent or wrong,
// nexus.CodeMalformed when what is signed is no checkpoint.
func OpenCheckpoint(text string, name string, key nexus.PublicKey) (Checkpoint, error) {
	vkey, err := VerifierKey(name, key)
	if err != nil {
		return Checkpoint{}, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return Checkpoint{}, nexus.Errf("open checkpoint", nexus.CodeInternal, "key "+vkey, "", "%w", err)
	}
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		return Checkpoint{}, nexus.Errf("open checkpoint", nexus.CodeCorrupt,
			fmt.Sprintf("checkpoint under %s (%08x)", name, verifier.KeyHash()),
			"do not trust it; compare the node's public key", "%w", err)
	}
	return ParseCheckpoint(opened.Text)
}
