package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// EntryKind says what an entry records. Values are stored: never renumber.
type EntryKind uint16

// The kinds of entry.
const (
	KindGenesis       EntryKind = 1  // the first entry of a cluster
	KindDecision      EntryKind = 2  // one per action: allow or deny, with 17 verdicts
	KindRevenue       EntryKind = 3  // RevenueBody, with postings
	KindRefund        EntryKind = 4  // RevenueBody with a negative amount, with postings
	KindUnit          EntryKind = 5  // UnitBody
	KindIdentity      EntryKind = 6  // an identity issued, bound, rotated or revoked
	KindSource        EntryKind = 7  // a revenue source registered or closed
	KindReport        EntryKind = 8  // SHA-256 of a deployment report
	KindRefusalRollup EntryKind = 9  // refusals too many to list one by one
	KindNode          EntryKind = 10 // a node admitted, changed or removed, or the gossip key rotated
	KindProbe         EntryKind = 11 // made by a suite
	KindUsage         EntryKind = 12 // metered usage
	KindAudit         EntryKind = 13 // an audit finding or its end
	KindSlice         EntryKind = 14 // a slice allocated or changed, or its session cap
	KindRoute         EntryKind = 15 // a route changed
	KindNotice        EntryKind = 16 // a must-deliver notice
	KindRules         EntryKind = 17 // the level of the machine's rules was raised
	KindProposal      EntryKind = 18 // a proposal opened, granted, refused, applied or ended
	KindOwnership     EntryKind = 19 // a unit came to another key, with the balances at that moment
	KindPolicy        EntryKind = 20 // a unit's own policy, as its owner signed it
	KindConsent       EntryKind = 21 // a person's consent given, withdrawn, used or erased
	KindBinding       EntryKind = 22 // a key bound to an identity, an attestation about one, or the end of either
	KindPending       EntryKind = 23 // an announced revenue event: opened, posted, voided or expired; moves nothing itself
	KindTransfer      EntryKind = 24 // money between an owner and the platform for other reasons, with postings
	KindHold          EntryKind = 25 // part of what an owner is owed set aside, released or captured, with postings
	KindPayout        EntryKind = 26 // a payout on its way, paid or failed, with postings; or its terms
	KindStatement     EntryKind = 27 // a month's statement issued, by its digest
	KindDispute       EntryKind = 28 // a dispute opened, answered or closed
	KindService       EntryKind = 29 // minutes in which a slice kept its budget, a breach of it or of its guaranteed rate, or its end
	KindRecording     EntryKind = 30 // the recording of an SSH session, by its digest
	KindPublication   EntryKind = 31 // what the platform owes the public each month, by its digest
	KindErasure       EntryKind = 32 // a person's words erased: asked for, and the key destroyed by a node
	KindPrices        EntryKind = 33 // a list of list prices, announced
	KindExit          EntryKind = 34 // a unit begins to leave, fails to fetch its bundle, comes back, or its time of grace ends
	KindExitDone      EntryKind = 35 // a unit has left: its owner holds the verified bundle with this manifest
	KindImport        EntryKind = 36 // a unit came from another log, with what that log proves of it
)

// lastKind is the newest kind this version knows.
const lastKind = KindImport

// A kind without a name is none of this version.
var entryKindNames = [...]string{"", "genesis", "decision", "revenue", "refund", "unit", "identity", "source", "report",
	"refusal-rollup", "node", "probe", "usage", "audit", "slice", "route", "notice", "rules", "proposal", "ownership", "policy",
	"consent", "binding", "pending", "transfer", "hold", "payout", "statement", "dispute", "service", "recording",
	KindPublication: "publication", KindErasure: "erasure", KindPrices: "prices", KindExit: "exit", KindExitDone: "exit-done", KindImport: "import"}

// String gives the word used in CLI and JSON.
func (k EntryKind) String() string {
	if k.known() {
		return entryKindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint16(k))
}

// known reports whether this version has the kind.
func (k EntryKind) known() bool { return k >= KindGenesis && k <= lastKind && entryKindNames[k] != "" }

// AccountKind says which account of a unit a posting touches. Values are stored: never renumber.
type AccountKind uint8

// The accounts.
const (
	AccountSource   AccountKind = 1 // Ref: source; its clearing account
	AccountCreator  AccountKind = 2 // the owner's share
	AccountPlatform AccountKind = 3 // the platform's share

	// The accounts below never stand between gross and split: no revenue event touches them, and nothing else touches the three
	// above. What an owner is owed is what the creator's account earned in the owner's time plus the owner's account.
	AccountOwner  AccountKind = 4 // Ref: number of the period of ownership; below zero: what was drawn from the share
	AccountHeld   AccountKind = 5 // Ref: hold; set aside
	AccountPayout AccountKind = 6 // Ref: payout; on its way
	AccountPaid   AccountKind = 7 // Ref: payout; paid
	AccountDues   AccountKind = 8 // the platform's, for other reasons than its share
)

