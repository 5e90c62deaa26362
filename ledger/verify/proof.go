package verify

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	stdslices "slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// ProofReport says what a proof proves.
type ProofReport struct {
	Type  string
	Key   string // as the file names its signer
	Size  uint64 // of the log under the (newer) checkpoint
	Older uint64 // consistency: of the log under the older one
	Entry *EntryLine
	Unit  nexus.ID // the entry's

	Checkpoint string // the (newer) signed note
	Cosigners  int    // of Options.Witnesses, on that note
}

// EncodeProof gives the content of a proof file.
func EncodeProof(p Proof) ([]byte, error) {
	p.Format = ProofFormat
	return line(p)
}

// CheckProof checks a proof file with the signer's key alone (o.Key, o.Cluster, o.Name), and with the witnesses' keys when a quorum is
// demanded; of two checkpoints the newer must have it. An inclusion proof shows that the log holds
// the entry; it does not show that nothing else is there: that is what a unit's export is for. A consistency proof shows that the log
// of the newer checkpoint begins with that of the older. Any error means: not proven.
func CheckProof(b []byte, o Options) (ProofReport, error) {
	var p Proof
	if err := decodeLine(b, &p); err != nil {
		return ProofReport{}, err
	}
	if p.Format != ProofFormat {
		return ProofReport{}, fmt.Errorf("format %q; this version reads %s", p.Format, ProofFormat)
	}
	if p.Key == "" {
		return ProofReport{}, errors.New("names no key")
	}
	pin, err := signed(p.Checkpoint, p.Key, &o)
	if err != nil {
		return ProofReport{}, err
	}
	cosigners, err := cosigned(p.Checkpoint, &o)
	if err != nil {
		return ProofReport{}, err
	}
	for _, seen := range o.Pinned {
		if seen.Size == pin.Size && seen.Root != pin.Root {
			return ProofReport{}, fmt.Errorf("another root than the checkpoint seen before has at %d entries", pin.Size)
		}
	}
	out := ProofReport{Type: p.Type, Key: p.Key, Size: pin.Size, Checkpoint: p.Checkpoint, Cosigners: cosigners}
	switch {
	case p.Type == ProofInclusion && p.Entry != nil && p.Older == "":
		return out, p.checkEntry(&out, pin)
	case p.Type == ProofConsistency && p.Entry == nil && p.Older != "":
		older, err := signed(p.Older, p.Key, &o)
		if err != nil {
			return out, fmt.Errorf("older: %w", err)
		}
		out.Older = older.Size
		return out, checkConsistency(p.Proof, older, pin)
	}
	return out, fmt.Errorf("type %q is none, or without what it needs", p.Type)
}

func (p *Proof) checkEntry(out *ProofReport, pin Pin) error {
	salt, err := parseSalt(p.Entry.Salt)
	if err != nil {
		return err
	}
	text, err := line(p.Entry)
	if err != nil {
		return err
	}
	var e entry
	if err := sameLine(&e, salt, p.Entry.Bytes, text); err != nil {
		return err
	}
	out.Entry, out.Unit = p.Entry, e.unit
	return checkInclusion(p.Proof, e.seq, pin.Size, leafHash(saltedCommitment(salt, p.Entry.Bytes)), pin.Root)
}

// CheckCheckpoint checks a signed note with o.Key, and that o.Quorum of o.Witnesses cosigned it. It gives what OpenCheckpoint gives, and
// how many of the witnesses did.
func CheckCheckpoint(text string, o *Options) (Pin, int, error) {
	pin, err := signed(text, "", o)
	if err != nil {
		return pin, 0, err
	}
	cosigners, err := cosigned(text, o)
	return pin, cosigners, err
}

// OpenCheckpoint checks a signed note with o.Key and gives its size and root, for Options.Pinned. When o names no cluster, the
// note's origin does and o is given it.
func OpenCheckpoint(text string, o *Options) (Pin, error) { return signed(text, "", o) }

// VerifierKey is the key of o's signer as signed notes spell it ("name+hash+base64").
func VerifierKey(o Options) (string, error) { return vkeyOf(o) }

// SortedAccounts lists the accounts of a report by unit and currency.
func SortedAccounts(totals map[Account]Total) []Account {
	return stdslices.SortedFunc(maps.Keys(totals), func(a, b Account) int {
		return cmp.Or(bytes.Compare(a.Unit[:], b.Unit[:]), strings.Compare(a.Currency, b.Currency))
	})
}

// vkeyOf is the note verifier key of o's signer.
func vkeyOf(o Options) (string, error) {
	name := o.Name
	if name == "" {
		name = "nexus/" + o.Cluster.String()
	}
	return note.NewEd25519VerifierKey(name, ed25519.PublicKey(o.Key[:]))
}

