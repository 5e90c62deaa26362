package state

import (
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// identityFacts verifies the action's signature against the key set at this index (research: revocation order).
func (s *State) identityFacts(a *nexus.Action, now int64, signed bool) gates.IdentityFacts {
	f := gates.IdentityFacts{Actor: a.Actor, SignatureValid: signed, ClusterMatches: a.Cluster == s.Cluster,
		InTime: a.TimeMs <= now+maxSkewMs && now <= a.ExpiresMs, MayIssue: true}
	if id, ok := s.Identities[a.Actor]; ok {
		f.Known, f.Revoked, f.Role = true, id.Revoked, id.Role
		if s.fourth() {
			f.Role = s.role(id)
		}
	}
	return f
}

// unitFacts fills what the registry says of the unit acted on, and who may reach it.
func (st *step) unitFacts(u *Unit) {
	f := &st.facts
	f.Unit.Concerned = true
	f.Unit.ID = st.cmd.Action.Unit
	if u == nil {
		st.fail(nexus.CodeNotFound, "unit "+st.cmd.Action.Unit.String(), "list units with nexus imvu list", "no such unit")
		return
	}
	owner := st.s.Identities[u.Owner]
	f.Unit.Exists, f.Unit.ID, f.Unit.Kind, f.Unit.Owner = true, u.ID, u.Kind, u.Owner
	f.Unit.OwnerKnown = owner != nil
	f.Unit.OwnerRevoked = owner != nil && owner.Revoked
	f.Unit.ActorOwns = u.Owner == st.cmd.Action.Actor
	f.Unit.Status = u.Status
	f.Unit.NameFree = true
	f.Exit.Status = u.Status
	f.Exit.ByOwner = f.Unit.ActorOwns
	f.Tags = []gates.TagFacts{{Jurisdiction: u.Jurisdiction, Known: jurisdictionKnown(u.Jurisdiction),
		ResourceTags: []string{u.Jurisdiction}, UnitJurisdiction: u.Jurisdiction, NodeJurisdictions: st.s.nodeJurisdictions()}}
}

// reach says that the action touches a unit's resource. Owners reach their own; the platform reaches what the
// constitution lets it administer, and never data.
func (st *step) reach(u *Unit, resource string, granted bool) {
	st.facts.Reach = append(st.facts.Reach, gates.ReachFacts{Unit: u.ID, Resource: resource, Granted: granted})
}

// administers reports whether the actor owns the unit or is an operator, for acts that operators may ask for at all
// (other gates may still refuse them).
func (st *step) administers(u *Unit) bool {
	return u.Owner == st.cmd.Action.Actor || st.facts.Identity.Role == gates.RoleOperator || st.approval != nil && st.ownerApproves(u)
}

func (s *State) nodeJurisdictions() []string {
	var out []string
	for _, k := range sortedPublic(s.Nodes) {
		if n := s.Nodes[k]; n.Admitted && n.Jurisdiction != "" {
			out = append(out, n.Jurisdiction)
		}
	}
	return out
}

// ReadFacts are the facts of a signed read of one unit's resource, judged by the same 17 gates (SPEC section 1, gate 16).
// A zero unit is the platform's public part; public marks what the constitution makes public.
func (s *State) ReadFacts(q *nexus.Query, now int64, unit nexus.ID, resource string, public bool) gates.Facts {
	f := gates.Facts{Kind: "read." + resource, Read: true, NowMs: now}
	f.Identity = gates.IdentityFacts{Actor: q.Actor, SignatureValid: q.Verify(), ClusterMatches: q.Cluster == s.Cluster,
		InTime: q.TimeMs <= now+maxSkewMs && now <= q.TimeMs+maxSkewMs, MayIssue: true}
	if id, ok := s.Identities[q.Actor]; ok {
		f.Identity.Known, f.Identity.Revoked, f.Identity.Role = true, id.Revoked, s.role(id)
	}
	f.Audit = gates.AuditFacts{LogWritable: true}
	granted := f.Identity.Role == gates.RoleOperator || f.Identity.Role == gates.RoleNode
	if u := s.Units[unit]; u != nil {
		f.Unit = gates.UnitFacts{Concerned: true, Exists: true, ID: unit, Kind: u.Kind, Owner: u.Owner, OwnerKnown: true,
			ActorOwns: u.Owner == q.Actor, Status: u.Status, NameFree: true}
		granted = granted || u.Owner == q.Actor
	}
	f.Reach = []gates.ReachFacts{{Unit: unit, Resource: resource, Granted: granted, Public: public}}
	if f.Identity.Revoked && s.readsRevoked(q.Actor, &f, public) {
		f.Identity.Revoked = false
	}
	// A recovery key, the key it leads to, a bound key and a person who gave consent are no identities; they read what is public, or they could not ask.
	_, bound := s.bound[q.Actor]
	f.Identity.Known = f.Identity.Known || public && (s.recovers(q.Actor) || bound || s.consents[q.Actor] != nil)
	return f
}

// Decide runs the gates over facts outside consensus: reads and dry runs. Nothing is counted or stored.
func (s *State) Decide(f *gates.Facts, in gates.DecisionInput) gates.Decision {
	return s.chain.Decide(f, in)
}

func upper(s string) string { return strings.ToUpper(s) }

func lower(s string) string { return strings.ToLower(s) }

// recovers reports whether a key is registered to recover an identity, or waits to follow one.
func (s *State) recovers(key nexus.PublicKey) bool {
	for _, id := range s.Identities { // any order: a yes is a yes
		if !key.IsZero() && (id.Recovery == key || id.PendingKey == key) {
			return true
		}
	}
	return false
}