// lastAccount is the newest account this version knows.
const lastAccount = AccountDues

var accountKindNames = [...]string{"", "source", "creator", "platform", "owner", "held", "payout", "paid", "dues"}

// String gives the word used in CLI and JSON.
func (k AccountKind) String() string {
	if k >= 1 && int(k) < len(accountKindNames) {
		return accountKindNames[k]
	}
	return fmt.Sprintf("account(%d)", uint8(k))
}

// Posting is one line of a double entry. The postings of an entry sum to zero in each currency.
type Posting struct {
	Account  AccountKind
	Ref      string // what the kind of account says; empty: the entry's unit alone
	Currency string // ISO 4217
	Minor    int64  // minor units, signed
}

// Entry is one leaf of the log. Its canonical bytes (docs/encoding.md) are what the leaf commits to.
type Entry struct {
	Seq      uint64     // leaf index, from 0
	Index    uint64     // index of the command that made it
	TimeMs   int64      // log time, Unix milliseconds; one per command, strictly rising
	Unit     nexus.ID   // zero: the platform's own chain
	UnitSeq  uint64     // position in the unit's chain, from 1
	UnitPrev nexus.Hash // commitment of the unit's previous entry; zero for the first
	Kind     EntryKind
	Body     []byte // canonical encoding of the kind's body
	Postings []Posting
}

// Draft is an entry before the chain gives it its place.
type Draft struct {
	Unit     nexus.ID
	Kind     EntryKind
	Body     []byte
	Postings []Posting
}

// AppendTo appends the entry's canonical bytes to dst: byte for byte what nexus.AppendCanonical writes, without
// reflection, because it runs once per revenue event.
func (e Entry) AppendTo(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, e.Seq)
	dst = binary.AppendUvarint(dst, e.Index)
	dst = binary.AppendVarint(dst, e.TimeMs)
	dst = append(dst, e.Unit[:]...)
	dst = binary.AppendUvarint(dst, e.UnitSeq)
	dst = append(dst, e.UnitPrev[:]...)
	dst = binary.AppendUvarint(dst, uint64(e.Kind))
	dst = binary.AppendUvarint(dst, uint64(len(e.Body)))
	dst = append(dst, e.Body...)
	dst = binary.AppendUvarint(dst, uint64(len(e.Postings)))
	for i := range e.Postings {
		p := &e.Postings[i]
		dst = binary.AppendUvarint(dst, uint64(p.Account))
		dst = binary.AppendUvarint(dst, uint64(len(p.Ref)))
		dst = append(dst, p.Ref...)
		dst = binary.AppendUvarint(dst, uint64(len(p.Currency)))
		dst = append(dst, p.Currency...)
		dst = binary.AppendVarint(dst, p.Minor)
	}
	return dst
}

// sizeMax is an upper bound of the bytes AppendTo adds for a draft, so that one arena holds a command's entries.
func (d *Draft) sizeMax() int {
	n := 4*binary.MaxVarintLen64 + 16 + 32 + 2*binary.MaxVarintLen32 + binary.MaxVarintLen32 + len(d.Body)
	for i := range d.Postings {
		n += 2 + 2*binary.MaxVarintLen32 + binary.MaxVarintLen64 + len(d.Postings[i].Ref) + len(d.Postings[i].Currency)
	}
	return n
}

// ParseEntry reads canonical bytes and refuses whatever AppendTo would not have written, an unknown kind of entry or
// account included. Error: nexus.CodeMalformed.
func ParseEntry(b []byte) (Entry, error) {
	var e Entry
	if err := nexus.Decode(b, &e); err != nil {
		return Entry{}, err
	}
	bad := func(subject, format string, args ...any) (Entry, error) {
		return Entry{}, nexus.Errf("parse entry", nexus.CodeMalformed, subject,
			"check the store with `nexus ledger verify`", format, args...)
	}
	if !e.Kind.known() {
		return bad(fmt.Sprintf("entry %d", e.Seq), "unknown kind %d", uint16(e.Kind))
	}
	if e.UnitSeq == 0 {
		return bad(fmt.Sprintf("entry %d", e.Seq), "unit sequence 0; they count from 1")
	}
	for _, p := range e.Postings {
		if p.Account < AccountSource || p.Account > lastAccount {
			return bad(fmt.Sprintf("entry %d", e.Seq), "unknown account %d", uint8(p.Account))
		}
	}
	return e, nil
}

