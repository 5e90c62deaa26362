package nexus

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"time"
)

// Domains that separate one kind of signature from another: made for one purpose, it never verifies for another.
const (
	actionDomain = "nexus-action-v1\n"
	queryDomain  = "nexus-query-v1\n"
)

// MaxActionLife bounds Expires-Time of an action, in milliseconds: a day.
const MaxActionLife = 24 * 60 * 60 * 1000

// Action is the only thing that changes anything (DESIGN.md, one write path): a request, signed by the identity that
// makes it, under an id of the caller's choice. The same (Actor, ID) again is a look-up, not a repetition.
type Action struct {
	Version   uint8     // 1
	Cluster   ID        // the cluster it is meant for; foreign actions are refused
	ID        ID        // chosen by the caller, unique per actor for ever
	Kind      string    // "imvu.create": noun and verb as on the command line
	Unit      ID        // the unit acted on; zero when there is none yet
	Actor     PublicKey // who asks
	TimeMs    int64     // when it was signed, Unix milliseconds
	ExpiresMs int64     // applied no later than this, Unix milliseconds
	Body      []byte    // canonical encoding of the kind's body
	Signature []byte    // Ed25519 over SigningBytes
}

// SigningBytes are the bytes the actor signs: the domain, then the canonical encoding with an empty signature.
func (a Action) SigningBytes() []byte {
	a.Signature = nil
	return AppendCanonical(append(make([]byte, 0, 256+len(a.Body)), actionDomain...), a) // the rest takes less; a body may be large
}

// Digest is the SHA-256 of SigningBytes: what a permit, a proposal and a retry are compared by.
func (a Action) Digest() Hash { return sha256.Sum256(a.SigningBytes()) }

// Verify reports whether the signature is Actor's over the action.
func (a Action) Verify() bool { return a.Actor.Verify(a.SigningBytes(), a.Signature) }

// Validate checks the form of an action, not whether it is allowed.
func (a Action) Validate() error {
	bad := func(subject, hint, format string, args ...any) error {
		return Errf("action", CodeMalformed, subject, hint, format, args...)
	}
	switch {
	case a.Version != 1:
		return bad(fmt.Sprintf("version %d", a.Version), "this node speaks version 1", "unknown version")
	case a.ID.IsZero():
		return bad("id", "choose a random 128-bit id", "missing")
	case a.Kind == "" || len(a.Kind) > 64:
		return bad(fmt.Sprintf("kind %q", a.Kind), "a noun and a verb such as imvu.create", "not of 1 to 64 bytes")
	case a.Actor.IsZero():
		return bad("actor", "sign with an identity", "missing")
	case a.TimeMs <= 0: // also keeps the difference below from wrapping round
		return bad(fmt.Sprintf("time %d", a.TimeMs), "Unix milliseconds", "not after 1970")
	case a.ExpiresMs <= a.TimeMs || a.ExpiresMs-a.TimeMs > MaxActionLife:
		return bad(fmt.Sprintf("life of %d ms", a.ExpiresMs-a.TimeMs), "let it expire after its time, within a day",
			"out of range")
	case len(a.Body) > MaxCanonicalLen:
		return bad(fmt.Sprintf("body of %d bytes", len(a.Body)), "send smaller batches", "too large")
	}
	return nil
}

// Signer signs with one identity: a key file, or a key held by an ssh-agent. It is safe for concurrent use.
type Signer interface {
	Public() PublicKey
	// Sign returns the 64-byte Ed25519 signature over msg.
	Sign(msg []byte) ([]byte, error)
}

// KeySigner is a Signer over a private key in memory.
type KeySigner ed25519.PrivateKey

// Public implements Signer.
func (k KeySigner) Public() PublicKey {
	return PublicKey(ed25519.PrivateKey(k).Public().(ed25519.PublicKey))
}

// Sign implements Signer.
func (k KeySigner) Sign(msg []byte) ([]byte, error) {
	return ed25519.Sign(ed25519.PrivateKey(k), msg), nil
}

// SignAction sets actor and signature.
func SignAction(s Signer, a Action) (Action, error) {
	a.Actor = s.Public()
	sig, err := s.Sign(a.SigningBytes())
	if err != nil {
		return Action{}, Errf("sign action", CodeUnavailable, "identity "+a.Actor.Short(),
			"check the key file or that the ssh-agent is running", "%w", err)
	}
	a.Signature = sig
	return a, nil
}

// Query is a signed read (SPEC section 3: reads are judged too). It is bound to one cluster, path and moment; a node
// accepts it within a minute of TimeMs.
type Query struct {
	Cluster   ID
	Method    string // "GET"
	Target    string // path and query as sent
	Actor     PublicKey
	TimeMs    int64
	Signature []byte
}

// SigningBytes are the bytes the actor signs.
func (q Query) SigningBytes() []byte {
	q.Signature = nil
	return AppendCanonical([]byte(queryDomain), q)
}

// Verify reports whether the signature is Actor's over the query.
func (q Query) Verify() bool { return q.Actor.Verify(q.SigningBytes(), q.Signature) }

// Receipt says what became of an action, with the proof that the ledger holds it. It is returned only after the
// decision and its effect are durable.
type Receipt struct {
	Action     ID     `json:"action"`
	Digest     Hash   `json:"digest"`
	Index      uint64 `json:"index"`       // index of the decision; `nexus gates explain INDEX`
	Allowed    bool   `json:"allowed"`     // false: refused by at least one gate
	Repeated   bool   `json:"repeated"`    // the action had been applied before; nothing happened now
	Gates      []int  `json:"gates"`       // numbers of the refusing gates
	Reason     string `json:"reason"`      // first refusal: what was observed, what is required
	Fix        string `json:"fix"`         // smallest change that would be allowed
	FirstEntry uint64 `json:"first_entry"` // sequence number of the action's first ledger entry
	Entries    uint64 `json:"entries"`
	Result     []byte `json:"result,omitempty"`     // canonical encoding of the kind's result, if it has one
	Leaf       Hash   `json:"leaf"`                 // leaf hash of the first entry
	Proof      []Hash `json:"proof,omitempty"`      // inclusion of Leaf under Checkpoint
	Checkpoint string `json:"checkpoint,omitempty"` // signed note (C2SP) that covers it
}

// Event is something that happened and is durable, as published on the bus and the event stream. Type is
// "noun.verb": "gate.denied", "revenue.posted", "launch.check", "slice.sample", "cluster.member".
type Event struct {
	Type        string    `json:"type"`
	Time        time.Time `json:"time"`
	Index       uint64    `json:"index,omitempty"` // ledger index it comes from, 0 when it is a measurement
	Unit        ID        `json:"unit,omitzero"`
	MustDeliver bool      `json:"-"` // refusals, phase results and roots are never dropped; samples may be
	Data        any       `json:"data,omitempty"`
}
