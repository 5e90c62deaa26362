package state

import (
	"encoding/hex"
	"fmt"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// IdentityEntry is the body of an identity entry in the ledger.
type IdentityEntry struct {
	Verb   string // "issued", "revoked", "rotated", "recovery-asked", "recovery-cancelled", "recovered"
	Key    nexus.PublicKey
	Name   string
	Role   uint8
	Other  nexus.PublicKey // successor or recovery key
	DueMs  int64
	Reason string
}

// ValidName checks a display name of an identity, source or node: 1 to 64 printable bytes, no spaces at the ends.
func ValidName(name string) error {
	bad := func(why string) error {
		return nexus.Errf("name", nexus.CodeMalformed, fmt.Sprintf("name %q", name),
			"1 to 64 letters, digits, dots, hyphens or underscores", "%s", why)
	}
	if name == "" || len(name) > 64 {
		return bad("length out of range")
	}
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-@", r)) {
			return bad(fmt.Sprintf("character %q", r))
		}
	}
	return nil
}

func (st *step) identityIssue() error {
	var b IdentityIssue
	if !st.body(&b) {
		return nil
	}
	role := gates.Role(b.Role)
	st.facts.Identity.Known = st.facts.Identity.Known || b.Key == st.cmd.Action.Actor
	operator := st.facts.Identity.Role == gates.RoleOperator
	st.facts.Identity.MayIssue = operator || role == gates.RoleCreator && b.Key == st.cmd.Action.Actor
	st.checkIssue(b.Name, b.Key)
	if !b.Recovery.IsZero() && (weak(b.Recovery) || b.Recovery == b.Key) {
		st.fail(nexus.CodeMalformed, "recovery key "+b.Recovery.Short(), "make another key for recovery", "the key itself, or one that anybody could sign for")
	}
	if role != gates.RoleCreator && role != gates.RoleOperator {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("role %d", b.Role), "creator or operator", "not a role that can be issued")
	}
	st.effect = func() { st.issue(b.Name, b.Key, b.Recovery, role) }
	return nil
}

func (st *step) checkIssue(name string, key nexus.PublicKey) {
	if err := ValidName(name); err != nil {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("identity name %q", name), "letters, digits, dots, hyphens, underscores", "%v", st.cause(err))
	}
	st.checkIdentityName(name)
	if _, taken := st.s.Names[name]; taken {
		st.fail(nexus.CodeConflict, fmt.Sprintf("identity name %q", name), "choose another name", "taken")
	}
	if st.s.nameGone(name) {
		st.fail(nexus.CodeConflict, fmt.Sprintf("identity name %q", name), "choose another name", "belonged to a key that was revoked")
	}
	if key.IsZero() {
		st.fail(nexus.CodeMalformed, "identity key", "an Ed25519 public key", "missing")
	}
	if weak(key) {
		st.fail(nexus.CodeMalformed, "identity key "+key.Short(), "make one with nexus identity new", "a point of small order: anybody could sign for it")
	}
	if old, ok := st.s.Identities[key]; ok {
		st.fail(nexus.CodeConflict, "identity key "+key.Short(), "use a new key", "already registered as %q", old.Name)
	}
	st.notBoundElsewhere(key, nexus.PublicKey{})
}

// weak reports whether a key is a point of small order, for which signatures verify that nobody made. The encodings are
// the eight points of order 1, 2, 4 and 8 with their non-canonical forms; the sign bit does not matter.
func weak(key nexus.PublicKey) bool {
	key[31] &= 0x7f
	switch hex.EncodeToString(key[:]) {
	case "0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f":
		return true
	}
	return false
}

func (st *step) issue(name string, key, recovery nexus.PublicKey, role gates.Role) {
	st.s.putIdentity(&Identity{Key: key, Name: name, Role: role, Recovery: recovery, IssuedMs: st.now, Index: st.index})
	st.draft(nexus.ID{}, ledger.KindIdentity, IdentityEntry{Verb: "issued", Key: key, Name: name, Role: uint8(role), Other: recovery})
	st.events = append(st.events, nexus.Event{Type: "identity.issued", Index: st.index, MustDeliver: true})
}

