package verify

import (
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Source is what is checked: the stored bytes of one consistent state. badgerstore.Reader is one; an export is another.
type Source interface {
	// Scan calls fn for every stored key in ascending order with the bytes as stored, seal included.
	Scan(fn func(key, sealed []byte) error) error
	// Records calls fn for every record in rising index with its canonical bytes, chunks joined.
	Records(fn func(index uint64, encoded []byte) error) error
	// Get gives the payload of a key; nexus.CodeNotFound when absent.
	Get(key []byte) ([]byte, error)
}

// Pin is a size and root seen before, kept outside the data directory.
type Pin struct {
	Size  uint64
	Root  nexus.Hash
	Units nexus.Hash // of the map of units at that size; zero: not known, not compared
}

// Options of a run. The zero value checks all that needs no key.
type Options struct {
	Cluster      nexus.ID        // the log's cluster; zero: any
	Key          nexus.PublicKey // of the checkpoint's signer; zero: the checkpoint is not checked
	Name         string          // of the signer in the note; empty: the log's origin, "nexus/<cluster id>"
	Checkpoint   string          // the signed note; empty: the stored one
	Pinned       []Pin           // the history must pass through each
	Witnesses    []WitnessKey    // outside witnesses that the caller knows, from elsewhere than the file
	Quorum       int             // how many of them must have cosigned the checkpoint; 0: none
	CommandCheck func(*Record) error
	FindingsMax  int                  // findings kept, all are counted; 0: 100
	Progress     func(entries uint64) // called after each record; nil: not
}

// Finding is one thing that is not as it must be. Of File, Key, Record and Seq those that apply are set.
type Finding struct {
	File   string  `json:"file,omitempty"`
	Key    string  `json:"key,omitempty"`
	Record *uint64 `json:"record,omitempty"` // index of the record
	Seq    *uint64 `json:"seq,omitempty"`    // of the entry
	What   string  `json:"what"`
}

// String gives the place and what is wrong there.
func (f Finding) String() string {
	s := ""
	if f.File != "" {
		s += f.File + ": "
	}
	if f.Key != "" {
		s += "key " + f.Key + ": "
	}
	if f.Record != nil {
		s += fmt.Sprintf("record %d: ", *f.Record)
	}
	if f.Seq != nil {
		s += fmt.Sprintf("entry %d: ", *f.Seq)
	}
	return s + f.What
}

// Account is a (unit, currency).
type Account struct {
	Unit     nexus.ID
	Currency string
}

// Total is what the entries of an account add up to, recomputed.
type Total struct {
	Gross    int64
	Creator  int64
	Platform int64
	Events   uint64
}

// Report is the outcome of a run. It is clean when FindingsTotal is 0.
type Report struct {
	Records           uint64
	Entries           uint64 // verified, one by one: "verified Entries of Claimed"
	Claimed           uint64 // entries the store says it has
	Units             uint64
	Root              nexus.Hash // recomputed over Entries
	LastIndex         uint64
	Keys              uint64 // stored keys whose seal was checked
	CheckpointChecked bool   // signature, size and root
	UnitsChecked      bool   // the checkpoint's map of units was recomputed
	CheckpointSize    uint64
	Cosigners         int // of Options.Witnesses, those with a valid cosignature on the checkpoint
	Findings          []Finding
	FindingsTotal     uint64
	Totals            map[Account]Total
}

// Clean reports whether nothing was found and everything claimed was verified.
func (r Report) Clean() bool { return r.FindingsTotal == 0 && r.Entries == r.Claimed }