// saltedCommitment is SHA-256(domain || entry salt || entry).
func saltedCommitment(salt [16]byte, b []byte) [32]byte {
	h := sha256.New()
	h.Write([]byte(entryDomain))
	h.Write(salt[:])
	h.Write(b)
	return [32]byte(h.Sum(nil))
}

var errProof = errors.New("the proof does not lead to the checkpoint's root")

// checkInclusion is RFC 9162, section 2.1.3.2.
func checkInclusion(proof []nexus.Hash, index, size uint64, leaf [32]byte, root nexus.Hash) error {
	if index >= size {
		return fmt.Errorf("entry %d of a log of %d", index, size)
	}
	fn, sn, r := index, size-1, leaf
	for _, p := range proof {
		if sn == 0 {
			return errProof
		}
		if fn&1 == 1 || fn == sn {
			r = nodeHash(p, r)
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			r = nodeHash(r, p)
		}
		fn, sn = fn>>1, sn>>1
	}
	if sn != 0 || nexus.Hash(r) != root {
		return errProof
	}
	return nil
}

// checkConsistency is RFC 9162, section 2.1.4.2.
func checkConsistency(proof []nexus.Hash, older, newer Pin) error {
	switch {
	case older.Size > newer.Size:
		return fmt.Errorf("the older checkpoint has %d entries, the newer only %d", older.Size, newer.Size)
	case older.Size == newer.Size:
		if len(proof) != 0 || older.Root != newer.Root {
			return errors.New("two roots for one size: the log was forked")
		}
		return nil
	case older.Size == 0:
		if len(proof) != 0 || older.Root != sha256.Sum256(nil) {
			return errProof
		}
		return nil
	}
	if bits.OnesCount64(older.Size) == 1 { // the older root is itself the first node
		proof = append([]nexus.Hash{older.Root}, proof...)
	}
	if len(proof) == 0 {
		return errProof
	}
	fn, sn := older.Size-1, newer.Size-1
	for fn&1 == 1 {
		fn, sn = fn>>1, sn>>1
	}
	fr, sr := [32]byte(proof[0]), [32]byte(proof[0])
	for _, c := range proof[1:] {
		if sn == 0 {
			return errProof
		}
		if fn&1 == 1 || fn == sn {
			fr, sr = nodeHash(c, fr), nodeHash(c, sr)
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			sr = nodeHash(sr, c)
		}
		fn, sn = fn>>1, sn>>1
	}
	if sn != 0 || nexus.Hash(fr) != older.Root || nexus.Hash(sr) != newer.Root {
		return errProof
	}
	return nil
}

// value is the hash under which the unit stands in the map, from what the proof states.
func (p *UnitProof) value() [32]byte {
	u := unit{seq: p.Sequence, head: p.Head}
	for _, b := range p.Balances {
		u.balances = append(u.balances, balance{currency: b.Currency, account: b.Account, minor: b.Minor})
	}
	return u.mapValue(p.ID)
}

// check holds the proof to a checkpoint's map of units.
func (p *UnitProof) check(pin Pin) error {
	if pin.Units.IsZero() {
		return errors.New("the checkpoint commits to no map of units: it is of a version before there was one")
	}
	if len(p.Siblings) > 128 {
		return fmt.Errorf("%d hashes, at most 128", len(p.Siblings))
	}
	var at [32]byte
	switch {
	case p.Present && p.Other == nil && p.Sequence > 0:
		at = mapLeafHash(p.ID, p.value())
	case p.Present:
		return errors.New("present without entries, or with another unit in its place")
	case p.Sequence != 0 || !p.Head.IsZero() || len(p.Balances) > 0:
		return errors.New("absent, and yet with entries")
	case p.Other != nil:
		if p.Other.ID == p.ID {
			return errors.New("a proof of absence that shows the unit itself")
		}
		for depth := range p.Siblings {
			if bitAt(p.Other.ID, depth) != bitAt(p.ID, depth) {
				return errors.New("the unit shown does not stand in the way")
			}
		}
		at = mapLeafHash(p.Other.ID, p.Other.Hash)
	}
	for depth := len(p.Siblings) - 1; depth >= 0; depth-- {
		if bitAt(p.ID, depth) == 0 {
			at = mapNodeHash(at, p.Siblings[depth])
		} else {
			at = mapNodeHash(p.Siblings[depth], at)
		}
	}
	if nexus.Hash(at) != pin.Units {
		return errors.New("the checkpoint's map of units says otherwise")
	}
	return nil
}

func bitAt(key nexus.ID, depth int) byte { return key[depth/8] >> (7 - depth%8) & 1 }

func mapLeafHash(id [16]byte, value [32]byte) [32]byte {
	return sha256.Sum256(append(append([]byte{2}, id[:]...), value[:]...))
}

func mapNodeHash(left, right [32]byte) [32]byte {
	return sha256.Sum256(append(append([]byte{3}, left[:]...), right[:]...))
}