// change decodes the body and finds the identity that it is about.
func (st *step) change() (IdentityChange, *Identity) {
	var b IdentityChange
	if !st.body(&b) {
		return b, nil
	}
	id := st.s.Identities[b.Old]
	if id == nil {
		st.fail(nexus.CodeNotFound, "identity "+b.Old.Short(), "list identities with nexus identity list", "not registered")
	} else if id.Revoked && !st.mendable(id) {
		st.fail(nexus.CodeConflict, fmt.Sprintf("identity %q", id.Name), "", "already revoked")
	}
	return b, id
}

// mendable reports whether something can still be done about a revoked key: it has no successor, and the action leads to one, says
// no to one, or is the holder's own revocation after another's.
func (st *step) mendable(id *Identity) bool {
	if st.s.Rules < RulesOwnership || !id.Successor.IsZero() {
		return false
	}
	switch st.cmd.Action.Kind {
	case KindIdentityRecover, KindIdentityComplete:
		return true
	case KindIdentityCancel, KindIdentityRevoke:
		return st.cmd.Action.Actor == id.Key && st.s.revokedByOther(id.Key)
	}
	return false
}

func (st *step) identityRevoke() error {
	b, id := st.change()
	actor := st.cmd.Action.Actor
	st.facts.Identity.MayIssue = id != nil && (actor == b.Old || st.facts.Identity.Role == gates.RoleOperator)
	if id != nil && (id.Role == gates.RolePlatform || id.Role == gates.RoleNode) {
		st.fail(nexus.CodeConflict, fmt.Sprintf("identity %q", id.Name), "remove the node instead", "platform and node keys are not revoked this way")
	}
	st.text("reason", b.Reason)
	if id != nil && id.Role == gates.RoleOperator && !st.otherOperator(id) {
		st.fail(nexus.CodeConflict, fmt.Sprintf("identity %q", id.Name), "issue another operator first", "the last operator is not revoked")
	}
	st.effect = func() {
		if !id.Revoked {
			st.s.gone[id.Name]++
			delete(st.s.Names, id.Name)
		}
		id.Revoked, id.RevokedMs = true, st.now
		st.draft(nexus.ID{}, ledger.KindIdentity, IdentityEntry{Verb: "revoked", Key: id.Key, Name: id.Name, Reason: b.Reason})
		st.noteRevocation(id)
		st.events = append(st.events, nexus.Event{Type: "identity.revoked", Index: st.index, MustDeliver: true})
	}
	return nil
}

// otherOperator reports whether an operator besides id stands.
func (st *step) otherOperator(id *Identity) bool {
	for _, other := range st.s.Identities { // any order: a yes is a yes
		if other != id && other.Role == gates.RoleOperator && !other.Revoked {
			return true
		}
	}
	return false
}

func (st *step) identityRotate() error {
	b, id := st.change()
	if id != nil && (id.Role == gates.RolePlatform || id.Role == gates.RoleNode) {
		st.fail(nexus.CodeConflict, fmt.Sprintf("identity %q", id.Name), "found another cluster, or admit another node",
			"the genesis file binds platform and node keys")
	}
	st.facts.Identity.MayIssue = id != nil && st.cmd.Action.Actor == b.Old
	st.checkSuccessor(b.Old, b.New)
	st.effect = func() { st.succeed(id, b.New, "rotated") }
	return nil
}

func (st *step) checkSuccessor(of, key nexus.PublicKey) {
	if key.IsZero() {
		st.fail(nexus.CodeMalformed, "new key", "an Ed25519 public key", "missing")
	}
	if weak(key) {
		st.fail(nexus.CodeMalformed, "new key "+key.Short(), "make one with nexus identity new", "a point of small order")
	}
	if _, ok := st.s.Identities[key]; ok {
		st.fail(nexus.CodeConflict, "new key "+key.Short(), "use a new key", "already registered")
	}
	st.notBoundElsewhere(key, of)
}

