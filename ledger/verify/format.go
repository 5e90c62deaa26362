package verify

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// The files that leave the platform (docs/proofs.md). Each line has one spelling: what a reader decodes it encodes again, and the
// bytes must be the same. Hashes, ids and salts are lower-case hexadecimal, byte strings base64, times RFC 3339 UTC, amounts minor units.

const (
	// ExportFormat is the first field of an export.
	ExportFormat = "nexus-export-v1"
	// ProofFormat is the first field of a proof.
	ProofFormat = "nexus-proof-v1"

	scopeLedger = "ledger"
	scopeUnit   = "unit"
)

// ExportHeader is the first line of an export. Its checkpoint covers all that follows.
type ExportHeader struct {
	Format     string     `json:"format"`
	Scope      string     `json:"scope"` // ledger: every record; unit: one unit's entries
	Key        string     `json:"key"`   // of the signer as it calls itself; a recipient compares it with the key that it holds
	Checkpoint string     `json:"checkpoint"`
	Unit       *UnitProof `json:"unit,omitempty"` // scope unit
}

// UnitProof says what the checkpoint commits to for a unit and leads there: that it has Sequence entries of which the last has the
// commitment Head, and what they add up to; or, with Present false, that it has none.
type UnitProof struct {
	ID        nexus.ID        `json:"id"`
	Present   bool            `json:"present"`
	Sequence  uint64          `json:"sequence"`
	Head      nexus.Hash      `json:"head"`
	Balances  []BalanceLine   `json:"balances"`
	Siblings  []nexus.Hash    `json:"siblings"`        // beside the path in the map of units, from the root downwards
	Other     *OtherLeaf      `json:"other,omitempty"` // stands where an absent unit would
	Inclusion *EntryInclusion `json:"inclusion,omitempty"`
}

// BalanceLine is the sum of a unit's postings to one kind of account (docs/encoding.md) in one currency.
type BalanceLine struct {
	Currency string `json:"currency"`
	Account  uint64 `json:"account"`
	Minor    int64  `json:"minor"`
}

// OtherLeaf is another unit in the map: its id and value hash.
type OtherLeaf struct {
	ID   nexus.ID   `json:"id"`
	Hash nexus.Hash `json:"hash"`
}

// EntryInclusion leads from the unit's last entry to the root of the log: the map and the log speak of the same entry.
type EntryInclusion struct {
	Entry uint64       `json:"entry"` // sequence number in the log
	Proof []nexus.Hash `json:"proof"`
}

// EntryLine is one entry of a unit's export. What stands before Bytes is read out of Bytes, for people and for programs that do not
// decode canonical data; the checker holds it to them.
type EntryLine struct {
	Entry    uint64        `json:"entry"`
	Time     time.Time     `json:"time"`
	Number   uint64        `json:"number"` // in the unit's chain, from 1
	Kind     string        `json:"kind"`
	Event    *EventLine    `json:"event,omitempty"` // of revenue and refunds
	Postings []PostingLine `json:"postings,omitempty"`
	Salt     string        `json:"salt"`
	Bytes    []byte        `json:"bytes"` // canonical entry
}

// EventLine is a revenue event.
type EventLine struct {
	ID       string    `json:"id"`
	Sequence uint64    `json:"sequence,omitempty"` // the producer's, when events carry no id
	Source   string    `json:"source"`
	Kind     string    `json:"kind"`
	Minor    int64     `json:"minor"`
	Currency string    `json:"currency"`
	Time     time.Time `json:"time"`
	Gross    int64     `json:"gross"`   // totals after it
	Creator  int64     `json:"creator"` // the platform's is the difference
	RefundOf string    `json:"refund_of,omitempty"`
}

// PostingLine is one leg of an entry.
type PostingLine struct {
	Account  string `json:"account"`
	Ref      string `json:"ref,omitempty"`
	Currency string `json:"currency"`
	Minor    int64  `json:"minor"`
}

// RecordLine is one command of a ledger's export.
type RecordLine struct {
	Index   uint64 `json:"index"`
	First   uint64 `json:"first_entry"`
	Entries int    `json:"entries"`
	Record  []byte `json:"record"` // canonical record
}

