package wire

import (
	stdslices "slices"
	"strings"
	"time"
)

// PartyRow is one signature that a proposal needs.
type PartyRow struct {
	Role    string    `json:"role"` // owner, new-owner, platform, guardian
	Name    string    `json:"name,omitempty"`
	Key     string    `json:"key,omitempty"` // empty: any operator speaks for the platform
	Granted bool      `json:"granted"`
	By      string    `json:"by,omitempty"` // name of the identity that signed
	Time    time.Time `json:"time,omitzero"`
	Index   uint64    `json:"index,omitempty"` // decision of the grant
}

// ProposalRow is one change that waits for its parties, or waited.
type ProposalRow struct {
	ID       string     `json:"id"`
	Status   string     `json:"status"` // pending, applied, refused, expired, stale, withdrawn
	Kind     string     `json:"kind"`   // of the change
	Change   string     `json:"change"` // in words
	Digest   string     `json:"digest"` // what the parties sign
	Unit     string     `json:"unit"`
	UnitID   string     `json:"unit_id"`
	Proposer string     `json:"proposer"`
	Reason   string     `json:"reason,omitempty"`
	Parties  []PartyRow `json:"parties"`
	Opened   time.Time  `json:"opened"`
	Expires  time.Time  `json:"expires"`
	Index    uint64     `json:"index"`              // decision that opened it
	Decided  uint64     `json:"decided,omitempty"`  // decision that ended it
	Why      string     `json:"why,omitempty"`      // of the end
	Yours    bool       `json:"yours"`              // your word is out
	Mine     bool       `json:"mine"`               // you opened it: you can take it back
	Proposal []byte     `json:"proposal,omitempty"` // canonical bytes of the whole, from which the digest is computed again
	// Keys open the sealed texts in Change on the reader's machine, by the text's salt in hexadecimal; only of what the reader may read.
	Keys map[string][]byte `json:"keys,omitempty"`
	To   string            `json:"to,omitempty"` // name of the new owner, of a transfer; what is signed is the key in the change
}

// Words says what would change, as people say it.
func (p *ProposalRow) Words() string {
	words := Human(p.Change)
	if p.To != "" {
		words += " (" + p.To + ")"
	}
	return words
}

// WaitsFor names the parties that have not signed yet, "" when the proposal waits for nobody any more.
func (p *ProposalRow) WaitsFor() string {
	if p.Status != "pending" {
		return ""
	}
	var out []string
	for _, x := range p.Parties {
		if !x.Granted {
			out = append(out, strings.TrimSpace(x.Role+" "+x.Name))
		}
	}
	return strings.Join(out, ", ")
}

// signedBy reports whether a key opened the proposal or signed it as a party.
func (p *ProposalRow) signedBy(key string) bool {
	return p.Mine || stdslices.ContainsFunc(p.Parties, func(x PartyRow) bool { return x.Granted && x.Key == key })
}

// Proposals is the answer of `nexus approvals list`.
type Proposals struct {
	Proposals []ProposalRow `json:"proposals"`
	Total     int           `json:"total"` // there are so many; listed are the newest thousand
}

// OwnershipProof proves who owns a unit by the entry that says so, to be checked offline with the node's public key alone. It
// speaks for the moment of its checkpoint: whoever holds a later one asks for a later proof.
type OwnershipProof struct {
	Unit      string     `json:"unit"` // label
	UnitID    string     `json:"unit_id"`
	Owner     string     `json:"owner"` // public key, base64
	OwnerName string     `json:"owner_name"`
	Node      string     `json:"node"` // public key of the node that signs the checkpoint, base64
	Entry     EntryProof `json:"entry"`
}
