package state

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// existing gives the unit acted on; prepare has recorded the failure when it is absent.
func (st *step) existing() *Unit {
	u := st.s.Units[st.cmd.Action.Unit]
	switch {
	case u == nil:
		st.fail(nexus.CodeNotFound, "unit "+st.cmd.Action.Unit.String(), "list units with nexus imvu list", "no such unit")
	case u.Status == "retired": // its names may be another unit's by now
		st.fail(nexus.CodeConflict, "unit "+u.Label, "make a new probe", "is retired already")
	}
	return u
}

func (st *step) unitScale() error {
	var b UnitScale
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	want := Envelope(b)
	f := envelopeFacts(u.Envelope, want, &st.cmd.Evidence)
	// The owner's own signature is the approval, on the action or on the very proposal; nobody else's is.
	f.OwnerApproved, f.NoticeQueued, f.ByUnit = st.ownerApproves(u), true, u.ID
	st.facts.Envelope, st.facts.Limit = []gates.EnvelopeFacts{f}, st.s.limitFacts(&f)
	st.here(u)
	st.reach(u, "compute", st.administers(u))
	st.facts.Exit.Hinders = want.CPUMilli < u.Envelope.CPUMilli || want.MemoryBytes < u.Envelope.MemoryBytes ||
		want.StorageBytes < u.Envelope.StorageBytes || want.Processes < u.Envelope.Processes
	st.effect = func() {
		u.Envelope = want
		st.unitEntry(u, "scaled")
		st.notice(u, "envelope of %s is now %d milli-cores, %d bytes memory, %d bytes storage, %d processes",
			u.Label, want.CPUMilli, want.MemoryBytes, want.StorageBytes, want.Processes)
	}
	return nil
}

func (st *step) unitSuspend() error {
	var b UnitReason
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	to, from := "suspended", "active"
	if st.cmd.Action.Kind == KindUnitResume {
		to, from = "active", "suspended"
	}
	st.text("reason", b.Reason)
	if u.Status != from {
		st.fail(nexus.CodeConflict, "unit "+u.Label, "see nexus imvu show "+u.Label, "is %s, not %s", u.Status, from)
	}
	st.reach(u, "compute", st.administers(u))
	st.facts.Exit.Hinders = to == "suspended"
	st.effect = func() {
		u.Status = to
		st.unitEntry(u, to)
		if b.Reason == "" && st.s.fourth() {
			st.notice(u, "%s is now %s", u.Label, to)
			return
		}
		st.notice(u, "%s is now %s: %s", u.Label, to, b.Reason)
	}
	return nil
}

func (st *step) probeRetire() error {
	u := st.existing()
	if u == nil {
		return nil
	}
	if u.Kind != nexus.KindProbe {
		st.fail(nexus.CodeConflict, "unit "+u.Label, "only probe units are retired", "is a %s", u.Kind)
	}
	st.reach(u, "compute", st.administers(u))
	st.hindersExit(u)
	st.effect = func() {
		u.Status = "retired"
		st.release(u)
		delete(st.s.Slugs, u.Slug)
		delete(st.s.exits, u.ID)
		st.unitEntry(u, "retired")
	}
	return nil
}

func (st *step) sliceSet() error {
	var b SliceSet
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	want := specOf(&b, st.index)
	if want.BudgetMicros > maxBudgetMicros || want.CeilingBps > maxRateBps || want.GuaranteedBps > maxRateBps {
		st.fail(nexus.CodeMalformed, "slice of "+u.Label, "a budget up to 60 s, rates up to 2^50 bit/s", "more than a gateway can keep")
	}
	st.judgeable(u, want.BudgetMicros, b.Class)
	f := st.s.sliceFacts(u, u.Slice, want, st.cmd.Evidence.CapacityBps, st.facts.Unit.ActorOwns)
	f.OwnerApproved, f.NoticeQueued = st.ownerApproves(u), true
	st.facts.Slice, st.facts.Signal = []gates.SliceFacts{f}, st.signalFacts(b.Class, u.Slice.Class)
	st.facts.Session = st.capByClass(u, b.Class)
	st.here(u)
	st.reach(u, "network", st.administers(u))
	st.facts.Exit.Hinders = !st.ownerApproves(u)
	st.effect = func() {
		text := st.setText(u, &b)
		u.Slice = want
		st.draft(u.ID, ledger.KindSlice, want)
		st.notice(u, "%s", text)
		st.events = append(st.events, nexus.Event{Type: "slice.set", Index: st.index, Unit: u.ID, MustDeliver: true})
	}
	return nil
}

