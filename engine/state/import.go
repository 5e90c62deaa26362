package state

import (
	"encoding/base64"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
	"github.com/BobbyBlanco400/nexus-cos/ledger/split"
)

// A unit comes from another log (SPEC section 5, import): under the same id, with what that log proves of it. The proof is held here by
// every replica: the checkpoint is signed, its map of units commits to the unit's chain and balances, and the balances keep the
// constitution's split. They are the past under another platform: shown as imported, never part of what this one owes.

// KindUnitImport is the kind of action that takes a unit in.
const KindUnitImport = "unit.import"

// Bounds of an import.
const (
	maxImportBalances = 1024
	maxImportNote     = 16 << 10 // bytes of the signed checkpoint
	maxImports        = 64       // of one unit: it came from so many logs
)

// UnitImport is the body of unit.import. What Evidence says is proven; the rest is what the unit is to be here.
type UnitImport struct {
	Evidence      ledger.ImportBody
	Label         string // wanted; another one when it is taken
	Name          string
	Slug          string // wanted
	OwnerName     string // used when the owner's key is not known here: the identity issued in the same act
	Jurisdiction  string
	Envelope      Envelope
	Class         string
	GuaranteedBps int64
	CeilingBps    int64
	Parent        nexus.ID // of a channel: its platform here
}

// UnitImported is its result.
type UnitImported struct {
	UnitCreated
	Known bool // it had been taken in before: nothing changed
}

// ImportedBalance is what a unit had earned elsewhere in one currency. Minor units.
type ImportedBalance struct {
	Currency string
	Gross    int64
	Creator  int64
	Platform int64
}

// Imported is what is remembered of one import.
type Imported struct {
	Unit     nexus.ID
	Origin   nexus.ID // cluster
	Key      nexus.PublicKey
	Size     uint64 // entries of the log it comes from
	Root     nexus.Hash
	Seq      uint64 // of the unit's chain there
	Head     nexus.Hash
	Owner    nexus.PublicKey
	Manifest nexus.Hash
	Balances []ImportedBalance
	TimeMs   int64
	Index    uint64
}

// ImportsOf lists where a unit came from, oldest first. The list is the caller's.
func (s *State) ImportsOf(unit nexus.ID) []Imported {
	return append([]Imported(nil), s.imports[unit]...)
}

// ImportOf finds the import whose bundle has a manifest; false when there is none.
func (s *State) ImportOf(manifest nexus.Hash) (Imported, bool) {
	for _, id := range sortedIDs(s.imports) {
		for _, m := range s.imports[id] {
			if m.Manifest == manifest {
				return m, true
			}
		}
	}
	return Imported{}, false
}

// MayTakeIn reports whether a key may have a node keep the bundle of an owner's unit, so that it can be imported: the owner, under that key
// or the one that followed it, or an operator.
func (s *State) MayTakeIn(by, owner nexus.PublicKey) bool {
	id := s.Identities[by]
	return id != nil && !id.Revoked && (id.Role == gates.RoleOperator || by == owner || by == s.heir(owner))
}

func (s *State) putImport(m Imported) {
	if s.imports == nil {
		s.imports = map[nexus.ID][]Imported{}
	}
	s.imports[m.Unit] = append(s.imports[m.Unit], m)
}

