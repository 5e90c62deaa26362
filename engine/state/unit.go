package state

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// Defaults and absolute limits of an envelope (SPEC section 3).
const (
	DefaultCPUMilli     = 2000
	DefaultMemoryBytes  = 4 << 30
	DefaultStorageBytes = 50 << 30
	DefaultProcesses    = 512
	DefaultJurisdiction = "US-CCPA"
	DefaultClass        = "interactive"

	maxCPUMilli     = 4096 * 1000
	maxMemoryBytes  = 64 << 40
	maxStorageBytes = 16 << 50
	maxProcesses    = 4 << 20

	// What a gateway's table takes (slices.Slice.Validate): one slice beyond it would stop every later change of the table.
	maxBudgetMicros = 60_000_000
	maxRateBps      = 1 << 50
)

func jurisdictionKnown(tag string) bool { return rules.Known(tag) }

// ValidUnitName checks a unit's display name: UTF-8, 1 to 80 characters, no control characters, no space at the ends.
func ValidUnitName(name string) error {
	bad := func(why string) error {
		return nexus.Errf("name", nexus.CodeMalformed, fmt.Sprintf("name %q", name), "1 to 80 printable characters", "%s", why)
	}
	n := utf8.RuneCountInString(name)
	switch {
	case !utf8.ValidString(name):
		return bad("not UTF-8")
	case n == 0:
		return bad("empty")
	case n > 80:
		return bad(fmt.Sprintf("%d characters", n))
	case strings.TrimSpace(name) != name:
		return bad("space at an end")
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return bad(fmt.Sprintf("character %q", r))
		}
	}
	return nil
}

func (st *step) unitCreate() error {
	var b UnitCreate
	if !st.body(&b) {
		return nil
	}
	u := st.newUnit(&b)
	issued := st.resolveOwner(&b, u)
	st.checkCreate(&b, u)
	st.checkUnitName(&b, u)
	st.createFacts(&b, u)
	st.checkOwnerSigns(u, issued)
	st.effect = func() {
		st.create(u, b.OwnerName, issued)
		st.tellOwner(u, issued)
	}
	return nil
}

// newUnit fills defaults, derives id, label and names. Percent follows from the kind alone; only a probe, which holds
// test money, says which rule it probes.
func (st *step) newUnit(b *UnitCreate) *Unit {
	kinds := map[string]nexus.UnitKind{KindIMVUCreate: nexus.KindIMVU, KindPlatformCreate: nexus.KindPlatform,
		KindChannelCreate: nexus.KindChannel, KindProbeCreate: nexus.KindProbe}
	digest := st.cmd.Action.Digest()
	u := &Unit{ID: nexus.DeriveID("unit", st.s.Cluster[:], digest[:]), Name: b.Name, Kind: kinds[st.cmd.Action.Kind],
		Parent: b.Parent, Status: "active", Dormant: b.Dormant, Jurisdiction: orDefault(b.Jurisdiction, DefaultJurisdiction),
		Envelope: Envelope{CPUMilli: orNumber(b.CPUMilli, DefaultCPUMilli), MemoryBytes: orNumber(b.MemoryBytes, DefaultMemoryBytes),
			StorageBytes: orNumber(b.StorageBytes, DefaultStorageBytes), Processes: orNumber(b.Processes, DefaultProcesses)},
		CreatedMs: st.now, CreatedIndex: st.index}
	u.Percent = PercentOf(u.Kind, b.Percent)
	u.Label = st.s.nextLabel(u.Kind)
	u.Slug = st.s.freeSlug(b, u)
	u.Domain = strings.ToLower(u.Slug + "." + u.Label + "." + st.s.BaseDomain)
	u.Slice = SliceSpec{Class: orDefault(b.Class, DefaultClass), GuaranteedBps: b.GuaranteedBps, CeilingBps: b.CeilingBps, Index: st.index}
	u.Slice.BudgetMicros = budgetMicros(u.Slice.Class)
	return u
}

// budgetMicros is the added latency that a class allows at the 99th percentile, in microseconds; 0 for an unknown class,
// which gate 8 refuses.
func budgetMicros(class string) int64 {
	c, err := slices.ParseClass(class)
	if err != nil {
		return 0
	}
	spec, _ := c.Spec()
	return spec.DelayBudgetMs * 1000
}

// PercentOf is the constitution: 55 for a unit, 80 for a mini-platform and its channels. No stored value changes it.
func PercentOf(kind nexus.UnitKind, probed uint8) uint8 {
	switch kind {
	case nexus.KindIMVU:
		return 55
	case nexus.KindPlatform, nexus.KindChannel:
		return 80
	default:
		return probed
	}
}

// labels gives the word before the numbers of a kind's labels, and the counter of the last number given.
func (s *State) labels(kind nexus.UnitKind) (word string, last *uint64) {
	switch kind {
	case nexus.KindPlatform:
		return "PLAT", &s.Counters.NextPlatform
	case nexus.KindChannel:
		return "CHAN", &s.Counters.NextChannel
	case nexus.KindProbe:
		return "PROBE", &s.Counters.NextProbe
	default:
		return "IMVU", &s.Counters.NextIMVU
	}
}