// ParseBackend checks a backend: "http://127.0.0.1:PORT" (loopback only in this version) or "dir:/absolute/folder".
func ParseBackend(s string) (addr, dir string, err error) {
	bad := func(why string) (string, string, error) {
		return "", "", nexus.Errf("route", nexus.CodeMalformed, fmt.Sprintf("backend %q", s), "http://127.0.0.1:PORT or dir:/absolute/folder", "%s", why)
	}
	if d, ok := strings.CutPrefix(s, "dir:"); ok {
		if !filepath.IsAbs(d) || filepath.Clean(d) != d {
			return bad("not a clean absolute folder")
		}
		return "", d, nil
	}
	// One spelling for one address: the gateway must be able to take what stands here, and a second spelling of a port
	// would reach another unit's backend unseen.
	addr = strings.TrimPrefix(s, "http://")
	if ap, perr := netip.ParseAddrPort(addr); perr == nil {
		if ap.Port() == 0 || s != "http://"+ap.String() {
			return bad("not an address in its one spelling")
		}
		return addr, "", nil
	}
	host, port, _ := strings.Cut(addr, ":")
	n, perr := strconv.ParseUint(port, 10, 16)
	if perr != nil || n == 0 || !ValidHost(host) && host != "localhost" || s != "http://"+host+":"+strconv.FormatUint(n, 10) {
		return bad("not an address")
	}
	return addr, "", nil
}

// loopback reports whether an address is a literal of this host. A name is not: 127.example.com is anybody's.
func loopback(addr string) bool {
	ap, err := netip.ParseAddrPort(addr)
	return err == nil && ap.Addr().IsLoopback()
}

// sameBackend reports whether two backends would serve the same: equal, or one folder within the other.
func sameBackend(a, b string) bool {
	if a == b {
		return true
	}
	x, isFolder := strings.CutPrefix(a, "dir:")
	y, isFolderToo := strings.CutPrefix(b, "dir:")
	within := func(inner, outer string) bool { return strings.HasPrefix(inner, strings.TrimSuffix(outer, "/")+"/") }
	return isFolder && isFolderToo && (within(x, y) || within(y, x))
}

func (st *step) routeSet() error {
	var b RouteSet
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	host := strings.ToLower(b.Host)
	old, exists := st.s.Routes[host]
	drop := st.cmd.Action.Kind == KindRouteDrop
	addr, dir, err := "", "", error(nil)
	if drop {
		if !exists {
			st.fail(nexus.CodeNotFound, fmt.Sprintf("route %q", host), "list routes with nexus route list", "no such route")
		}
	} else if addr, dir, err = ParseBackend(b.Backend); err != nil {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("backend %q", b.Backend), "http://127.0.0.1:PORT or dir:/absolute/folder", "not a backend")
	}
	if !drop {
		st.here(u)
	}
	f := gates.RouteFacts{Host: host, HostUnit: st.s.Domains[host], Unit: u.ID, Exists: exists, PublicEntry: true,
		Changes: exists && (drop || old.Backend != b.Backend), OwnerApproved: st.ownerApproves(u),
		LoopbackOnly: drop || dir != "" || loopback(addr)}
	for _, h := range sortedKeys(st.s.Routes) {
		if r := st.s.Routes[h]; !drop && r.Unit != u.ID && sameBackend(r.Backend, b.Backend) {
			f.BackendUnit, f.ForeignBackend = r.Unit, true
		}
	}
	st.facts.Route = []gates.RouteFacts{f}
	st.reach(u, "network", st.administers(u))
	if f.ForeignBackend {
		st.reach(st.s.Units[f.BackendUnit], "network", false)
	}
	st.facts.Exit.Hinders = !st.ownerApproves(u)
	st.effect = func() {
		r := Route{Host: host, Unit: u.ID, Backend: b.Backend, Index: st.index}
		if drop {
			delete(st.s.Routes, host)
		} else {
			st.s.Routes[host] = r
		}
		u.UpdatedIndex = st.index
		st.draft(u.ID, ledger.KindRoute, r)
		st.notice(u, "route %s of %s: backend %q", host, u.Label, r.Backend)
		st.events = append(st.events, nexus.Event{Type: "route.set", Index: st.index, Unit: u.ID, MustDeliver: true})
	}
	return nil
}

