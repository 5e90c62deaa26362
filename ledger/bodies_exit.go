package ledger

import nexus "github.com/BobbyBlanco400/nexus-cos"

// ExitBody is the body of a KindExit entry, in the chain of the unit that leaves. It has no postings: leaving moves no money.
type ExitBody struct {
	Verb     string // "begun", "failed", "cancelled", "released", "closed"
	Unit     nexus.ID
	By       nexus.PublicKey
	Was      string // the unit's standing before it began to leave
	GraceMs  int64  // of "released" and "closed", and of "begun" 0: log time from which resources go, Unix milliseconds
	RetainMs int64  // log time until which what is not money stays in the node's memory
	Reason   string
}

// ExitDoneBody is the body of a KindExitDone entry: the owner holds a verified bundle, and this is its manifest.
type ExitDoneBody struct {
	Unit     nexus.ID
	Manifest nexus.Hash // SHA-256 of MANIFEST.json
	Size     uint64     // entries of the ledger that the bundle was made from
	UnitSeq  uint64     // of the unit's own chain: all of them are in the bundle
	UnitHead nexus.Hash // commitment of the last one
	Files    uint32
	Bytes    int64
	GraceMs  int64
	RetainMs int64
}

// ImportBody is the body of a KindImport entry, in the chain of the unit that came: what another log says of it, with the proof. The
// balances are that log's; they are no postings of this one and nothing here owes them (docs/decisions/0043-imported-history.md).
type ImportBody struct {
	Unit       nexus.ID
	Origin     nexus.ID        // cluster of the log it comes from
	Key        nexus.PublicKey // that signed the checkpoint
	Checkpoint string          // signed note
	Owner      nexus.PublicKey
	Kind       nexus.UnitKind
	Percent    uint8
	Seq        uint64 // entries of the unit there
	Head       nexus.Hash
	Balances   []Balance    // by currency, then account
	Siblings   []nexus.Hash // beside the path in the map of units
	Manifest   nexus.Hash   // of the bundle, which the node that took it in keeps
}
