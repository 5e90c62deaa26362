package consensus

import (
	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
)

// sealedFiler gives new segments the id of our entry encoding. raft-wal 0.4.1 compares a segment's codec id with its
// codec's on opening, but always writes its own codec's id into new segments, so that a log with another codec
// could not be opened again. The meta store does the same for what it records.
type sealedFiler struct{ types.SegmentFiler }

func newFiler(dir string, w Watch) sealedFiler { return sealedFiler{segment.NewFiler(dir, newFS(w))} }

// Create implements types.SegmentFiler.
func (f sealedFiler) Create(info types.SegmentInfo) (types.SegmentWriter, error) {
	info.Codec = entryCodecID
	return f.SegmentFiler.Create(info)
}