func (st *step) domainClaim() error {
	var b DomainClaim
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	st.here(u)
	name := strings.ToLower(b.Name)
	bound, isBound := st.s.Domains[name]
	st.facts.Domain = []gates.DomainFacts{{Name: name, Valid: ValidHost(name), Bound: isBound, BoundTo: bound, Claimant: u.ID,
		Reserved: strings.HasSuffix(name, "."+st.s.BaseDomain) && !strings.HasSuffix(name, "."+u.Domain),
		Proven:   strings.HasSuffix(name, "."+u.Domain)}}
	st.reach(u, "network", st.administers(u))
	st.effect = func() {
		st.s.Domains[name] = u.ID
		st.unitEntry(u, "domain "+name)
	}
	return nil
}

func (st *step) sourceRegister() error {
	var b SourceRegister
	if !st.body(&b) {
		return nil
	}
	role := st.facts.Identity.Role
	st.facts.Identity.MayIssue = role == gates.RoleOperator || role == gates.RolePlatform
	old, exists := st.s.Sources[b.Name]
	closing := st.cmd.Action.Kind == KindSourceClose
	if err := ValidName(b.Name); err != nil {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("source %q", b.Name), "letters, digits, dots, hyphens, underscores", "not a name")
	}
	switch {
	case closing && !exists:
		st.fail(nexus.CodeNotFound, fmt.Sprintf("source %q", b.Name), "list sources with nexus revenue sources", "not registered")
	case !closing && exists:
		st.fail(nexus.CodeConflict, fmt.Sprintf("source %q", b.Name), "choose another name", "already registered")
	case !closing && (b.Class < ClassMetered || b.Class > ClassAttested):
		st.fail(nexus.CodeMalformed, fmt.Sprintf("class %d", b.Class), "metered, provider or attested", "no such class")
	case !closing && weak(b.Key):
		st.fail(nexus.CodeMalformed, "source key", "the Ed25519 key that will sign for the source", "missing")
	}
	if !closing {
		st.nameFor(b.Key, "source-"+b.Name)
	}
	st.effect = func() {
		src := old
		if closing {
			src.Active = false
		} else {
			src = st.register(b)
		}
		st.draft(nexus.ID{}, ledger.KindSource, *src)
	}
	return nil
}

// nameFor holds the name of the identity that registering a key makes to being free: two keys under one name would make
// a restored state differ from the one that goes on.
func (st *step) nameFor(key nexus.PublicKey, name string) {
	_, known := st.s.Identities[key]
	if holder, taken := st.s.Names[name]; taken && !known {
		st.fail(nexus.CodeConflict, fmt.Sprintf("identity name %q", name), "revoke that identity, or choose another name",
			"taken by key %s", holder.Short())
	}
	st.notBoundElsewhere(key, nexus.PublicKey{})
}

func (st *step) register(b SourceRegister) *Source {
	src := &Source{Name: b.Name, Class: b.Class, Key: b.Key, Active: true, Index: st.index}
	st.s.Sources[b.Name] = src
	if _, known := st.s.Identities[b.Key]; !known {
		st.s.putIdentity(&Identity{Key: b.Key, Name: "source-" + b.Name, Role: gates.RoleSource, IssuedMs: st.now, Index: st.index})
	}
	return src
}

