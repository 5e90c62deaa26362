package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"sort"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// The map of units that checkpoints commit to (docs/encoding.md, Map of units), computed again with code of this package's own:
// from the entries, not from any stored balance.

const unitDomain = "nexus-unit-v1\n"

// balance is what the postings of one unit add up to on one kind of account in one currency.
type balance struct {
	currency string
	account  uint64
	minor    int64
}

// book adds an entry's postings to its unit's balances. False when a sum passes 64 bits.
func (u *unit) book(ps []posting) bool {
	for i := range ps {
		p := &ps[i]
		at := sort.Search(len(u.balances), func(j int) bool {
			b := &u.balances[j]
			return b.currency > string(p.currency) || b.currency == string(p.currency) && b.account >= p.account
		})
		if at == len(u.balances) || u.balances[at].account != p.account || u.balances[at].currency != string(p.currency) {
			u.balances = append(u.balances, balance{})
			copy(u.balances[at+1:], u.balances[at:])
			u.balances[at] = balance{currency: string(p.currency), account: p.account}
		}
		sum, ok := nexus.AddMinor(u.balances[at].minor, p.minor)
		if !ok {
			return false
		}
		u.balances[at].minor = sum
	}
	return true
}

// mapValue is the hash under which a unit stands in the map.
func (u *unit) mapValue(id [16]byte) [32]byte {
	b := append([]byte(unitDomain), id[:]...)
	b = binary.AppendUvarint(b, u.seq)
	b = append(b, u.head[:]...)
	b = binary.AppendUvarint(b, uint64(len(u.balances)))
	for i := range u.balances {
		x := &u.balances[i]
		b = binary.AppendUvarint(b, uint64(len(x.currency)))
		b = append(b, x.currency...)
		b = binary.AppendUvarint(b, x.account)
		b = binary.AppendVarint(b, x.minor)
	}
	return sha256.Sum256(b)
}

// mapLeaf is a unit's place in the map.
type mapLeaf struct{ key, hash [32]byte }

// unitsRoot computes the root of the map over all units seen so far.
func (c *run) unitsRoot() [32]byte {
	leaves := make([]mapLeaf, 0, len(c.units))
	for id, u := range c.units {
		value := u.mapValue(id)
		b := append(append([]byte{2}, id[:]...), value[:]...)
		leaf := mapLeaf{hash: sha256.Sum256(b)}
		copy(leaf.key[:], id[:])
		leaves = append(leaves, leaf)
	}
	sort.Slice(leaves, func(i, j int) bool { return bytes.Compare(leaves[i].key[:], leaves[j].key[:]) < 0 })
	return mapRoot(leaves, 0)
}

// mapRoot is the hash of a subtree whose keys share their first depth bits.
func mapRoot(leaves []mapLeaf, depth int) [32]byte {
	switch len(leaves) {
	case 0:
		return [32]byte{}
	case 1:
		return leaves[0].hash
	}
	split := sort.Search(len(leaves), func(i int) bool { return leaves[i].key[depth/8]>>(7-depth%8)&1 == 1 })
	left, right := mapRoot(leaves[:split], depth+1), mapRoot(leaves[split:], depth+1)
	var b [65]byte
	b[0] = 3
	copy(b[1:], left[:])
	copy(b[33:], right[:])
	return sha256.Sum256(b[:])
}

// unitsLine reads the checkpoint's line about the map; zero when there is none.
func unitsLine(lines []string) (nexus.Hash, error) {
	for _, l := range lines {
		text, found := strings.CutPrefix(l, "units ")
		if !found {
			continue
		}
		root, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || len(root) != 32 {
			return nexus.Hash{}, fmt.Errorf("units %q", text)
		}
		return nexus.Hash(root), nil
	}
	return nexus.Hash{}, nil
}
