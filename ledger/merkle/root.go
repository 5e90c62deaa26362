package merkle

import (
	"golang.org/x/mod/sumdb/tlog"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// RootAt computes the root that the tree had at an earlier size, from the stored hashes. Errors as InclusionProof.
func RootAt(size uint64, r Reader) (nexus.Hash, error) {
	if err := inRange("tree root", "size", size); err != nil {
		return nexus.Hash{}, err
	}
	if size == 0 {
		return EmptyRoot(), nil
	}
	h, err := tlog.TreeHash(int64(size), storedReader(r))
	return nexus.Hash(h), err
}
