package cluster

import (
	"crypto/sha256"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

const recordDomain = "nexus-node-record-v1\n"

// Limits of a record's texts, bytes.
const (
	MaxLabel = 40
	MaxAddr  = 256
)

// Record is what a node says of itself. The operator's signed admission names its digest.
type Record struct {
	Version    uint8 // 1
	Cluster    nexus.ID
	Key        nexus.PublicKey
	Label      string // human name, 1 to MaxLabel bytes
	Role       string // a Role
	GossipAddr string // host:port
	APIAddr    string // host:port, may be empty
	IssuedMs   int64  // Unix milliseconds; the newer record of a key wins
}

// SignedRecord is a record with the node key's signature over it.
type SignedRecord struct {
	Record    Record
	Signature []byte
}

func recordBytes(r Record) []byte { return nexus.AppendCanonical([]byte(recordDomain), r) }

// SignRecord sets the key to the signer's and signs.
func SignRecord(s nexus.Signer, r Record) (SignedRecord, error) {
	r.Version, r.Key = 1, s.Public()
	if err := r.validate(); err != nil {
		return SignedRecord{}, err
	}
	sig, err := s.Sign(recordBytes(r))
	if err != nil {
		return SignedRecord{}, &nexus.Error{Op: "sign node record", Code: nexus.CodeUnavailable,
			Subject: "node " + r.Key.Short(), Cause: err, Hint: "check the node's key file"}
	}
	return SignedRecord{Record: r, Signature: sig}, nil
}

func (r Record) validate() error {
	bad := func(subject, hint, format string, args ...any) error {
		return nexus.Errf("node record", nexus.CodeMalformed, subject, hint, format, args...)
	}
	switch {
	case r.Version != 1:
		return bad(fmt.Sprintf("version %d", r.Version), "this node speaks version 1", "unknown version")
	case r.Key.IsZero():
		return bad("key", "sign with the node key", "missing")
	case r.Label == "" || len(r.Label) > MaxLabel:
		return bad(fmt.Sprintf("label %q", r.Label), "choose a name of 1 to 40 bytes", "%d bytes", len(r.Label))
	case r.Role != string(RoleLedger) && r.Role != string(RoleEdge):
		return bad(fmt.Sprintf("role %q", r.Role), "ledger or edge", "unknown role")
	case len(r.GossipAddr) > MaxAddr || len(r.APIAddr) > MaxAddr:
		return bad("addresses", "host:port of at most 256 bytes", "too long")
	}
	return nil
}

// Digest is the SHA-256 of the signed bytes: the Record field of gossip and the subject of an admission.
func (s SignedRecord) Digest() nexus.Hash { return sha256.Sum256(recordBytes(s.Record)) }

// Verify checks form, cluster and signature.
func (s SignedRecord) Verify(clusterID nexus.ID) error {
	if err := s.Record.validate(); err != nil {
		return err
	}
	if s.Record.Cluster != clusterID {
		return nexus.Errf("node record", nexus.CodeRefused, "cluster "+s.Record.Cluster.String(),
			"use a record made for cluster "+clusterID.String(), "made for another cluster")
	}
	if !s.Record.Key.Verify(recordBytes(s.Record), s.Signature) {
		return nexus.Errf("node record", nexus.CodeRefused, "node "+s.Record.Key.Short(),
			"fetch the record from the node again", "signature does not verify")
	}
	return nil
}

// Encode gives the canonical bytes of record and signature.
func (s SignedRecord) Encode() []byte { return nexus.Encode(s) }

// DecodeRecord reads what Encode wrote. It does not verify; call Verify.
func DecodeRecord(b []byte) (SignedRecord, error) {
	var s SignedRecord
	err := nexus.Decode(b, &s)
	return s, err
}