// ExportTrailer is the last line: nothing was cut off and nothing changed on the way.
type ExportTrailer struct {
	Lines  uint64     `json:"lines"` // between header and trailer
	SHA256 nexus.Hash `json:"sha256"`
}

// Proof is the content of a proof file.
type Proof struct {
	Format     string       `json:"format"`
	Type       string       `json:"type"` // inclusion or consistency
	Key        string       `json:"key"`
	Checkpoint string       `json:"checkpoint"`
	Entry      *EntryLine   `json:"entry,omitempty"` // inclusion
	Older      string       `json:"older,omitempty"` // consistency: the earlier checkpoint
	Proof      []nexus.Hash `json:"proof"`
}

// The types of proof.
const (
	ProofInclusion   = "inclusion"
	ProofConsistency = "consistency"
)

var kindWords = [kindMax + 1]string{"", "genesis", "decision", "revenue", "refund", "unit", "identity", "source", "report",
	"refusal-rollup", "node", "probe", "usage", "audit", "slice", "route", "notice", "rules", "proposal", "ownership", "policy",
	"consent", "binding", "pending", "transfer", "hold", "payout", "statement", "dispute", "service", "recording",
	kindPublished: "publication", 32: "erasure", kindPrices: "prices", kindExit: "exit", kindExitDone: "exit-done", kindImport: "import"}

var accountWords = [accountMax + 1]string{"", "source", "creator", "platform", "owner", "held", "payout", "paid", "dues"}

// NewEntryLine reads a canonical entry into its line of an export.
func NewEntryLine(salt [16]byte, b []byte) (EntryLine, error) {
	var e entry
	return entryLine(&e, salt, b)
}

func entryLine(e *entry, salt [16]byte, b []byte) (EntryLine, error) {
	if err := e.parse(b); err != nil {
		return EntryLine{}, err
	}
	l := EntryLine{Entry: e.seq, Time: time.UnixMilli(e.timeMs).UTC(), Number: e.unitSeq, Kind: kindWords[e.kind],
		Salt: hex.EncodeToString(salt[:]), Bytes: b}
	for _, p := range e.postings {
		l.Postings = append(l.Postings, PostingLine{Account: accountWords[p.account], Ref: string(p.ref), Currency: string(p.currency), Minor: p.minor})
	}
	if e.kind != kindRevenue && e.kind != kindRefund {
		return l, nil
	}
	var v revenueBody
	if err := v.parse(e.body); err != nil {
		return l, err
	}
	l.Event = &EventLine{ID: string(v.eventID), Sequence: v.producerSeq, Source: string(v.source), Kind: string(v.eventKind), Minor: v.minor,
		Currency: string(v.currency), Time: time.UnixMilli(v.timeMs).UTC(), Gross: v.grossAfter, Creator: v.creatorAfter, RefundOf: string(v.refundOf)}
	return l, nil
}

// NewRecordLine reads a canonical record into its line of an export.
func NewRecordLine(b []byte) (RecordLine, error) {
	var r Record
	if err := r.parse(b); err != nil {
		return RecordLine{}, err
	}
	return RecordLine{Index: r.Index, First: r.FirstSeq, Entries: len(r.Entries), Record: b}, nil
}

// line is the one spelling of a line, with its end.
func line(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return out.Bytes(), err
}

// decodeLine reads a line and refuses every spelling but one.
func decodeLine(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("not the JSON it should be: %w", err)
	}
	again, err := line(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return fmt.Errorf("not as it was written")
	}
	return nil
}

// strictNote refuses a signed note whose signature lines have another spelling: base64 forgives in its last letter.
func strictNote(text string) error {
	_, signatures, ok := strings.Cut(text, "\n\n")
	if !ok || len(text) > 64<<10 || !strings.HasSuffix(signatures, "\n") {
		return fmt.Errorf("no signed note")
	}
	for _, l := range strings.Split(strings.TrimSuffix(signatures, "\n"), "\n") {
		words := strings.Split(l, " ")
		if len(words) != 3 || words[0] != "—" {
			return fmt.Errorf("signature line %q", l)
		}
		if _, err := strict64(words[2]); err != nil {
			return fmt.Errorf("signature line of %s: %w", words[1], err)
		}
	}
	return nil
}
