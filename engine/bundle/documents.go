package bundle

import (
	"context"
	"encoding/json"
	"io"
	stdslices "slices"
	"sort"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// document is one JSON file of what the state holds of a unit.
type document struct {
	path, what string
	value      any
}

type documents []document

// Unit is the content of unit.json: the registry's record, and what import rebuilds the unit from.
type Unit struct {
	ID           nexus.ID        `json:"id"`
	Label        string          `json:"label"`
	Name         string          `json:"name"`
	Slug         string          `json:"slug"`
	Kind         string          `json:"kind"`
	Percent      uint8           `json:"creator_percent"`
	Parent       nexus.ID        `json:"parent_id"` // of a channel: its mini-platform
	Owner        nexus.PublicKey `json:"owner_key"`
	OwnerName    string          `json:"owner_name"`
	Status       string          `json:"status"`
	Jurisdiction string          `json:"jurisdiction"`
	Domain       string          `json:"domain"`
	Domains      []string        `json:"domains"`
	Created      time.Time       `json:"created"`
	CPUMilli     int64           `json:"cpu_milli"`
	MemoryBytes  int64           `json:"memory_bytes"`
	StorageBytes int64           `json:"storage_bytes"`
	Processes    int64           `json:"processes"`
}

type ownerPeriod struct {
	Period   int             `json:"period"` // of ownership, from 0
	Owner    nexus.PublicKey `json:"owner_key"`
	Name     string          `json:"owner_name"`
	Recovery string          `json:"recovery_key,omitempty"`
	Until    time.Time       `json:"until,omitzero"` // zero: the present owner's
	Balances []state.Balance `json:"balances,omitempty"`
}

// Slice is the content of slice.json: what the slice was promised. service-level.jsonl has how it was kept.
type Slice struct {
	Class         string `json:"class"`
	GuaranteedBps int64  `json:"guaranteed_bps"`
	CeilingBps    int64  `json:"ceiling_bps"` // 0: the gateway's capacity
	BudgetMicros  int64  `json:"latency_budget_us"`
	Decision      uint64 `json:"decision"`
	MaxSessions   uint32 `json:"max_sessions,omitempty"` // connections at once at a gateway; absent: the class's number
}

type route struct {
	Host    string `json:"host"`
	Backend string `json:"backend"`
	Index   uint64 `json:"decision"`
}

type policyDoc struct {
	Version  uint64          `json:"version"` // 0: the unit never had one
	SetBy    string          `json:"set_by,omitempty"`
	Document json.RawMessage `json:"document,omitempty"` // as nexus policy set takes it
}

type owedRow struct {
	Period   int    `json:"period"`
	Currency string `json:"currency"`
	Earned   int64  `json:"earned"`
	Drawn    int64  `json:"drawn"`
	Payable  int64  `json:"payable"`
	Held     int64  `json:"held"`
	OnItsWay int64  `json:"on_its_way"`
	Paid     int64  `json:"paid"`
	Dues     int64  `json:"dues"`
}

type moneyDoc struct {
	Owed     []owedRow            `json:"owed"`
	Terms    []*state.PayoutTerms `json:"payout_terms"`
	Holds    []*state.Hold        `json:"holds"`
	Payouts  []*state.Payout      `json:"payouts"`
	Pendings []*state.Pending     `json:"pending_events"`
	Disputes []*state.Dispute     `json:"disputes"`
}

type importRow struct {
	Origin   nexus.ID                `json:"origin"` // cluster
	Key      nexus.PublicKey         `json:"origin_key"`
	Entries  uint64                  `json:"entries"`
	Manifest nexus.Hash              `json:"manifest_sha256"`
	Earned   []state.ImportedBalance `json:"earned_there"`
	Taken    time.Time               `json:"taken_in"`
}

// documentsOf copies all that the state holds of a unit.
func documentsOf(st *state.State, u *state.Unit) documents {
	unit := Unit{ID: u.ID, Label: u.Label, Name: u.Name, Slug: u.Slug, Kind: u.Kind.String(), Percent: u.Percent, Parent: u.Parent, Owner: u.Owner,
		Status: u.Status, Jurisdiction: u.Jurisdiction, Domain: u.Domain, Domains: []string{}, Created: utc(u.CreatedMs), CPUMilli: u.Envelope.CPUMilli,
		MemoryBytes: u.Envelope.MemoryBytes, StorageBytes: u.Envelope.StorageBytes, Processes: u.Envelope.Processes}
	if id := st.Identities[u.Owner]; id != nil {
		unit.OwnerName = id.Name
	}
	for name, of := range st.Domains {
		if of == u.ID {
			unit.Domains = append(unit.Domains, name)
		}
	}
	sort.Strings(unit.Domains)
	routes := []route{}
	for _, r := range st.Routes {
		if r.Unit == u.ID {
			routes = append(routes, route{r.Host, r.Backend, r.Index})
		}
	}
	sort.Slice(routes, func(i, j int) bool { return routes[i].Host < routes[j].Host })
	policy := policyDoc{}
	if p, ok := st.PolicyOf(u.ID); ok {
		policy = policyDoc{Version: p.Version, SetBy: p.SetBy.String(), Document: p.Policy.JSON()}
	}
	imports := []importRow{}
	for _, m := range st.ImportsOf(u.ID) {
		imports = append(imports, importRow{m.Origin, m.Key, m.Seq, m.Manifest, m.Balances, utc(m.TimeMs)})
	}
	return documents{
		{"unit.json", "the registry's record of the unit", unit},
		{"owners.json", "whose it was, and the keys", ownersOf(st, u)},
		{"routes.json", "routes", routes},
		{"slice.json", "the slice's contract", Slice{u.Slice.Class, u.Slice.GuaranteedBps, u.Slice.CeilingBps, u.Slice.BudgetMicros, u.Slice.Index,
			st.SessionCap(u.ID)}},
		{"policy.json", "the unit's own policy in force", policy},
		{"money.json", "what is owed, held and on its way; payout terms; disputes", moneyOf(st, u)},
		{"recordings.json", "recorded SSH sessions of the owner's keys, by digest; the node that recorded them keeps the files", recordingsOf(st, u)},
		{"imported.json", "the logs that the unit came from; imported/ holds their bundles", imports},
		{"transfer-codes.json", "transfer codes of domains: none exist", struct {
			Codes []string `json:"codes"`
			Why   string   `json:"why"`
		}{[]string{}, "this version registers no domain with a registry, so there is no code to give"}},
	}
}

func ownersOf(st *state.State, u *state.Unit) []ownerPeriod {
	out := []ownerPeriod{}
	closed := st.OwnerPeriods(u.ID)
	for _, p := range st.Periods(u.ID) {
		row := ownerPeriod{Period: p.Number, Owner: p.Owner}
		if id := st.Identities[p.Owner]; id != nil {
			row.Name = id.Name
			if !id.Recovery.IsZero() {
				row.Recovery = id.Recovery.String()
			}
		}
		if p.Number < len(closed) {
			row.Until, row.Balances = utc(closed[p.Number].UntilMs), closed[p.Number].Balances
		}
		out = append(out, row)
	}
	return out
}

func moneyOf(st *state.State, u *state.Unit) moneyDoc {
	d := moneyDoc{Owed: []owedRow{}, Terms: []*state.PayoutTerms{}, Holds: []*state.Hold{}, Payouts: []*state.Payout{}, Pendings: []*state.Pending{},
		Disputes: []*state.Dispute{}}
	for _, p := range st.Periods(u.ID) {
		for _, a := range st.MoneyAccounts(u.ID, st.MovedAccounts()) {
			b := st.OwedIn(u.ID, p.Number, a.Currency)
			x := st.PurseOf(state.PurseKey{Unit: u.ID, Period: uint32(p.Number), Currency: a.Currency})
			d.Owed = append(d.Owed, owedRow{p.Number, a.Currency, b.Earned, b.Drawn, b.Payable(), x.Held, x.OnItsWay, x.Paid, x.Dues})
		}
		if t := st.TermsOf(u.ID, p.Number); t != nil {
			copied := *t
			copied.Last = stdslices.Clone(t.Last)
			d.Terms = append(d.Terms, &copied)
		}
	}
	for _, h := range st.Holds() {
		if h.Unit == u.ID {
			copied := *h
			d.Holds = append(d.Holds, &copied)
		}
	}
	for _, p := range st.Payouts() {
		if p.Unit == u.ID {
			copied := *p
			d.Payouts = append(d.Payouts, &copied)
		}
	}
	for _, p := range st.PendingList() {
		if p.Event.Unit == u.ID {
			copied := *p
			d.Pendings = append(d.Pendings, &copied)
		}
	}
	for _, x := range st.Disputes() {
		if x.Unit == u.ID {
			copied := *x
			d.Disputes = append(d.Disputes, &copied)
		}
	}
	return d
}

func recordingsOf(st *state.State, u *state.Unit) []state.RecordingEntry {
	keys := map[nexus.PublicKey]bool{}
	for _, p := range st.Periods(u.ID) {
		keys[p.Owner] = true
	}
	out := []state.RecordingEntry{}
	for _, r := range st.Recordings() {
		if keys[r.Record.Key] {
			out = append(out, r)
		}
	}
	return out
}

func utc(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// ownership writes the proof of who owns the unit, or says in its place why there is none.
func (s *source) ownership(ctx context.Context, w io.Writer) error {
	p, err := control.OwnershipOf(s.eng, s.unit.ID)
	if nexus.CodeOf(err) == nexus.CodeUnavailable {
		return jsonPart(struct {
			Missing string `json:"missing"`
		}{err.Error()})(ctx, w)
	}
	if err != nil {
		return err
	}
	return jsonPart(p)(ctx, w)
}

// notHeld names what a bundle of this version holds nothing of.
func notHeld() []verify.ManifestNote {
	const none = "not built in this version, nothing held"
	var out []verify.ManifestNote
	for _, what := range []string{"DNS zones and DNSSEC keys", "domain transfer codes and certificates of ownership", "mailboxes, DKIM keys and mail policies",
		"volumes, images and snapshots", "database dumps", "service configuration and environment", "secrets", "media: streams, recordings and catalogue"} {
		out = append(out, verify.ManifestNote{What: what, Why: none})
	}
	return append(out,
		verify.ManifestNote{What: "files of recorded SSH sessions", Why: "the node that recorded them keeps them; recordings.json has their digests"},
		verify.ManifestNote{What: "private keys", Why: "they never leave their holders; the platform has none of yours unless it issued it, and gave it to you then"})
}
