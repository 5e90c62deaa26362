package suite

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

const (
	// tamperEntriesMax bounds the copy that is tampered with: each of about 70 changes costs one run of the checker over
	// all of it, which takes some 10 ms then.
	tamperEntriesMax = 4_000
	// newestMax is how far from the end entries are picked whose change is held against the signed root.
	newestMax    = 1_000
	newestChange = 32
)

// tamperer changes one thing at a time in a copy of the stored bytes and asks the independent checker.
type tamperer struct {
	*session
	ctx  context.Context
	copy *storedCopy
	last ledger.Record // of the copy
	o    verify.Options
}

// tampering is the part of the audit suite that attacks a copy of the stored bytes.
func (w *auditRun) tampering(ctx context.Context) error {
	t, err := w.newTamperer(ctx)
	if err != nil {
		return err
	}
	clean, first, err := t.findings(t.o)
	if err != nil {
		return err
	}
	share := fmt.Sprintf("the checker runs over %d of %d entries", t.copy.size, t.copy.of)
	// Without this, "found" would mean nothing.
	if !w.equal("untouched copy", int(clean), 0, "findings", share+"; "+orNone(first), auditRemedy) {
		return nil
	}
	t.o.CommandCheck = nil // signatures were checked once; what follows must be found without them
	if err := t.flips(share); err != nil {
		return err
	}
	if err := t.resealed(share); err != nil {
		return err
	}
	if err := t.newest(); err != nil {
		return err
	}
	return t.rewritten()
}

func (w *auditRun) newTamperer(ctx context.Context) (*tamperer, error) {
	src, err := w.stored()
	if err != nil {
		return nil, err
	}
	cluster := w.env.Engine.Cluster()
	c, err := copyStored(src, w.store.Size(), w.tamperMax, w.env.Node, cluster)
	if closed := src.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	t := &tamperer{session: w.session, ctx: ctx, copy: c, o: verify.Options{Cluster: cluster, Key: w.env.Engine.NodeKey(),
		CommandCheck: verify.ActionSignature, FindingsMax: 1}}
	return t, c.Records(func(_ uint64, encoded []byte) (err error) {
		t.last, err = ledger.ParseRecord(encoded)
		return err
	})
}

// findings asks the checker about the copy as it is now.
func (t *tamperer) findings(o verify.Options) (n uint64, first string, err error) {
	rep, err := t.checker(t.ctx, t.copy, o)
	if err != nil {
		return 0, "", err
	}
	if len(rep.Findings) > 0 {
		first = rep.Findings[0].String()
	}
	if rep.Entries != rep.Claimed && rep.FindingsTotal == 0 {
		return 1, fmt.Sprintf("%d of %d entries verified", rep.Entries, rep.Claimed), nil
	}
	return rep.FindingsTotal, first, nil
}

// tally counts tries and finds of one way to tamper.
type tally struct {
	tried, found int
	missed       string
}

// try replaces one stored value, asks, and puts it back.
func (t *tamperer) try(n *tally, what, key string, value []byte) error {
	old := t.copy.values[key]
	t.copy.values[key] = value
	found, _, err := t.findings(t.o)
	t.copy.values[key] = old
	n.add(found > 0, what)
	return err
}

func (n *tally) add(found bool, what string) {
	n.tried++
	if found {
		n.found++
	} else if n.missed == "" {
		n.missed = "not found: " + what
	}
}