// nextLabel is the next free label: a unit that was taken in may hold a later number.
func (s *State) nextLabel(kind nexus.UnitKind) string {
	word, last := s.labels(kind)
	for n := *last + 1; ; n++ {
		label := fmt.Sprintf("%s-%03d", word, n)
		if _, taken := s.Labels[label]; !taken {
			return label
		}
	}
}

// countLabel moves the counter past a label that was given. One beyond the next free number moves nothing: numbers before it are free.
func (s *State) countLabel(kind nexus.UnitKind, label string) {
	word, last := s.labels(kind)
	for n := *last + 1; ; n++ {
		at := fmt.Sprintf("%s-%03d", word, n)
		if _, taken := s.Labels[at]; !taken && at != label {
			return
		}
		*last = n
	}
}

// freeSlug makes the slug from the name; a clash gets -2, -3, ... (CLI.md, revenue import). After the word of a label a number would make a label, and
// no number would ever be free of that: there it is -n2, -n3, ...
func (s *State) freeSlug(b *UnitCreate, u *Unit) string {
	base := b.Slug
	if base == "" {
		base = nexus.Slug(b.Name)
	}
	if base == "" {
		base = strings.ToLower(u.Label)
	}
	slug, next := base, base+"-"
	if s.Rules >= RulesNames && isLabel(strings.ToLower(base)+"-2") {
		next += "n"
	}
	for n := 2; ; n++ {
		if _, taken := s.Slugs[slug]; !taken && (s.Rules < RulesNames || slug == strings.ToLower(u.Label) || reservedFor(slug) == "") {
			return slug
		}
		slug = next + strconv.Itoa(n)
	}
}

// resolveOwner finds who will own the unit: the actor, a known name, or a new identity issued in the same act.
func (st *step) resolveOwner(b *UnitCreate, u *Unit) (issued bool) {
	if b.OwnerName == "" {
		u.Owner = st.cmd.Action.Actor
		return false
	}
	if key, known := st.s.Names[b.OwnerName]; known {
		u.Owner = key
		return false
	}
	if b.OwnerMustExist || b.OwnerKey.IsZero() {
		st.fail(nexus.CodeNotFound, fmt.Sprintf("owner %q", b.OwnerName), "issue it with nexus identity new, or leave out --owner-must-exist",
			"no identity of that name (it is unknown or was revoked)")
		return false
	}
	st.checkIssue(b.OwnerName, b.OwnerKey)
	u.Owner = b.OwnerKey
	return true
}

func (st *step) checkCreate(b *UnitCreate, u *Unit) {
	if err := ValidUnitName(b.Name); err != nil {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("name %q", b.Name), "1 to 80 printable characters", "%v", st.cause(err))
	}
	for _, other := range st.s.Units {
		if other.Name == b.Name && other.Kind == u.Kind && other.Parent == u.Parent && other.Kind != nexus.KindProbe {
			st.fail(nexus.CodeConflict, fmt.Sprintf("name %q", b.Name), "choose another name", "taken by %s", other.Label)
			break
		}
	}
	if b.Slug != "" && nexus.Slug(b.Slug) != b.Slug {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("slug %q", b.Slug), "lower-case letters, digits and hyphens", "not a slug")
	}
	if _, err := slices.ParseClass(u.Slice.Class); err != nil {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("class %q", u.Slice.Class), st.hint(err, "see nexus slices classes"), "%v", st.cause(err))
	}
	parent := st.s.Units[u.Parent]
	switch {
	case u.Slice.CeilingBps > maxRateBps || u.Slice.GuaranteedBps > maxRateBps:
		st.fail(nexus.CodeMalformed, "slice", "rates up to 2^50 bit/s", "more than a gateway can keep")
	case parent != nil && st.s.fourth() && (parent.Status == StatusExited || parent.Status == StatusClosed):
		st.fail(nexus.CodeConflict, "platform of the channel", "name an active mini-platform", "%s has left", parent.Label)
	case parent != nil && parent.Status == "retired":
		st.fail(nexus.CodeConflict, "platform of the channel", "name an active mini-platform", "is retired")
	case u.Kind == nexus.KindChannel && (parent == nil || parent.Kind != nexus.KindPlatform):
		st.fail(nexus.CodeMalformed, "platform of the channel", "name an existing mini-platform", "not found")
	case u.Kind != nexus.KindChannel && !u.Parent.IsZero():
		st.fail(nexus.CodeMalformed, "parent", "only a channel has a platform", "not a channel")
	case u.Percent != 55 && u.Percent != 80:
		st.fail(nexus.CodeMalformed, fmt.Sprintf("percent %d", u.Percent), "a probe is of 55 or 80", "no such rule")
	}
}

