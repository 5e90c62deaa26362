package state

import (
	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// GenesisBody is the body of the first command: who this cluster is. Signed by the platform key it names.
type GenesisBody struct {
	Cluster      nexus.ID
	Profile      string
	BaseDomain   string
	Constitution nexus.Hash
	Platform     nexus.PublicKey
	Node         nexus.PublicKey
	NodeName     string
	Operator     nexus.PublicKey
	OperatorName string
}

// Names of what genesis makes.
const (
	PlatformName   = "platform"
	OperatorSource = "operator"
	ProbeSource    = "probe"
	StreamSlug     = "stream"
	OTTSlug        = "ott"
)

// genesis prepares the first command. Its signer is bound by the genesis file that every node holds, so the facts say
// that the identity is known; everything else is judged as always.
func (st *step) genesis() error {
	var b GenesisBody
	a, s := &st.cmd.Action, st.s
	st.facts.Identity = gates.IdentityFacts{Actor: a.Actor, SignatureValid: a.Verify(), ClusterMatches: true, InTime: true,
		Role: gates.RolePlatform, MayIssue: true}
	st.facts.Audit = gates.AuditFacts{Privileged: true, EntryPlanned: true, LogWritable: true}
	if !st.body(&b) {
		return nil
	}
	st.facts.Identity.Known = a.Actor == b.Platform
	st.facts.Platform = gates.PlatformFacts{Acts: true, Signed: a.Verify(), Logged: true}
	if !s.Cluster.IsZero() {
		st.fail(nexus.CodeConflict, "cluster "+s.Cluster.String(), "use another data directory", "has its genesis already")
	}
	st.effect = func() { st.found(&b) }
	return nil
}

// found makes what exists from launch on: the first identities, the operator's attested source, the test-money source and the
// platform's own mini-platforms stream and ott (CLI.md).
func (st *step) found(b *GenesisBody) {
	s := st.s
	s.Cluster, s.Profile, s.BaseDomain, s.Constitution, s.Platform = b.Cluster, b.Profile, b.BaseDomain, b.Constitution, b.Platform
	st.draft(nexus.ID{}, ledger.KindGenesis, *b)
	for _, id := range []struct {
		name string
		key  nexus.PublicKey
		role gates.Role
	}{{PlatformName, b.Platform, gates.RolePlatform}, {"node-" + b.Node.Short(), b.Node, gates.RoleNode}, {b.OperatorName, b.Operator, gates.RoleOperator}} {
		st.issue(id.name, id.key, nexus.PublicKey{}, id.role)
	}
	s.Nodes[b.Node] = &Node{Key: b.Node, Name: b.NodeName, Admitted: true, Index: st.index}
	st.draft(nexus.ID{}, ledger.KindNode, *s.Nodes[b.Node])
	st.draft(nexus.ID{}, ledger.KindSource, *st.register(SourceRegister{Name: OperatorSource, Class: ClassAttested, Key: b.Operator}))
	st.draft(nexus.ID{}, ledger.KindSource, *st.register(SourceRegister{Name: ProbeSource, Class: ClassMetered, Key: b.Node}))
	for _, p := range []struct{ slug, name string }{{StreamSlug, "Nexus Stream"}, {OTTSlug, "Nexus OTT Mini"}} {
		u := st.newUnitOf(nexus.KindPlatform, p.name, p.slug, b.Platform)
		st.create(u, "", false)
	}
	st.result = nil
}

// newUnitOf fills a platform-owned unit at genesis; its id comes from the cluster and its slug.
func (st *step) newUnitOf(kind nexus.UnitKind, name, slug string, owner nexus.PublicKey) *Unit {
	s := st.s
	u := &Unit{ID: nexus.DeriveID("unit", s.Cluster[:], []byte(slug)), Name: name, Slug: slug, Kind: kind, Percent: PercentOf(kind, 0),
		Label: s.nextLabel(kind), Owner: owner, Status: "active", Jurisdiction: DefaultJurisdiction,
		Envelope: Envelope{DefaultCPUMilli, DefaultMemoryBytes, DefaultStorageBytes, DefaultProcesses},
		Slice:    SliceSpec{Class: DefaultClass, BudgetMicros: budgetMicros(DefaultClass), Index: st.index}, CreatedMs: st.now, CreatedIndex: st.index}
	u.Domain = slug + "." + s.BaseDomain
	return u
}
