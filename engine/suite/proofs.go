package suite

import (
	"crypto/sha256"
	"encoding/binary"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// provenUnderHead takes entries one by one: the leaf is computed from the stored bytes here, the proof comes from the
// node, and both are checked against the signed checkpoint with the node's public key alone.
func (s *session) provenUnderHead(seqs []uint64) (good int, cp ledger.Checkpoint, err error) {
	shown, text, _ := s.env.Engine.Head()
	cp, err = ledger.OpenCheckpoint(text, shown.Origin(), s.env.Engine.NodeKey())
	if err != nil {
		return 0, cp, err
	}
	var rec ledger.Record
	for _, seq := range seqs {
		if rec.Entries == nil || seq < rec.FirstSeq || seq >= rec.Next() {
			if rec, err = s.store.RecordBySeq(seq); err != nil {
				return good, cp, err
			}
		}
		proof, err := ledger.InclusionProof(s.store, seq, cp.Size)
		if err != nil {
			return good, cp, err
		}
		leaf := leafHash(commitment(rec.Salt, seq-rec.FirstSeq, rec.Entries[seq-rec.FirstSeq]))
		if ledger.CheckInclusion(proof, seq, cp.Size, cp.Root, leaf) == nil {
			good++
		}
	}
	return good, cp, nil
}

// commitment and leafHash say what the format says (docs/encoding.md), with code of their own.
func commitment(salt [16]byte, ordinal uint64, entry []byte) nexus.Hash {
	own := binary.BigEndian.AppendUint32(append([]byte("nexus-salt-v1\n"), salt[:]...), uint32(ordinal))
	entrySalt := sha256.Sum256(own)
	return sha256.Sum256(append(append([]byte("nexus-entry-v1\n"), entrySalt[:16]...), entry...))
}

func leafHash(commitment nexus.Hash) nexus.Hash {
	return sha256.Sum256(append([]byte{0}, commitment[:]...))
}