// flips changes single bits of stored values, as somebody with an editor would.
func (t *tamperer) flips(share string) error {
	n := &tally{}
	places := ""
	for _, area := range []struct {
		name, prefix string
		times        int
	}{{"records", recordPrefix, 12}, {"sequence index", sequencePrefix, 4}, {"tree hashes", tilePrefix, 6}, {"head",
		headKey, 4},
		{"checkpoint", checkpointKey, 6}, {"event ids", eventPrefix, 6}, {"action look-ups", actionPrefix, 4}} {
		keys := t.copy.with(area.prefix)
		if len(keys) == 0 {
			places += area.name + " none stored, "
			continue
		}
		for range area.times {
			key := keys[t.random.IntN(len(keys))]
			value := append([]byte(nil), t.copy.values[key]...)
			at, bit := t.random.IntN(len(value)), byte(1)<<t.random.IntN(8)
			value[at] ^= bit
			if err := t.try(n, fmt.Sprintf("%s %q byte %d bit %#x", area.name, key, at, bit), key, value); err != nil {
				return err
			}
		}
		places += fmt.Sprintf("%s %d, ", area.name, area.times)
	}
	t.equal("flipped bits found", n.found, n.tried, "flips", fmt.Sprintf("%s%s; seed %#x; %s", places, share, t.seed,
		orNone(n.missed)), auditRemedy)
	return nil
}

// resealed changes what is stored and makes the seal fit again, as somebody who knows the format would.
func (t *tamperer) resealed(share string) error {
	n := &tally{}
	ways := ""
	for _, way := range []struct {
		name  string
		times int
		do    func(*tally) error
	}{{"bytes of entries", 8, t.entryByte}, {"postings", 8, t.posting}, {"salts", 2, t.salt}, {"records taken out", 2, t.dropped},
		{"indexes, head and tree hashes", 3, t.indexes}} {
		before := n.tried
		for range way.times {
			if err := way.do(n); err != nil {
				return err
			}
		}
		ways += fmt.Sprintf("%s %d, ", way.name, n.tried-before)
	}
	t.equal("sealed again, found", n.found, n.tried, "changes",
		fmt.Sprintf("%s%s; seed %#x; %s", ways, share, t.seed, orNone(n.missed)), auditRemedy)
	return nil
}

// pick takes a random record.
func (t *tamperer) pick() (rec ledger.Record, err error) {
	firsts := t.firstChunks()
	key := firsts[t.random.IntN(len(firsts))]
	encoded, done, err := t.copy.record(key)
	if err == nil && !done {
		err = corruptKey(key, "a chunk is missing")
	}
	if err != nil {
		return rec, err
	}
	return ledger.ParseRecord(encoded)
}

// firstChunks lists the records.
func (t *tamperer) firstChunks() (out []string) {
	for _, k := range t.copy.with(recordPrefix) {
		if k[len(k)-2:] == "\x00\x00" {
			out = append(out, k)
		}
	}
	return out
}

// onClone changes a clone of the copy and asks.
func (t *tamperer) onClone(n *tally, what string, change func(*storedCopy)) error {
	whole := t.copy
	defer func() { t.copy = whole }()
	t.copy = whole.clone()
	change(t.copy)
	found, _, err := t.findings(t.o)
	n.add(found > 0, what)
	return err
}

// rewrite stores a changed record in the place of the one it was made from, sealed anew.
func (t *tamperer) rewrite(n *tally, what string, rec ledger.Record) error {
	return t.onClone(n, what, func(c *storedCopy) { c.putRecord(rec) })
}

func oneChunk(rec ledger.Record) []byte {
	return rec.AppendTo(binary.BigEndian.AppendUint32(nil, 1))
}

// changed is a record whose entry i was replaced; the record read from the copy stays as it is.
func changed(rec ledger.Record, i int, entry []byte) ledger.Record {
	rec.Entries = append([][]byte(nil), rec.Entries...)
	rec.Entries[i] = entry
	return rec
}

func (t *tamperer) entryByte(n *tally) error {
	rec, err := t.pick()
	if err != nil {
		return err
	}
	i := t.random.IntN(len(rec.Entries))
	entry := append([]byte(nil), rec.Entries[i]...)
	at := t.random.IntN(len(entry))
	entry[at] ^= byte(1) << t.random.IntN(8)
	return t.rewrite(n, fmt.Sprintf("byte %d of entry %d", at, rec.FirstSeq+uint64(i)), changed(rec, i, entry))
}