// CheckImport checks what another log is said to prove of a unit: signature, map of units, split. Error: nexus.CodeCorrupt or CodeMalformed,
// saying which.
func CheckImport(b *ledger.ImportBody) (Imported, error) {
	bad := func(code nexus.Code, format string, args ...any) (Imported, error) {
		return Imported{}, nexus.Errf(KindUnitImport, code, "unit "+b.Unit.String(), "verify the bundle: nexus imvu verify-export DIR", format, args...)
	}
	if len(b.Checkpoint) > maxImportNote || len(b.Balances) > maxImportBalances || b.Unit.IsZero() || b.Seq == 0 || b.Manifest.IsZero() {
		return bad(nexus.CodeMalformed, "the evidence is incomplete or too large")
	}
	switch b.Kind {
	case nexus.KindIMVU, nexus.KindPlatform, nexus.KindChannel, nexus.KindProbe:
	default:
		return bad(nexus.CodeMalformed, "kind %d is no kind of unit", b.Kind)
	}
	if b.Percent != PercentOf(b.Kind, b.Percent) || b.Percent != 55 && b.Percent != 80 {
		return bad(nexus.CodeMalformed, "%d %% for a %s", b.Percent, b.Kind)
	}
	// What stands here stands in this log for ever, and its checkers read it more strictly than a signature is: a spelling or a balance that no
	// log of this program writes would make this whole ledger one that does not verify.
	if !plainNote(b.Checkpoint) {
		return bad(nexus.CodeMalformed, "the checkpoint's signature lines are not as a log writes them")
	}
	for i, x := range b.Balances {
		if _, known := nexus.CurrencyExponent(x.Currency); !known || x.Account < ledger.AccountSource || x.Account > ledger.AccountDues {
			return bad(nexus.CodeMalformed, "balance %d is of account %d in currency %q, which no log of this program has", i, x.Account, x.Currency)
		}
		if i > 0 && (b.Balances[i-1].Currency > x.Currency || b.Balances[i-1].Currency == x.Currency && b.Balances[i-1].Account >= x.Account) {
			return bad(nexus.CodeMalformed, "balance %d is out of order or there twice", i)
		}
	}
	cp, err := ledger.OpenCheckpoint(b.Checkpoint, ledger.Checkpoint{Cluster: b.Origin}.Origin(), b.Key)
	if err != nil || cp.Cluster != b.Origin {
		return bad(nexus.CodeCorrupt, "the checkpoint is not signed by key %s for log %s: %v", b.Key.Short(), b.Origin, err)
	}
	p := ledger.UnitProof{Present: true, Commitment: ledger.UnitCommitment{Unit: b.Unit, Seq: b.Seq, Head: b.Head, Balances: b.Balances},
		Proof: merkle.SortedProof{Siblings: b.Siblings}}
	if cp.Units.IsZero() {
		return bad(nexus.CodeCorrupt, "the checkpoint commits to no map of units")
	}
	if err := p.Check(cp.Units); err != nil {
		return bad(nexus.CodeCorrupt, "the checkpoint's map of units says otherwise")
	}
	out := Imported{Unit: b.Unit, Origin: b.Origin, Key: b.Key, Size: cp.Size, Root: cp.Root, Seq: b.Seq, Head: b.Head, Owner: b.Owner, Manifest: b.Manifest}
	for _, x := range b.Balances {
		n := len(out.Balances)
		if n == 0 || out.Balances[n-1].Currency != x.Currency {
			out.Balances = append(out.Balances, ImportedBalance{Currency: x.Currency})
			n++
		}
		at := &out.Balances[n-1]
		switch x.Account {
		case ledger.AccountCreator:
			at.Creator = x.Minor
		case ledger.AccountPlatform:
			at.Platform = x.Minor
		}
	}
	for i := range out.Balances {
		at := &out.Balances[i]
		gross, ok := nexus.AddMinor(at.Creator, at.Platform)
		if !ok || at.Creator != split.CreatorTotal(gross, split.Rule(b.Percent)) {
			return bad(nexus.CodeCorrupt, "its shares of %s, %s for the creator, are not those of %d/%d", nexus.Money{Minor: gross, Currency: at.Currency},
				nexus.Money{Minor: at.Creator, Currency: at.Currency}, b.Percent, 100-b.Percent)
		}
		at.Gross = gross
	}
	return out, nil
}

// plainNote reports whether the signature lines of a signed note are in their one spelling, as ledger/verify demands it: three words
// each, the last in strict base64.
func plainNote(text string) bool {
	_, signatures, ok := strings.Cut(text, "\n\n")
	signatures, ended := strings.CutSuffix(signatures, "\n")
	if !ok || !ended {
		return false
	}
	for l := range strings.SplitSeq(signatures, "\n") {
		words := strings.Split(l, " ")
		if len(words) != 3 || words[0] != "—" {
			return false
		}
		if raw, err := base64.StdEncoding.Strict().DecodeString(words[2]); err != nil || base64.StdEncoding.EncodeToString(raw) != words[2] {
			return false
		}
	}
	return true
}

