// Rule: a unit's state can be captured and rolled back; a snapshot never changes.
// Reason: going back is only safe when what one goes back to is what was.
// Spec: SPEC section 1, gate 12. Stored is recomputed from the stored bytes by a node and signed by it.

package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

func immutableSnapshots() gates.Gate {
	return gates.Gate{
		Number: 12, Name: "immutable-snapshots", Version: 1,
		Rule:  "a unit's state can be captured and rolled back; a snapshot never changes",
		Later: "the snapshot store will enforce it: content-addressed, read-only, digests recomputed before a rollback",
		Check: checkImmutableSnapshots,
		Good:  func() gates.Facts { return snapshotSample(sampleHash(1)) },
		Bad:   func() gates.Facts { return snapshotSample(sampleHash(2)) },
	}
}

// snapshotSample is a rollback to a snapshot named by one digest, whose stored bytes have the digest given.
func snapshotSample(stored [32]byte) gates.Facts {
	f := ownerSample("imvu.rollback")
	f.Snapshot = []gates.SnapshotFacts{{Digest: sampleHash(1), Stored: stored, Exists: true, OfUnit: sampleID(unitAda)}}
	return f
}

func checkImmutableSnapshots(f *gates.Facts) gates.Verdict {
	if len(f.Snapshot) == 0 {
		return skip()
	}
	for i := range f.Snapshot {
		if v := checkSnapshot(f, &f.Snapshot[i]); !v.Allow {
			return v
		}
	}
	return pass("a new snapshot, or one whose bytes are what they were")
}

func checkSnapshot(f *gates.Facts, s *gates.SnapshotFacts) gates.Verdict {
	switch {
	case s.Mutates:
		return refuse("mutates_snapshot", "would change snapshot "+s.Digest.String(), "a snapshot never changes",
			"take a new snapshot instead (nexus imvu snapshot)")
	case s.OfUnit.IsZero() || s.OfUnit != f.Unit.ID:
		return refuse("foreign_snapshot", "a snapshot of "+unitText(s.OfUnit), "a snapshot of "+unitText(f.Unit.ID),
			"use one of the unit's own snapshots")
	case s.Exists && s.Digest.IsZero():
		return refuse("no_digest", "the snapshot is not named by its digest", "a snapshot is named by its content",
			"name it by the digest that nexus imvu show prints")
	case s.Exists && s.Digest != s.Stored:
		return refuse("snapshot_changed", "stored bytes have digest "+s.Stored.String(), "digest "+s.Digest.String(),
			"use another snapshot; this one is damaged and is reported as a finding")
	case !s.Exists && !s.Digest.IsZero() && s.Digest != s.Stored:
		return refuse("unknown_snapshot", "no snapshot "+s.Digest.String()+" is stored", "a snapshot that is stored",
			"name one that nexus imvu show lists")
	}
	return pass("")
}
