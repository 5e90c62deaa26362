package verify

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"golang.org/x/mod/sumdb/note"
)

// prepareCheckpoint opens the signed note and makes its size and root a pin like those given.
func (c *run) prepareCheckpoint() {
	c.pins = append(c.pins, c.o.Pinned...)
	defer c.sortPins()
	if c.o.Key.IsZero() {
		if c.o.Quorum > 0 {
			c.foundKey([]byte("m/checkpoint"), "%d witnesses are demanded, and no key to check the checkpoint with was given", c.o.Quorum)
		}
		return
	}
	text := c.o.Checkpoint
	if text == "" {
		stored, err := c.src.Get([]byte("m/checkpoint"))
		if err != nil {
			c.foundKey([]byte("m/checkpoint"), "signed checkpoint: %v", err)
			return
		}
		text = string(stored)
	}
	pin, err := openCheckpoint(text, c.o)
	if err == nil {
		c.report.Cosigners, err = cosigned(text, &c.o)
	}
	if err != nil {
		c.foundKey([]byte("m/checkpoint"), "signed checkpoint: %v", err)
		return
	}
	c.report.CheckpointChecked, c.report.CheckpointSize = true, pin.Size
	c.pins = append(c.pins, pin)
}

// openCheckpoint checks the signature and reads origin, size and root; the lines after them are the signer's own.
func openCheckpoint(text string, o Options) (Pin, error) {
	name := o.Name
	if name == "" {
		if o.Cluster.IsZero() {
			return Pin{}, fmt.Errorf("neither the signer's name nor the cluster is known")
		}
		name = "nexus/" + o.Cluster.String()
	}
	vkey, err := note.NewEd25519VerifierKey(name, ed25519.PublicKey(o.Key[:]))
	if err != nil {
		return Pin{}, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return Pin{}, err
	}
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		return Pin{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || !o.Cluster.IsZero() && lines[0] != "nexus/"+o.Cluster.String() {
		return Pin{}, fmt.Errorf("it is of another log: %q", lines[0])
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] {
		return Pin{}, fmt.Errorf("size %q", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != 32 {
		return Pin{}, fmt.Errorf("root %q", lines[2])
	}
	units, err := unitsLine(lines[3:])
	return Pin{Size: size, Root: nexus.Hash(root), Units: units}, err
}

// ActionSignature is a CommandCheck: the command begins with a canonical Action whose signature is its actor's.
func ActionSignature(r *Record) error {
	in := reader{b: r.Command}
	in.bounded(255, "version")
	in.id()    // cluster
	in.id()    // id
	in.bytes() // kind
	in.id()    // unit
	actor := nexus.PublicKey(in.hash())
	in.int()   // time
	in.int()   // expiry
	in.bytes() // body
	signed := len(r.Command) - len(in.b)
	signature := in.bytes()
	if in.err != nil {
		return fmt.Errorf("no canonical action: %w", in.err)
	}
	// What is signed has an empty signature, whose length is the one byte 0.
	message := append([]byte("nexus-action-v1\n"), r.Command[:signed]...)
	if !actor.Verify(append(message, 0), signature) {
		return fmt.Errorf("the signature of identity %s does not fit", actor.Short())
	}
	return nil
}