func (st *step) createFacts(b *UnitCreate, u *Unit) {
	f, s, e := &st.facts, st.s, &st.cmd.Evidence
	owner := s.Identities[u.Owner]
	_, slugTaken := s.Slugs[u.Slug]
	f.Unit = gates.UnitFacts{Concerned: true, ID: u.ID, Kind: u.Kind, Owner: u.Owner, OwnerKnown: owner != nil || !b.OwnerKey.IsZero() && u.Owner == b.OwnerKey,
		OwnerRevoked: owner != nil && owner.Revoked, ActorOwns: u.Owner == st.cmd.Action.Actor, NameFree: !slugTaken}
	f.Tags = []gates.TagFacts{{Jurisdiction: u.Jurisdiction, Known: jurisdictionKnown(u.Jurisdiction),
		ResourceTags: []string{u.Jurisdiction}, NodeJurisdictions: s.nodeJurisdictions()}}
	if b.Domain != "" {
		u.Domain = strings.ToLower(b.Domain)
	}
	bound, isBound := s.Domains[u.Domain]
	underBase := strings.HasSuffix(u.Domain, "."+s.BaseDomain)
	own := u.Domain == strings.ToLower(u.Slug+"."+u.Label+"."+s.BaseDomain)
	f.Domain = []gates.DomainFacts{{Name: u.Domain, Valid: ValidHost(u.Domain), Reserved: underBase && !own, Bound: isBound,
		BoundTo: bound, Claimant: u.ID, Proven: own}}
	f.Envelope = []gates.EnvelopeFacts{envelopeFacts(Envelope{}, u.Envelope, e)}
	f.Limit, f.Signal = s.limitFacts(&f.Envelope[0]), st.signalFacts(u.Slice.Class, "")
	f.Slice = []gates.SliceFacts{s.sliceFacts(u, SliceSpec{}, u.Slice, e.CapacityBps, true)}
}

func envelopeFacts(old, want Envelope, e *Evidence) gates.EnvelopeFacts {
	in := func(v, limit int64) bool { return v > 0 && v <= limit }
	return gates.EnvelopeFacts{CPUMilli: want.CPUMilli, MemoryBytes: want.MemoryBytes, StorageBytes: want.StorageBytes,
		Processes: want.Processes, CurrentCPUMilli: old.CPUMilli, CurrentMemory: old.MemoryBytes,
		CurrentStorage: old.StorageBytes, CurrentProcesses: old.Processes, LargestCPUMilli: e.LargestCPUMilli,
		LargestMemory: e.LargestMemory,
		Valid: in(want.CPUMilli, maxCPUMilli) && in(want.MemoryBytes, maxMemoryBytes) &&
			in(want.StorageBytes, maxStorageBytes) && in(want.Processes, maxProcesses)}
}

func (s *State) sliceFacts(u *Unit, old, want SliceSpec, capacity int64, byPolicy bool) gates.SliceFacts {
	_, err := slices.ParseClass(want.Class)
	f := gates.SliceFacts{ClassKnown: err == nil, GuaranteedBps: want.GuaranteedBps, CeilingBps: want.CeilingBps,
		CurrentGuaranteed: old.GuaranteedBps, CurrentCeiling: old.CeilingBps, BudgetMicros: want.BudgetMicros,
		CurrentBudget: old.BudgetMicros, CapacityBps: capacity, ByPolicy: byPolicy}
	for _, other := range s.Units {
		if other.ID != u.ID && other.Status != "retired" {
			f.OthersGuaranteed += other.Slice.GuaranteedBps
		}
	}
	return f
}

// create does what was prepared. The label counters move here and nowhere else.
func (st *step) create(u *Unit, ownerName string, issued bool) {
	s := st.s
	if issued {
		st.issue(ownerName, u.Owner, nexus.PublicKey{}, gates.RoleCreator)
	}
	s.countLabel(u.Kind, u.Label)
	s.putUnit(u)
	s.Domains[u.Domain] = u.ID
	s.Domains["stage."+u.Domain] = u.ID
	st.unitEntry(u, "created")
	st.draft(u.ID, ledger.KindSlice, u.Slice)
	st.result = nexus.Encode(UnitCreated{ID: u.ID, Label: u.Label, Slug: u.Slug, Domain: u.Domain, Owner: u.Owner, Issued: issued})
	st.events = append(st.events, nexus.Event{Type: u.Kind.String() + ".created", Index: st.index, Unit: u.ID, MustDeliver: true})
}

func (st *step) unitEntry(u *Unit, verb string) {
	u.UpdatedIndex = st.index
	st.draft(u.ID, ledger.KindUnit, ledger.UnitBody{Unit: u.ID, Parent: u.Parent, Kind: u.Kind, Percent: u.Percent, Label: u.Label,
		Name: u.Name, Slug: u.Slug, Jurisdiction: u.Jurisdiction, Domain: u.Domain, Owner: u.Owner, Verb: verb,
		Detail: nexus.Encode(u.Envelope)})
}

// ValidHost reports whether a name is a host name by RFC 1035 and RFC 1123: labels of letters, digits and hyphens.
func ValidHost(name string) bool {
	if len(name) == 0 || len(name) > 253 || !strings.Contains(name, ".") {
		return false
	}
	for _, label := range strings.Split(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return true
}

func orDefault(v, d string) string {
	if v == "" {
		return d
	}
	return v
}

func orNumber(v, d int64) int64 {
	if v == 0 {
		return d
	}
	return v
}
