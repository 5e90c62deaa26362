package engine

import (
	"fmt"
	"io"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/backup"
)

// Backup writes the records above index from, where the tree had size entries, up to the newest signed checkpoint, while
// commands go on. The caller proves with a consistency proof that what it has is the beginning of this log. Error:
// CodeConflict, before anything is written, when this log does not reach from.
func (e *Engine) Backup(w io.Writer, from, size uint64) error {
	h := e.checkpoint.Load()
	if h == nil || h.cp.Index < from || h.cp.Size < size {
		return nexus.Errf("backup", nexus.CodeConflict, fmt.Sprintf("index %d, %d entries", from, size),
			"begin a new backup in another directory; ask why this ledger is shorter", "the ledger does not reach as far as the backup")
	}
	t := backup.Trailer{ToIndex: h.cp.Index, ToSize: h.cp.Size, Checkpoint: h.text}
	return backup.WriteRecords(w, func(fn func(ledger.Record) error) error {
		if from >= h.cp.Index {
			return nil
		}
		return e.store.Records(from+1, h.cp.Index, fn)
	}, t)
}