func (st *step) unitImport() error {
	b, ok := st.importBody()
	if !ok {
		return nil
	}
	ev := &b.Evidence
	came, err := CheckImport(ev)
	if err != nil {
		st.invalid = orErr(st.invalid, err)
	}
	may := st.byOwnerOrOperator(ev.Owner)
	st.facts.Identity.MayIssue = may
	if u := st.s.Units[ev.Unit]; u != nil {
		st.comeBack(u, &b, came, may)
		return nil
	}
	if ev.Origin == st.s.Cluster {
		st.fail(nexus.CodeConflict, "unit "+ev.Unit.String(), "restore this ledger from its backup", "this very log is its origin and does not have it")
	}
	u := st.importedUnit(&b)
	c := UnitCreate{Name: b.Name, Slug: b.Slug, OwnerKey: ev.Owner, OwnerName: b.OwnerName, Percent: b.Evidence.Percent}
	issued := st.importOwner(&c, u)
	c.Slug = u.Slug
	st.checkCreate(&c, u)
	st.createFacts(&c, u)
	capped := st.importCap(u, &b)
	st.effect = func() {
		st.create(u, c.OwnerName, issued)
		capped()
		st.took(u, ev, came)
		var made UnitCreated
		_ = nexus.Decode(st.result, &made) // written by create a line above
		st.result = nexus.Encode(UnitImported{UnitCreated: made})
	}
	return nil
}

// importedUnit makes the unit as it is to be here: the same id and rule, label and slug when they are free.
func (st *step) importedUnit(b *UnitImportSlice) *Unit {
	s, ev := st.s, &b.Evidence
	u := &Unit{ID: ev.Unit, Name: b.Name, Kind: ev.Kind, Percent: ev.Percent, Parent: b.Parent, Owner: ev.Owner, Status: "active",
		Jurisdiction: b.Jurisdiction, Envelope: b.Envelope, CreatedMs: st.now, CreatedIndex: st.index}
	u.Label = s.nextLabel(u.Kind)
	if _, taken := s.Labels[b.Label]; !taken && labelFits(u.Kind, b.Label) {
		u.Label = b.Label
	}
	wanted := UnitCreate{Name: b.Name}
	if nexus.Slug(b.Slug) == b.Slug {
		wanted.Slug = b.Slug
	}
	u.Slug = s.freeSlug(&wanted, u)
	u.Domain = strings.ToLower(u.Slug + "." + u.Label + "." + s.BaseDomain)
	class := orDefault(b.Class, DefaultClass)
	if s.fourth() && signals(class) && !st.platformsWord() { // another platform's word; a class keeps nobody from coming (gate 13)
		class = DefaultClass
	}
	u.Slice = SliceSpec{Class: class, GuaranteedBps: b.GuaranteedBps, CeilingBps: b.CeilingBps, Index: st.index}
	u.Slice.BudgetMicros = budgetMicros(u.Slice.Class)
	if n := b.BudgetMicros; n > 0 && n <= maxBudgetMicros && class == orDefault(b.Class, DefaultClass) { // another class has its own
		u.Slice.BudgetMicros = n
	}
	return u
}

// labelFits reports whether a label is one that a unit of the kind can have.
func labelFits(kind nexus.UnitKind, label string) bool {
	prefix, number, ok := strings.Cut(label, "-")
	want := map[nexus.UnitKind]string{nexus.KindIMVU: "IMVU", nexus.KindPlatform: "PLAT", nexus.KindChannel: "CHAN", nexus.KindProbe: "PROBE"}[kind]
	if !ok || want == "" || prefix != want || len(number) < 3 || len(number) > 12 {
		return false
	}
	for _, c := range []byte(number) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(number) == 3 || number[0] != '0' // one spelling of a number
}

// importOwner finds the owner's identity, or has it issued in the same act under the name given.
func (st *step) importOwner(b *UnitCreate, u *Unit) (issued bool) {
	if _, known := st.s.Identities[u.Owner]; known {
		b.OwnerName = ""
		return false
	}
	st.checkIssue(b.OwnerName, u.Owner)
	return true
}