const (
	commitmentDomain = "nexus-entry-v1\n"
	saltDomain       = "nexus-salt-v1\n"
)

// Commitment is SHA-256("nexus-entry-v1\n" || salt || entry). The salt keeps others from guessing an entry's content
// from its leaf; erasing the salt makes the leaf say nothing any more.
func Commitment(salt [16]byte, entry []byte) nexus.Hash {
	var stack [768]byte
	n := len(commitmentDomain) + len(salt) + len(entry)
	buf := stack[:0]
	if n > len(stack) {
		buf = make([]byte, 0, n)
	}
	buf = append(append(append(buf, commitmentDomain...), salt[:]...), entry...)
	return sha256.Sum256(buf)
}

// EntrySalt is the salt of a command's entry number ordinal (from 0): the first 16 bytes of
// SHA-256("nexus-salt-v1\n" || command salt || ordinal as 4 bytes big endian).
func EntrySalt(commandSalt [16]byte, ordinal uint32) [16]byte {
	var buf [len(saltDomain) + 16 + 4]byte
	copy(buf[:], saltDomain)
	copy(buf[len(saltDomain):], commandSalt[:])
	binary.BigEndian.PutUint32(buf[len(saltDomain)+16:], ordinal)
	sum := sha256.Sum256(buf[:])
	return [16]byte(sum[:16])
}

// hasher computes what a chain's entries need.
type hasher struct {
	*merkle.Hasher
	salts merkle.Fixed
}

func newHasher() hasher {
	h := merkle.NewHasher()
	return hasher{h, h.Fixed(saltDomain, 16+4)}
}

// entrySalt is EntrySalt.
func (h *hasher) entrySalt(commandSalt [16]byte, ordinal uint32) [16]byte {
	m := h.salts.Message()
	copy(m, commandSalt[:])
	binary.BigEndian.PutUint32(m[16:], ordinal)
	sum := h.salts.Sum()
	return [16]byte(sum[:16])
}

// commitment is Commitment.
func (h *hasher) commitment(salt [16]byte, entry []byte) nexus.Hash {
	return h.Sum(commitmentPrefix, salt[:], entry)
}

var commitmentPrefix = []byte(commitmentDomain)

// LeafHash is the RFC 6962 leaf hash of a commitment: SHA-256(0x00 || commitment).
func LeafHash(commitment nexus.Hash) nexus.Hash { return merkle.LeafHash(commitment) }

// CheckDrafts reports the first draft whose postings do not sum to zero in each currency, overflow, or exceed a limit.
// The state machine calls it before it decides, because Chain.Append treats such a draft as a broken invariant.
// Error: nexus.CodeMalformed.
func CheckDrafts(drafts []Draft) error {
	for i := range drafts {
		d := &drafts[i]
		why, hint := "", "use a kind of package ledger"
		switch {
		case !d.Kind.known():
			why = "unknown kind"
		case len(d.Body) > nexus.MaxCanonicalLen:
			why, hint = fmt.Sprintf("body of %d bytes", len(d.Body)), "split it"
		default:
			why, hint = unbalanced(d.Postings), "postings sum to zero per currency"
		}
		if why != "" {
			return nexus.Errf("check drafts", nexus.CodeMalformed, fmt.Sprintf("draft %d (%s)", i, d.Kind), hint, "%s", why)
		}
	}
	return nil
}

// unbalanced says why postings are not a double entry, "" when they are. The quadratic walk is over a handful.
func unbalanced(ps []Posting) string {
	for i := range ps {
		if ps[i].Account < AccountSource || ps[i].Account > lastAccount {
			return fmt.Sprintf("unknown account %d", uint8(ps[i].Account))
		}
		if seenBefore(ps, i) {
			continue
		}
		var sum int64
		for j := i; j < len(ps); j++ {
			if ps[j].Currency != ps[i].Currency {
				continue
			}
			var ok bool
			if sum, ok = nexus.AddMinor(sum, ps[j].Minor); !ok {
				return fmt.Sprintf("sum of %s passes 64 bits", ps[i].Currency)
			}
		}
		if sum != 0 {
			return fmt.Sprintf("postings in %s sum to %d, not 0", ps[i].Currency, sum)
		}
	}
	return ""
}

func seenBefore(ps []Posting, i int) bool {
	for j := range i {
		if ps[j].Currency == ps[i].Currency {
			return true
		}
	}
	return false
}