// succeed moves name, role and units from one key to its successor. Recovery and rotation never move money: accounts
// belong to units, and earlier revenue stays where it is.
func (st *step) succeed(id *Identity, key nexus.PublicKey, verb string) {
	s := st.s
	next := &Identity{Key: key, Name: id.Name, Role: id.Role, Recovery: id.Recovery, IssuedMs: st.now, Index: st.index}
	was := id.Revoked
	id.Revoked, id.RevokedMs, id.Successor, id.PendingKey, id.PendingMs = true, st.now, key, nexus.PublicKey{}, 0
	if was { // a revoked key that its recovery key mended: the name is its own again
		s.gone[id.Name]--
		next.Name = s.freeName(id.Name)
	}
	s.putIdentity(next)
	for _, name := range sortedKeys(s.Sources) {
		if src := s.Sources[name]; src.Key == id.Key {
			src.Key = key
		}
	}
	st.draft(nexus.ID{}, ledger.KindIdentity, IdentityEntry{Verb: verb, Key: id.Key, Name: id.Name, Other: key})
	st.moveUnits(id.Key, key, verb)
	s.moveBindings(id.Key, key)
	st.events = append(st.events, nexus.Event{Type: "identity." + verb, Index: st.index, MustDeliver: true})
}

// freeName gives a name, or the first numbered form of it that nobody holds: an old log may have given it to another.
func (s *State) freeName(name string) string {
	free := name
	for n := 2; ; n++ {
		if _, taken := s.Names[free]; !taken {
			return free
		}
		free = fmt.Sprintf("%s-%d", name[:min(len(name), 56)], n)
	}
}

func (st *step) identityRecover() error {
	b, id := st.change()
	actor := st.cmd.Action.Actor
	byRecovery := id != nil && !id.Recovery.IsZero() && id.Recovery == actor
	// The recovery key is not an identity of its own; being registered with one makes it known for this act only.
	st.facts.Identity.Known = st.facts.Identity.Known || byRecovery
	st.facts.Identity.MayIssue = byRecovery
	st.checkSuccessor(b.Old, b.New)
	st.effect = func() {
		id.PendingKey, id.PendingMs = b.New, st.now+RecoveryWaitMs
		st.draft(nexus.ID{}, ledger.KindIdentity, IdentityEntry{Verb: "recovery-asked", Key: id.Key, Name: id.Name, Other: b.New, DueMs: id.PendingMs})
		st.events = append(st.events, nexus.Event{Type: "identity.recovery-asked", Index: st.index, MustDeliver: true})
		if st.s.Rules >= RulesOwnership {
			unit := " (Unix milliseconds)"
			if st.s.fourth() {
				unit = ""
			}
			st.noticeTo(id.Key, nexus.ID{}, "your recovery key asks to replace your key by %s from %s on%s; the key itself can cancel that "+
				"(nexus identity cancel %s)", b.New.Short(), st.moment(id.PendingMs), unit, id.Name)
		}
	}
	return nil
}

func (st *step) identityComplete() error {
	b, id := st.change()
	actor := st.cmd.Action.Actor
	pending := id != nil && !id.PendingKey.IsZero() && id.PendingKey == b.New
	may := pending && (actor == b.New || actor == id.Recovery)
	st.facts.Identity.Known = st.facts.Identity.Known || may
	st.facts.Identity.MayIssue = may
	st.checkSuccessor(b.Old, b.New) // it was free when it was asked for; that was at least 72 h ago
	if pending && st.now < id.PendingMs {
		st.fail(nexus.CodeConflict, fmt.Sprintf("identity %q", id.Name), "wait, or cancel with the old key",
			"the public wait ends in %d minutes", (id.PendingMs-st.now)/60_000)
	}
	st.effect = func() { st.succeed(id, b.New, "recovered") }
	return nil
}

func (st *step) identityCancel() error {
	b, id := st.change()
	st.facts.Identity.MayIssue = id != nil && st.cmd.Action.Actor == b.Old
	if id != nil && id.PendingKey.IsZero() {
		st.fail(nexus.CodeConflict, fmt.Sprintf("identity %q", id.Name), "", "no recovery is pending")
	}
	st.effect = func() {
		id.PendingKey, id.PendingMs = nexus.PublicKey{}, 0
		st.draft(nexus.ID{}, ledger.KindIdentity, IdentityEntry{Verb: "recovery-cancelled", Key: id.Key, Name: id.Name})
	}
	return nil
}