// comeBack takes a unit in that this log knows: one that was taken in from the same bundle stays as it is, one that has left may come
// back by its owner's word, to the standing that it left from; any other id is taken. Whoever else would bring it back would end an exit
// that is not theirs (gate 13), and a bundle lies with everybody whom the owner gave it to.
func (st *step) comeBack(u *Unit, b *UnitImportSlice, came Imported, may bool) {
	st.unitFacts(u)
	may = may || st.facts.Unit.ActorOwns // the bundle may name the key that the owner's present one followed
	st.facts.Identity.MayIssue = may
	st.reach(u, "ledger", may)
	made := UnitCreated{ID: u.ID, Label: u.Label, Slug: u.Slug, Domain: u.Domain, Owner: u.Owner}
	list := st.s.imports[u.ID]
	for i := range list {
		if list[i].Manifest == b.Evidence.Manifest && st.invalid == nil {
			st.effect = func() { st.result = nexus.Encode(UnitImported{UnitCreated: made, Known: true}) }
			return
		}
	}
	x := st.s.exits[u.ID]
	switch {
	case x == nil || u.Status != StatusExited && u.Status != StatusClosed:
		st.fail(nexus.CodeConflict, "unit "+u.ID.String(), "it is here: nexus imvu show "+u.Label, "the id is taken by %s, which is %s", u.Label, u.Status)
		return
	case st.s.heir(b.Evidence.Owner) != u.Owner:
		st.fail(nexus.CodeConflict, "unit "+u.Label, "let the owner that left import it, then transfer it", "it left as %s's", st.s.nameOf(u.Owner))
	case st.cmd.Action.Actor != u.Owner:
		st.facts.Exit.Hinders = true
		st.fail(nexus.CodeConflict, "unit "+u.Label, "let its owner sign the import", "it has left; only %s brings it back", st.s.nameOf(u.Owner))
	case b.Evidence.Kind != u.Kind || b.Evidence.Percent != u.Percent:
		st.fail(nexus.CodeConflict, "unit "+u.Label, "verify the bundle: nexus imvu verify-export DIR", "the bundle is of a %s at %d %%, it left as a %s at %d %%",
			b.Evidence.Kind, b.Evidence.Percent, u.Kind, u.Percent)
	case len(list) >= maxImports:
		st.fail(nexus.CodeConflict, "unit "+u.Label, "", "came from %d logs already", len(list))
	}
	capped := func() {}
	if x.ReleasedMs != 0 { // before that it has the one that it left with, or what its owner made of it since
		capped = st.importCap(u, b)
	}
	st.effect = func() {
		delete(st.s.exits, u.ID)
		u.Status = x.Was // leaving ends no suspension, and coming back neither
		if _, bound := st.s.Domains[u.Domain]; !bound {
			st.s.Domains[u.Domain], st.s.Domains["stage."+u.Domain] = u.ID, u.ID
		}
		st.unitEntry(u, "returned")
		capped()
		if b.Evidence.Origin == st.s.Cluster { // its own history is here
			st.notice(u, "%s is back", u.Label)
		} else {
			st.took(u, &b.Evidence, came)
		}
		st.result = nexus.Encode(UnitImported{UnitCreated: made})
	}
}

// took writes down what was taken in.
func (st *step) took(u *Unit, ev *ledger.ImportBody, came Imported) {
	came.TimeMs, came.Index = st.now, st.index
	st.s.putImport(came)
	st.draft(u.ID, ledger.KindImport, *ev)
	st.events = append(st.events, nexus.Event{Type: "unit.imported", Index: st.index, Unit: u.ID, MustDeliver: true})
	earned := make([]string, 0, len(came.Balances))
	for _, b := range came.Balances {
		earned = append(earned, nexus.Money{Minor: b.Gross, Currency: b.Currency}.String())
	}
	past := "nothing"
	if len(earned) > 0 {
		past = strings.Join(earned, ", ")
	}
	st.notice(u, "%s came from log %s with %d entries: it had earned %s there. That is its past, shown as imported; here it begins at zero", u.Label,
		came.Origin, came.Seq, past)
}
