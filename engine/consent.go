package engine

import (
	"encoding/binary"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// ConsentRecord is one entry about a person, as it stands in the ledger.
type ConsentRecord struct {
	Index  uint64
	TimeMs int64
	Entry  state.ConsentEntry
}

// ConsentRecords reads every entry about a person from the ledger, in order, and whether the statements among them form the
// whole history up to head: numbered from 1 without a gap, each carrying the hash of the one before. At most most entries.
func (e *Engine) ConsentRecords(subject nexus.PublicKey, head state.ConsentHistory, most int) (out []ConsentRecord, complete bool, err error) {
	var indexes []uint64
	prefix := state.ConsentPrefix(subject)
	if err := e.store.Scan(prefix, func(key, _ []byte) error {
		if len(key) == len(prefix)+8 {
			indexes = append(indexes, binary.BigEndian.Uint64(key[len(prefix):]))
		}
		return nil
	}); err != nil {
		return nil, false, err
	}
	var seq uint64
	var hash nexus.Hash
	complete = true
	for _, index := range indexes {
		rec, err := e.store.Record(index)
		if err != nil {
			return nil, false, err
		}
		for i := range rec.Entries {
			entry, err := rec.Entry(rec.FirstSeq + uint64(i))
			if err != nil {
				return nil, false, err
			}
			var body state.ConsentEntry
			if entry.Kind != ledger.KindConsent || nexus.Decode(entry.Body, &body) != nil || body.Statement.Subject != subject {
				continue
			}
			if len(out) < most {
				out = append(out, ConsentRecord{Index: index, TimeMs: rec.TimeMs, Entry: body})
			}
			if c := body.Statement; c.Seq > 0 && seq < head.Seq { // later ones came after head was taken
				complete = complete && c.Seq == seq+1 && c.Prev == hash
				seq, hash = c.Seq, state.ConsentHash(c, e.cfg.Cluster, body.Unit, body.Verb == "given")
			}
		}
	}
	return out, complete && seq == head.Seq && hash == head.Head, nil
}
