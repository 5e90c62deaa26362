package suite

import (
	"encoding/binary"
	"fmt"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// rewritten attacks the log as a whole, as an admin with the program's source would: every hash, index and tile after
// the change is made to fit. Without the node's key the signed checkpoint gives it away; with it, an earlier checkpoint
// that somebody kept does (SPEC section 6, what immutability means).
func (t *tamperer) rewritten() error {
	cluster := t.env.Engine.Cluster()
	seen := t.o
	seen.Pinned = []verify.Pin{{Size: t.last.Next(), Root: t.last.Root}} // what a client saw before
	for _, x := range []struct {
		name   string
		signer nexus.Signer // nil: the stored checkpoint stays
		o      verify.Options
		make   func(*storedCopy, nexus.Signer) error
	}{
		{"checkpoint of another key found", t.stranger(), t.o,
			func(c *storedCopy, s nexus.Signer) error { return c.seal(t.last, s, cluster) }},
		{"rewritten history found", nil, t.o, t.forge},
		{"rewritten, signed by another key, found", t.stranger(), t.o, t.forge},
		{"rewritten with the node's key, found by an earlier checkpoint", t.env.Node, seen, t.forge},
		{"cut off tail found", nil, t.o, t.cutTail},
		{"cut off with the node's key, found by an earlier checkpoint", t.env.Node, seen, t.cutTail},
	} {
		if err := t.attack(x.name, x.signer, x.o, x.make); err != nil {
			return err
		}
	}
	return nil
}

// attack changes a clone of the copy and asks the checker.
func (t *tamperer) attack(name string, signer nexus.Signer, o verify.Options,
	change func(*storedCopy, nexus.Signer) error) error {
	whole := t.copy
	defer func() { t.copy = whole }()
	t.copy = whole.clone()
	if err := change(t.copy, signer); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	found, first, err := t.findings(o)
	if err != nil {
		return err
	}
	t.require(found > 0, name, fmt.Sprintf("%d findings in %d entries; %s", found, t.copy.size, orNone(first)),
		auditRemedy)
	return nil
}

// dropAll takes out the keys with a prefix.
func (c *storedCopy) dropAll(prefix string) {
	kept := make([]string, 0, len(c.keys))
	for _, k := range c.keys {
		if strings.HasPrefix(k, prefix) {
			delete(c.values, k)
		} else {
			kept = append(kept, k)
		}
	}
	c.keys = kept
}

// cutTail removes the last record with everything that speaks of it.
func (t *tamperer) cutTail(c *storedCopy, signer nexus.Signer) error {
	var before ledger.Record
	err := c.Records(func(index uint64, encoded []byte) error {
		if index == t.last.Index {
			return nil
		}
		r, err := ledger.ParseRecord(encoded)
		before = r
		return err
	})
	if err != nil {
		return err
	}
	return t.finish(c, signer, func(s nexus.Signer) error { return c.cutTo(before, s, t.env.Engine.Cluster()) })
}

// finish runs a step that signs; without a signer the stored checkpoint stays in its place.
func (t *tamperer) finish(c *storedCopy, signer nexus.Signer, step func(nexus.Signer) error) error {
	stored := c.values[checkpointKey]
	if signer != nil {
		return step(signer)
	}
	if err := step(t.env.Node); err != nil {
		return err
	}
	c.values[checkpointKey] = stored
	return nil
}

// decisionAfter finds the first decision from an entry on, or the last of all.
func (c *storedCopy) decisionAfter(from uint64) (seq uint64, err error) {
	err = c.Records(func(_ uint64, encoded []byte) error {
		r, err := ledger.ParseRecord(encoded)
		if err == nil && (seq < from || seq == 0) {
			seq = r.FirstSeq // the decision is the first entry of every record
		}
		return err
	})
	return seq, err
}

// forge changes one stored decision and computes every chain, leaf, root and tile after it anew.
func (t *tamperer) forge(c *storedCopy, signer nexus.Signer) error {
	target, err := c.decisionAfter(c.size / 4)
	if err != nil {
		return err
	}
	chain := ledger.NewChain()
	var tiles merkle.Tiles
	var full []merkle.Tile
	var last ledger.Record
	var puts []ledger.Record
	err = c.Records(func(_ uint64, encoded []byte) error {
		r, err := ledger.ParseRecord(encoded)
		if err != nil {
			return err
		}
		drafts := make([]ledger.Draft, len(r.Entries))
		for i, raw := range r.Entries {
			e, err := ledger.ParseEntry(raw)
			if err != nil {
				return err
			}
			if e.Seq == target {
				e.Body = append([]byte(nil), e.Body...)
				e.Body[len(e.Body)/2] ^= 1
			}
			drafts[i] = ledger.Draft{Unit: e.Unit, Kind: e.Kind, Body: e.Body, Postings: e.Postings}
		}
		var leaves []nexus.Hash
		r.Entries, leaves = chain.Append(r.Index, r.TimeMs, r.Salt, drafts)
		r.Root = chain.Root()
		for _, leaf := range leaves {
			full = tiles.Append(leaf, full)
		}
		last = r
		puts = append(puts, r)
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range puts {
		c.putRecord(r)
	}
	for _, tile := range full {
		var payload []byte
		for _, h := range tile.Hashes {
			payload = append(payload, h[:]...)
		}
		c.put(string(binary.BigEndian.AppendUint64([]byte{'h', '/', tile.Level}, tile.Index)), payload)
	}
	return t.finish(c, signer, func(s nexus.Signer) error { return c.seal(last, s, t.env.Engine.Cluster()) })
}

// putRecord stores a record as one chunk, in the place of all there were.
func (c *storedCopy) putRecord(r ledger.Record) {
	key := string(binary.BigEndian.AppendUint64([]byte(recordPrefix), r.Index)) + "\x00\x00"
	for _, k := range c.with(key[:len(key)-2]) {
		if k != key {
			c.dropAll(key[:len(key)-2])
			break
		}
	}
	c.put(key, oneChunk(r))
}
