package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// KeyStep is how far a rotation of the gossip key has come (docs/decisions/0075-gossip-key-rotation.md).
type KeyStep uint8

// The steps, in order. Each ends when every admitted member that is alive has it, or a grace time is over.
const (
	KeysSettled   KeyStep = 0 // one key, nothing under way
	KeysInstalled KeyStep = 1 // all accept the next key, all use the old one
	KeysInUse     KeyStep = 2 // all use the next key, all accept the old one
)

// String names the step as nexus cluster keys shows it.
func (s KeyStep) String() string {
	switch s {
	case KeysSettled:
		return "settled"
	case KeysInstalled:
		return "installing"
	case KeysInUse:
		return "in use, old one accepted"
	}
	return fmt.Sprintf("step %d", uint8(s))
}

const stepsPerGeneration = 3

// GossipKey is one key of the gossip's encryption and the generation it is of. The secret is never printed: show the ID.
type GossipKey struct {
	Generation uint64   // 1 is the cluster's first; 0 is a key whose generation is not known, as a join token has it
	Secret     [32]byte // AES-256
}

// ID names a key in public: eight bytes of a hash of the secret, in hex. Who sees it learns nothing of the key.
func (k GossipKey) ID() string {
	sum := sha256.Sum256(append([]byte("nexus-gossip-key-id-v1\n"), k.Secret[:]...))
	return hex.EncodeToString(sum[:8])
}

// String hides the secret from whoever prints a key.
func (k GossipKey) String() string { return fmt.Sprintf("generation %d (%s)", k.Generation, k.ID()) }

// GoString hides it too.
func (k GossipKey) GoString() string { return k.String() }

// Keyring is the set of keys that a member accepts, and which of them it uses. The version says it all but the secrets: three for each generation before the
// newest, and the step that the newest has reached. It is pure data; a change makes a new one.
type Keyring struct {
	Version uint64      // 0 is a ring of one key of a join token, of a generation that is not known
	Keys    []GossipKey // what is accepted, 1 or 2, the older first
	Primary uint64      // generation of the key that is used
}

// SettledKeyring is the ring of one generation alone, with nothing under way. Generation 0 makes the ring of a join token.
func SettledKeyring(key GossipKey) Keyring {
	return Keyring{Version: stepsPerGeneration * key.Generation, Keys: []GossipKey{key}, Primary: key.Generation}
}

// Step is how far the rotation has come.
func (k Keyring) Step() KeyStep { return KeyStep(k.Version % stepsPerGeneration) }

// Newest is the newest key that is accepted. The ring is valid.
func (k Keyring) Newest() GossipKey { return k.Keys[len(k.Keys)-1] }

// Used is the key that messages are encrypted with. The ring is valid.
func (k Keyring) Used() GossipKey {
	for _, key := range k.Keys {
		if key.Generation == k.Primary {
			return key
		}
	}
	return GossipKey{}
}

// Install begins a rotation to a newer key: it is accepted, the old one is still used. Only a settled ring takes one.
func (k Keyring) Install(next GossipKey) (Keyring, error) {
	if k.Step() != KeysSettled || next.Generation <= k.Primary || next.Secret == k.Used().Secret {
		return Keyring{}, nexus.Errf("rotate gossip key", nexus.CodeConflict, fmt.Sprintf("generation %d", next.Generation),
			"wait until the rotation under way is over", "the ring is at generation %d, %s", k.Newest().Generation, k.Step())
	}
	return Keyring{Version: stepsPerGeneration*(next.Generation-1) + uint64(KeysInstalled), Primary: k.Primary, Keys: []GossipKey{k.Used(), next}}, nil
}

// Advance is the ring after the step under way: the new key is used, then the old one is refused. A settled ring stays as it is.
func (k Keyring) Advance() Keyring {
	switch k.Step() {
	case KeysInstalled:
		return Keyring{Version: k.Version + 1, Keys: k.Keys, Primary: k.Newest().Generation}
	case KeysInUse:
		return SettledKeyring(k.Newest())
	}
	return k
}

// Validate checks that keys, primary and version say the same. CodeMalformed.
func (k Keyring) Validate() error {
	bad := func(what string) error {
		return nexus.Errf("gossip keys", nexus.CodeMalformed, fmt.Sprintf("version %d", k.Version), "fetch them from the ledger's node again", "%s", what)
	}
	wanted := 2
	if k.Step() == KeysSettled {
		wanted = 1
	}
	if len(k.Keys) != wanted {
		return bad(fmt.Sprintf("%d keys, %d belong to this step", len(k.Keys), wanted))
	}
	for _, key := range k.Keys {
		if key.Secret == [32]byte{} {
			return bad("a key is empty")
		}
	}
	first, newest := k.Keys[0], k.Newest()
	wantVersion, wantPrimary := stepsPerGeneration*newest.Generation, newest.Generation
	if k.Step() != KeysSettled {
		if first.Generation >= newest.Generation || first.Secret == newest.Secret {
			return bad("the keys are not two, the older first")
		}
		wantVersion = stepsPerGeneration*(newest.Generation-1) + uint64(k.Step())
	}
	if k.Step() == KeysInstalled {
		wantPrimary = first.Generation
	}
	if newest.Generation > 1<<60 || k.Version != wantVersion || k.Primary != wantPrimary {
		return bad("generations, step and the key in use do not fit each other")
	}
	return nil
}

// Encode gives the canonical bytes. They hold the secrets: seal them, or write them where only this node reads.
func (k Keyring) Encode() []byte { return nexus.Encode(k) }

// DecodeKeyring reads what Encode wrote and validates it.
func DecodeKeyring(b []byte) (Keyring, error) {
	var k Keyring
	if err := nexus.Decode(b, &k); err != nil {
		return Keyring{}, err
	}
	return k, k.Validate()
}