func (st *step) nodeAdmit() error {
	var b NodeAdmit
	if !st.body(&b) {
		return nil
	}
	st.facts.Identity.MayIssue = st.facts.Identity.Role == gates.RoleOperator
	remove := st.cmd.Action.Kind == KindNodeRemove
	if b.Name != "" || !remove {
		if err := ValidName(b.Name); err != nil {
			st.fail(nexus.CodeMalformed, fmt.Sprintf("node name %q", b.Name), "letters, digits, dots, hyphens, underscores", "not a name")
		}
	}
	if b.Jurisdiction != "" && !jurisdictionKnown(b.Jurisdiction) {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("jurisdiction %q", b.Jurisdiction), "a known tag such as EU-GDPR", "not known")
	}
	if weak(b.Key) {
		st.fail(nexus.CodeMalformed, "node key "+b.Key.Short(), "make one with nexus identity new", "a point of small order: anybody could sign for it")
	}
	if remove && (st.s.Nodes[b.Key] == nil || b.Key == st.cmd.Evidence.Node) {
		st.fail(nexus.CodeConflict, "node "+b.Key.Short(), "list nodes with nexus cluster members", "not admitted, or the node that asks")
	}
	if !remove {
		st.nameFor(b.Key, "node-"+b.Key.Short())
	}
	st.effect = func() {
		n := &Node{Key: b.Key, Name: b.Name, Jurisdiction: b.Jurisdiction, Admitted: !remove, Index: st.index}
		st.s.Nodes[b.Key] = n
		if _, known := st.s.Identities[b.Key]; !known {
			st.s.putIdentity(&Identity{Key: b.Key, Name: "node-" + b.Key.Short(), Role: gates.RoleNode, IssuedMs: st.now, Index: st.index})
		}
		st.draft(nexus.ID{}, ledger.KindNode, *n)
		st.events = append(st.events, nexus.Event{Type: "cluster.admitted", Index: st.index, MustDeliver: true})
	}
	return nil
}

// byNode says that only a node, the platform or an operator may post this kind.
func (st *step) byNode() {
	role := st.facts.Identity.Role
	st.facts.Identity.MayIssue = role == gates.RoleNode || role == gates.RolePlatform || role == gates.RoleOperator
}

func (st *step) reportPost() error {
	var b ReportPost
	if !st.body(&b) {
		return nil
	}
	st.byNode()
	st.text("report", b.Verdict, b.Name)
	st.effect = func() {
		r := ReportEntry{Index: st.index, TimeMs: st.now, SHA256: b.SHA256, Verdict: b.Verdict, Name: b.Name}
		st.s.Reports = append(st.s.Reports, r)
		if over := len(st.s.Reports) - maxReports; over > 0 {
			st.s.Reports = append([]ReportEntry(nil), st.s.Reports[over:]...)
		}
		st.draft(nexus.ID{}, ledger.KindReport, r)
	}
	return nil
}

func (st *step) auditFinding() error {
	var b AuditFinding
	if !st.body(&b) {
		return nil
	}
	st.byNode()
	st.text("finding", b.Code, b.Observed, b.Required, b.Evidence)
	if _, known := st.s.Units[b.Unit]; !known && !b.Unit.IsZero() {
		st.fail(nexus.CodeNotFound, "unit "+b.Unit.String(), "list units with nexus imvu list", "no such unit")
	}
	st.effect = func() {
		st.s.Counters.Findings++
		st.draft(b.Unit, ledger.KindAudit, b)
		st.events = append(st.events, nexus.Event{Type: "audit.finding", Index: st.index, Unit: b.Unit, MustDeliver: true})
	}
	return nil
}

func (st *step) refusalRollup() error {
	var b RefusalRollup
	if !st.body(&b) {
		return nil
	}
	st.byNode()
	st.text("roll-up", b.Reason, b.Source)
	st.effect = func() {
		st.s.Counters.Unsigned += b.Count
		st.draft(nexus.ID{}, ledger.KindRefusalRollup, b)
	}
	return nil
}

func (st *step) nodeStop() error {
	st.byNode()
	st.effect = func() {
		st.draft(nexus.ID{}, ledger.KindNode, NodeAdmit{Key: st.cmd.Evidence.Node, Name: "stopped"})
	}
	return nil
}

// phases is the number of phases of a launch (SPEC section 2).
const phases = 12

// phaseRerun changes nothing in the state: the decision is the record of who asked. The node runs the phases.
func (st *step) phaseRerun() error {
	var b PhaseRerun
	if !st.body(&b) {
		return nil
	}
	st.byNode()
	if b.Phase < 1 || b.Phase > phases {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("phase %d", b.Phase), "1 to 12", "no such phase")
	}
	st.effect = func() {}
	return nil
}

func (st *step) ledgerEdit() error {
	var b LedgerEdit
	if !st.body(&b) {
		return nil
	}
	st.facts.Audit.TouchesLog = true
	st.facts.Platform.Denies = true
	st.fail(nexus.CodeRefused, fmt.Sprintf("entry %d", b.Seq), "post a correcting entry", "entries are never changed")
	return nil
}