// posting moves one minor unit from the platform's posting to the creator's or back.
func (t *tamperer) posting(n *tally) error {
	for range 1000 {
		rec, err := t.pick()
		if err != nil {
			return err
		}
		i := t.random.IntN(len(rec.Entries))
		e, err := ledger.ParseEntry(rec.Entries[i])
		if err != nil {
			return err
		}
		if len(e.Postings) < 3 {
			continue
		}
		one := int64(1 - 2*t.random.IntN(2))
		e.Postings[1].Minor += one
		e.Postings[2].Minor -= one
		return t.rewrite(n, fmt.Sprintf("postings of entry %d moved by %d", e.Seq, one), changed(rec, i, e.AppendTo(nil)))
	}
	return nil // the first part of a large log may hold no revenue; the check says how many it tried
}

func (t *tamperer) salt(n *tally) error {
	rec, err := t.pick()
	if err != nil {
		return err
	}
	rec.Salt[t.random.IntN(len(rec.Salt))] ^= 1
	return t.rewrite(n, fmt.Sprintf("salt of record %d", rec.Index), rec)
}

// dropped takes a whole record out, with its index.
func (t *tamperer) dropped(n *tally) error {
	rec, err := t.pick()
	if err != nil {
		return err
	}
	return t.onClone(n, fmt.Sprintf("record %d taken out", rec.Index), func(c *storedCopy) {
		c.dropAll(string(binary.BigEndian.AppendUint64([]byte(recordPrefix), rec.Index)))
		c.dropAll(string(binary.BigEndian.AppendUint64([]byte(sequencePrefix), rec.FirstSeq)))
	})
}

// indexes changes one byte in a sequence index, the head and a tile of the tree.
func (t *tamperer) indexes(n *tally) error {
	for _, prefix := range []string{sequencePrefix, headKey, tilePrefix} {
		keys := t.copy.with(prefix)
		if len(keys) == 0 {
			continue
		}
		key := keys[t.random.IntN(len(keys))]
		payload := append([]byte(nil), t.copy.values[key][sealLength:]...)
		// The last byte of each belongs to what it counts or points to.
		payload[len(payload)-1] ^= 1
		if err := t.try(n, fmt.Sprintf("index %q", key), key, sealed(key, payload)); err != nil {
			return err
		}
	}
	return nil
}

// newest changes one bit of entries near the end of the whole log, however large it is, and holds each against the
// signed root: what was stored must be proven by it, what was changed must not.
func (t *tamperer) newest() error {
	cp, err := t.openHead()
	if err != nil {
		return err
	}
	stored, found := 0, 0
	for range newestChange {
		seq := cp.Size - 1 - t.random.Uint64N(min(cp.Size, newestMax))
		rec, err := t.store.RecordBySeq(seq)
		if err != nil {
			return err
		}
		proof, err := ledger.InclusionProof(t.store, seq, cp.Size)
		if err != nil {
			return err
		}
		proven := func(entry []byte) bool {
			leaf := leafHash(commitment(rec.Salt, seq-rec.FirstSeq, entry))
			return ledger.CheckInclusion(proof, seq, cp.Size, cp.Root, leaf) == nil
		}
		entry := append([]byte(nil), rec.Entries[seq-rec.FirstSeq]...)
		if proven(entry) {
			stored++
		}
		entry[t.random.IntN(len(entry))] ^= byte(1) << t.random.IntN(8)
		if !proven(entry) {
			found++
		}
	}
	t.require(stored == newestChange, "newest entries proven", fmt.Sprintf("%d of %d under the checkpoint of %d entries",
		stored,
		newestChange, cp.Size), auditRemedy)
	t.equal("changed newest entries found", found, newestChange, "flips",
		fmt.Sprintf("in the newest %d entries, against the signed root; seed %#x", min(cp.Size, newestMax), t.seed),
		auditRemedy)
	return nil
}

// stranger is a key that is not the node's, made from the seed.
func (t *tamperer) stranger() nexus.Signer {
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = byte(t.random.Uint32())
	}
	return nexus.KeySigner(ed25519.NewKeyFromSeed(seed))
}
