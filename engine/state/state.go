package state

import (
	"crypto/sha256"
	stdslices "slices"
	"sort"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Identity is one registered key.
type Identity struct {
	Key        nexus.PublicKey
	Name       string
	Role       gates.Role
	Recovery   nexus.PublicKey
	IssuedMs   int64
	Revoked    bool
	RevokedMs  int64
	Successor  nexus.PublicKey // set when rotated
	PendingKey nexus.PublicKey // asked for by the recovery key, effective after the wait
	PendingMs  int64           // when it may be completed
	Index      uint64
}

// Envelope holds a unit's ceilings (SPEC section 3).
type Envelope struct {
	CPUMilli     int64
	MemoryBytes  int64
	StorageBytes int64
	Processes    int64
}

// SliceSpec is a unit's slice as recorded (SPEC section 4). Rates in bits per second, 0 ceiling: the gateway's capacity.
type SliceSpec struct {
	Class         string
	GuaranteedBps int64
	CeilingBps    int64
	BudgetMicros  int64
	Index         uint64
}

// Unit is one unit of account: an IMVU, a mini-platform, a channel or a probe.
type Unit struct {
	ID           nexus.ID
	Label        string
	Name         string
	Slug         string
	Kind         nexus.UnitKind
	Percent      uint8 // the creator's part, by kind; 55 or 80
	Parent       nexus.ID
	Owner        nexus.PublicKey
	Status       string // "active", "suspended", "retired", "exiting", "exited", "closed"
	Dormant      bool
	Jurisdiction string
	Domain       string
	Envelope     Envelope
	Slice        SliceSpec
	CreatedMs    int64
	CreatedIndex uint64
	UpdatedIndex uint64 // of the newest decision that changed the unit
}

// Route is one host's way to a backend.
type Route struct {
	Host    string
	Unit    nexus.ID
	Backend string
	Index   uint64
}

// Domain binds a host name to one unit.
type Domain struct {
	Name string
	Unit nexus.ID
}

// Source is a registered revenue source.
type Source struct {
	Name    string
	Class   uint8
	Key     nexus.PublicKey
	Active  bool
	LastSeq uint64 // highest producer sequence number applied
	Events  uint64
	Index   uint64
}

// Account is the split state of one (unit, currency).
type Account struct {
	Unit     nexus.ID
	Currency string
	Gross    int64
	Creator  int64
	Platform int64
	Events   uint64
	NewestMs int64 // event time of the newest event
	PostedMs int64 // log time of the newest posting

	NewestSeq uint64 // of the ledger entry that carries these totals
}

// Clearing is the balance of a source's clearing account in one currency: minus what it brought in.
type Clearing struct {
	Source   string
	Currency string
	Minor    int64
}

// GateCount counts one gate's decisions.
type GateCount struct {
	Allowed      uint64
	Denied       uint64
	LastDeniedMs int64
	LastReason   string
}

// Node is an admitted node.
type Node struct {
	Key          nexus.PublicKey
	Name         string
	Jurisdiction string
	Admitted     bool
	Index        uint64
}

// Notice is a must-deliver message to a unit's owner.
type Notice struct {
	Index  uint64
	TimeMs int64
	Unit   nexus.ID
	To     nexus.PublicKey
	Text   string
}

// Limits of the machine's own memory. What is cut off is still in the ledger.
const maxReports = 100

// State is the replicated state at one index. Maps are for look-up; whatever is encoded or listed is sorted first.
type State struct {
	Cluster      nexus.ID
	Profile      string
	BaseDomain   string
	Constitution nexus.Hash
	GateSet      nexus.Hash
	Platform     nexus.PublicKey
	Index        uint64
	TimeMs       int64
	Counters     Counters
	Chain        *ledger.Chain

	Identities map[nexus.PublicKey]*Identity
	Names      map[string]nexus.PublicKey
	Units      map[nexus.ID]*Unit
	Labels     map[string]nexus.ID
	Slugs      map[string]nexus.ID
	Domains    map[string]nexus.ID
	Routes     map[string]Route
	Sources    map[string]*Source
	Accounts   map[AccountKey]*Account
	Clearing   map[ClearingKey]int64
	Gates      [gates.Count]GateCount
	Nodes      map[nexus.PublicKey]*Node
	Reports    []ReportEntry
	Rules      uint32 // level of the machine's rules (rules.go)

	proposals     map[nexus.ID]*Proposal
	proposalOrder []*Proposal // as they were opened
	owners        map[nexus.ID]*holding
	inboxes       map[nexus.PublicKey]*Inbox
	keys          keysState
	service       serviceState
	recordings    []RecordingEntry // oldest first
	exits         map[nexus.ID]*Exit
	imports       map[nexus.ID][]Imported
	money         moneyState
	statements    map[nexus.ID][]IssuedStatement // closed months by unit, oldest first
	disputes      map[nexus.ID]*Dispute
	published     []Published                // by month
	exitFailures  map[nexus.ID]*ExitFailures // of exits under way
	prices        pricesState
	usage         map[nexus.ID]*UsageMonth
	usagePosted   []servicePosted
	erasures      map[nexus.PublicKey]*Erasure
	sessionCaps   map[nexus.ID]uint32                 // by unit; one that has none is not in it
	short         map[nexus.ID]*shortUnit             // by unit: guaranteed rates that were not kept
	gossip        GossipGeneration                    // zero: never rotated, see Gossip
	bindings      map[nexus.PublicKey]*bindingBook    // by identity
	bound         map[nexus.PublicKey]nexus.PublicKey // key to the identity it is bound to; from bindings
	gone          map[string]int                      // how many keys of a name were revoked without a successor; from Identities

	floods [gates.Count]uint64 // rolled-up refusals (flood.go)

	policies map[nexus.ID]*PolicyState
	consents map[nexus.PublicKey]*ConsentHistory

	seen    *Seen // commands worked out at the door; nil: none
	scratch scratch

	sets  *gates.Sets  // those that this program can decide with
	chain *gates.Chain // the one in force, whose hash is GateSet
	// incomplete: restored from a snapshot of a version that kept less; see Complete.
	incomplete bool
	order      []*Unit                 // Units as they were created; never written in place beyond its end
	accounts   map[nexus.ID][]*Account // Accounts of a unit by currency
}

// Counters number labels and count what happened.
type Counters struct {
	NextIMVU     uint64
	NextPlatform uint64
	NextChannel  uint64
	NextProbe    uint64
	Decisions    uint64
	Refused      uint64
	Events       uint64
	Findings     uint64
	Unsigned     uint64 // refusals rolled up before consensus
}

// AccountKey names a split account.
type AccountKey struct {
	Unit     nexus.ID
	Currency string
}

// ClearingKey names a source's clearing account.
type ClearingKey struct{ Source, Currency string }

// ReportEntry is a posted deployment report.
type ReportEntry struct {
	Index   uint64
	TimeMs  int64
	SHA256  nexus.Hash
	Verdict string
	Name    string
}

// New gives the empty state before genesis, deciding with the given chain of gates.
func New(chain *gates.Chain) *State {
	return &State{
		Chain: ledger.NewChain(), sets: onlySet(chain), chain: chain, GateSet: chain.Hash(),
		Identities: map[nexus.PublicKey]*Identity{}, Names: map[string]nexus.PublicKey{},
		Units: map[nexus.ID]*Unit{}, Labels: map[string]nexus.ID{}, Slugs: map[string]nexus.ID{},
		Domains: map[string]nexus.ID{}, Routes: map[string]Route{}, Sources: map[string]*Source{},
		Accounts: map[AccountKey]*Account{}, Clearing: map[ClearingKey]int64{}, Nodes: map[nexus.PublicKey]*Node{},
		accounts: map[nexus.ID][]*Account{}, gone: map[string]int{},
	}
}

// FindUnit looks a unit up by id, label (any case) or slug.
func (s *State) FindUnit(word string) (*Unit, bool) {
	if id, err := nexus.ParseID(word); err == nil {
		u, ok := s.Units[id]
		return u, ok
	}
	if id, ok := s.Labels[upper(word)]; ok {
		return s.Units[id], true
	}
	if id, ok := s.Slugs[word]; ok {
		return s.Units[id], true
	}
	return nil, false
}

// SortedUnits lists all units in order of creation. The console asks ten times a second, so nothing is sorted here.
func (s *State) SortedUnits() []*Unit { return stdslices.Clone(s.order) }

// SortedAccounts lists all split accounts by unit creation, then currency.
func (s *State) SortedAccounts() []*Account {
	out := make([]*Account, 0, len(s.Accounts))
	for _, u := range s.order {
		out = append(out, s.accounts[u.ID]...)
	}
	return out
}

// putAccount enters a new account or the next value of one.
func (s *State) putAccount(a *Account) {
	s.Accounts[AccountKey{a.Unit, a.Currency}] = a
	list := s.accounts[a.Unit]
	i, held := stdslices.BinarySearchFunc(list, a.Currency, func(x *Account, currency string) int { return strings.Compare(x.Currency, currency) })
	if held {
		list[i] = a
	} else {
		s.accounts[a.Unit] = stdslices.Insert(list, i, a)
	}
}

// DesiredHash is the digest of what a launch over existing data must not change (SPEC section 2): units, splits, routes,
// quotas, slices, addresses and sources. Probe units, gate counters and reports are left out.
func (s *State) DesiredHash() nexus.Hash {
	h := sha256.New()
	var b []byte
	for _, u := range s.SortedUnits() {
		if u.Kind != nexus.KindProbe {
			b = nexus.AppendCanonical(b[:0], *u)
			h.Write(b)
		}
	}
	for _, a := range s.SortedAccounts() {
		if a.Currency != nexus.TestCurrency {
			b = nexus.AppendCanonical(b[:0], *a)
			h.Write(b)
		}
	}
	probe := func(id nexus.ID) bool { u := s.Units[id]; return u != nil && u.Kind == nexus.KindProbe }
	for _, host := range sortedKeys(s.Routes) {
		if r := s.Routes[host]; !probe(r.Unit) {
			b = nexus.AppendCanonical(b[:0], r)
			h.Write(b)
		}
	}
	for _, name := range sortedKeys(s.Domains) {
		if id := s.Domains[name]; !probe(id) {
			b = nexus.AppendCanonical(b[:0], Domain{name, id})
			h.Write(b)
		}
	}
	return nexus.Hash(h.Sum(nil))
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
