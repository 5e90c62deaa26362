package state

import (
	"bytes"
	"crypto/sha256"
	"sort"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// pictureVersion grows when picture's form changes. 2: accounts say where their newest entry stands. 3: sections.
const pictureVersion = 3

// picture is the canonical form of a State: every list sorted, nothing derived. Version 2 is a core alone.
type picture struct {
	Core     core
	Sections []section
}

// core is what every version holds. It never changes any more: what is new gets a section of its own.
type core struct {
	Version      uint8
	Cluster      nexus.ID
	Profile      string
	BaseDomain   string
	Constitution nexus.Hash
	GateSet      nexus.Hash
	Platform     nexus.PublicKey
	Index        uint64
	TimeMs       int64
	Counters     Counters
	Chain        ledger.ChainState
	Identities   []Identity
	Units        []Unit
	Domains      []Domain
	Routes       []Route
	Sources      []Source
	Accounts     []Account
	Clearing     []Clearing
	Gates        []GateCount
	Nodes        []Node
	Reports      []ReportEntry
	Notices      []Notice // of versions before inboxes; empty since
}

// Snapshot gives the canonical bytes of the whole state. Restore of them continues exactly where this state stands.
func (s *State) Snapshot() []byte {
	p := core{Version: pictureVersion, Cluster: s.Cluster, Profile: s.Profile, BaseDomain: s.BaseDomain, Constitution: s.Constitution,
		GateSet: s.GateSet, Platform: s.Platform, Index: s.Index, TimeMs: s.TimeMs, Counters: s.Counters,
		Chain: s.Chain.Snapshot(), Gates: s.Gates[:], Reports: s.Reports}
	for _, k := range sortedPublic(s.Identities) {
		p.Identities = append(p.Identities, *s.Identities[k])
	}
	for _, u := range s.SortedUnits() {
		p.Units = append(p.Units, *u)
	}
	for _, n := range sortedKeys(s.Domains) {
		p.Domains = append(p.Domains, Domain{n, s.Domains[n]})
	}
	for _, h := range sortedKeys(s.Routes) {
		p.Routes = append(p.Routes, s.Routes[h])
	}
	for _, n := range sortedKeys(s.Sources) {
		p.Sources = append(p.Sources, *s.Sources[n])
	}
	for _, a := range s.SortedAccounts() {
		p.Accounts = append(p.Accounts, *a)
	}
	for k, v := range s.Clearing {
		p.Clearing = append(p.Clearing, Clearing{k.Source, k.Currency, v})
	}
	sort.Slice(p.Clearing, func(i, j int) bool {
		a, b := p.Clearing[i], p.Clearing[j]
		return a.Source < b.Source || a.Source == b.Source && a.Currency < b.Currency
	})
	for _, k := range sortedPublic(s.Nodes) {
		p.Nodes = append(p.Nodes, *s.Nodes[k])
	}
	return nexus.Encode(picture{Core: p, Sections: s.saveSections()})
}

// Hash is the SHA-256 of Snapshot: equal on all replicas at one index.
func (s *State) Hash() nexus.Hash { return sha256.Sum256(s.Snapshot()) }

// Restore rebuilds a state from Snapshot's bytes.
func Restore(chain *gates.Chain, b []byte) (*State, error) { return restore(onlySet(chain), b) }

func restore(sets *gates.Sets, b []byte) (*State, error) {
	pic, err := decodePicture(b)
	if err != nil {
		return nil, err
	}
	p := pic.Core
	c, err := ledger.RestoreChain(p.Chain)
	if err != nil {
		return nil, err
	}
	s := NewWith(sets)
	if err := s.useSet(p.GateSet); err != nil {
		return nil, err
	}
	s.Cluster, s.Profile, s.BaseDomain, s.Constitution = p.Cluster, p.Profile, p.BaseDomain, p.Constitution
	s.Platform, s.Index, s.TimeMs, s.Counters, s.Chain = p.Platform, p.Index, p.TimeMs, p.Counters, c
	copy(s.Gates[:], p.Gates)
	s.Reports = p.Reports
	for i := range p.Identities {
		s.putIdentity(&p.Identities[i])
	}
	for i := range p.Units {
		s.putUnit(&p.Units[i])
	}
	for _, d := range p.Domains {
		s.Domains[d.Name] = d.Unit
	}
	for _, r := range p.Routes {
		s.Routes[r.Host] = r
	}
	for i := range p.Sources {
		s.Sources[p.Sources[i].Name] = &p.Sources[i]
	}
	for i := range p.Accounts {
		s.putAccount(&p.Accounts[i])
	}
	for _, c := range p.Clearing {
		s.Clearing[ClearingKey{c.Source, c.Currency}] = c.Minor
	}
	for i := range p.Nodes {
		s.Nodes[p.Nodes[i].Key] = &p.Nodes[i]
	}
	if err := s.loadSections(pic.Sections); err != nil {
		return nil, err
	}
	s.adoptNotices(p.Notices)
	return s, nil
}

// decodePicture reads every version that was ever written.
func decodePicture(b []byte) (picture, error) {
	var pic picture
	var err error
	if len(b) > 0 && b[0] == 2 {
		err = nexus.Decode(b, &pic.Core)
	} else {
		err = nexus.Decode(b, &pic)
	}
	if err != nil {
		return pic, nexus.Errf("restore state", nexus.CodeCorrupt, "snapshot", "run nexus ledger verify --offline", "%v", err)
	}
	if v := pic.Core.Version; v < 2 || v > pictureVersion || len(pic.Core.Gates) != gates.Count {
		return pic, nexus.Errf("restore state", nexus.CodeUnfit, "snapshot", "start the version that wrote this data",
			"version %d with %d gates", v, len(pic.Core.Gates))
	}
	return pic, nil
}

func (s *State) putIdentity(id *Identity) {
	s.Identities[id.Key] = id
	if id.Name != "" && !id.Revoked {
		s.Names[id.Name] = id.Key
	}
	if id.Revoked && id.Successor.IsZero() {
		s.gone[id.Name]++
	}
}

func (s *State) putUnit(u *Unit) {
	if _, known := s.Units[u.ID]; !known {
		s.order = append(s.order, u)
	}
	s.Units[u.ID] = u
	s.Labels[u.Label] = u.ID
	if u.Status != "retired" { // a retired probe has given its slug back, also in a restored state
		s.Slugs[u.Slug] = u.ID
	}
}

func sortedPublic[V any](m map[nexus.PublicKey]V) []nexus.PublicKey {
	out := make([]nexus.PublicKey, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Slice(out, func(i, j int) bool { return bytes.Compare(out[i][:], out[j][:]) < 0 })
	return out
}
