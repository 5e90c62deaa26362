package wire

import "time"

// SealRequest asks for an action's body with its personal texts sealed (docs/policies.md, Erasure). Nothing is recorded.
type SealRequest struct {
	Kind   string `json:"kind"`
	UnitID string `json:"unit_id,omitempty"`
	Body   []byte `json:"body"` // canonical bytes
}

// SealAnswer is the body to sign, and the key of each text that was sealed now, in the order of the body: with it the client sees that
// what it signs are its own words.
type SealAnswer struct {
	Body []byte   `json:"body"`
	Keys [][]byte `json:"keys"`
}

// Erasures lists persons whose words were erased: all of them for the platform, the own for anybody else.
type Erasures struct {
	Erasures []ErasureRow `json:"erasures"`
}

// ErasureRow is one person's newest erasure.
type ErasureRow struct {
	Subject   string           `json:"subject"` // public key, base64
	Name      string           `json:"name,omitempty"`
	Number    uint32           `json:"number"` // how many there were
	Time      time.Time        `json:"time"`
	Index     uint64           `json:"index"`
	Destroyed []DestructionRow `json:"destroyed"`
}

// DestructionRow is one node's statement that it destroyed the key.
type DestructionRow struct {
	Node  string    `json:"node"`
	Time  time.Time `json:"time"`
	Index uint64    `json:"index"`
}
