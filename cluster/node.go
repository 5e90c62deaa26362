package cluster

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	stdslices "slices"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// State is how reachable a member is, as gossip sees it.
type State string

// The states, as printed by `nexus cluster members` and in JSON.
const (
	StateAlive   State = "alive"
	StateLeaving State = "leaving"
	StateLeft    State = "left"   // said goodbye
	StateFailed  State = "failed" // fell silent
)

// Role is what a node does.
type Role string

// The roles.
const (
	RoleLedger Role = "ledger" // holds the log (a raft voter)
	RoleEdge   Role = "edge"   // gateway only
)

// NodeName is a node's name in gossip: the first 16 bytes of the SHA-256 of its public key, 32 hexadecimal digits. A
// name that does not fit the key it comes with is a lie or a fault, see Node.NameFits.
func NodeName(key nexus.PublicKey) string {
	sum := sha256.Sum256(key[:])
	return fmt.Sprintf("%x", sum[:16])
}

// Node is one member as this node sees it now.
type Node struct {
	Name      string          `json:"name"`  // NodeName of Key
	Label     string          `json:"label"` // human name, e.g. "edge-2"; not unique, not trusted
	Key       nexus.PublicKey `json:"key"`
	Addr      string          `json:"addr"`     // gossip address, host:port
	APIAddr   string          `json:"api_addr"` // host:port of the control API, may be empty
	Role      Role            `json:"role"`
	State     State           `json:"state"`
	Admitted  bool            `json:"admitted"`   // its key is in the admitted set: false carries no traffic
	Record    nexus.Hash      `json:"record"`     // digest of its signed record, to be fetched and compared
	RTT       time.Duration   `json:"rtt_ns"`     // round trip, 0 when unknown
	RTTSource RTTSource       `json:"rtt_source"` // where RTT comes from
	ChangedMs int64           `json:"changed_ms"` // when this node last saw its state change, Unix milliseconds
	Self      bool            `json:"self"`       // this very node

	KeyVersion uint64 `json:"key_version,omitempty"` // of its ring of gossip keys, as it says; 0 when it says none
}

// RTTSource says how a round-trip time is known.
type RTTSource string

// The sources.
const (
	RTTNone     RTTSource = ""         // unknown
	RTTEstimate RTTSource = "estimate" // distance of Vivaldi coordinates
	RTTPing     RTTSource = "ping"     // measured by a probe of our own
)

// NameFits reports whether the name is the hash of the key.
func (n Node) NameFits() bool { return !n.Key.IsZero() && n.Name == NodeName(n.Key) }

// Routable reports whether traffic may go to the node: alive, named after its key, and admitted.
func (n Node) Routable() bool { return n.State == StateAlive && n.Admitted && n.NameFits() }

// Status is the word shown to people: the state, or "unadmitted" for a live member that nobody approved.
func (n Node) Status() string {
	if !n.Admitted && (n.State == StateAlive || n.State == StateLeaving) {
		return "unadmitted"
	}
	return string(n.State)
}

// View is an immutable picture of the members, sorted by label and then name. The zero View is empty. Safe for
// concurrent use because nothing in it ever changes.
type View struct {
	version uint64
	nodes   []Node
}

// NewView builds a picture. admitted holds the node keys that an operator approved (from the replicated state);
// members with other keys, or whose name is not the hash of their key, are marked unadmitted whatever they claim.
func NewView(version uint64, nodes []Node, admitted map[nexus.PublicKey]bool) View {
	own := stdslices.Clone(nodes)
	for i := range own {
		own[i].Admitted = own[i].NameFits() && admitted[own[i].Key]
	}
	stdslices.SortFunc(own, func(a, b Node) int {
		return cmp.Or(cmp.Compare(a.Label, b.Label), cmp.Compare(a.Name, b.Name))
	})
	return View{version: version, nodes: own}
}

// Version rises with every rebuilt picture of one agent.
func (v View) Version() uint64 { return v.version }

// Len is the number of members, dead ones included.
func (v View) Len() int { return len(v.nodes) }

// Nodes returns a copy of the members, sorted.
func (v View) Nodes() []Node { return stdslices.Clone(v.nodes) }

// Get finds a member by its gossip name.
func (v View) Get(name string) (Node, bool) {
	for _, n := range v.nodes {
		if n.Name == name {
			return n, true
		}
	}
	return Node{}, false
}

// Alive counts the members in StateAlive, this node included.
func (v View) Alive() int {
	count := 0
	for _, n := range v.nodes {
		if n.State == StateAlive {
			count++
		}
	}
	return count
}

// EventKind says what happened to a member.
type EventKind string

// The kinds of MemberEvent.
const (
	EventJoin      EventKind = "join"
	EventLeave     EventKind = "leave"
	EventFailed    EventKind = "failed"
	EventRecovered EventKind = "recovered" // was failed, is alive again
	EventUpdate    EventKind = "update"    // tags or address changed
	EventConflict  EventKind = "conflict"  // two addresses claim one name, or a name is not the hash of its key
)

// MemberEvent is one change of membership. Delivery is best effort (bounded buffer, drops are counted); the View is
// always right within one full sync.
type MemberEvent struct {
	Kind   EventKind `json:"kind"`
	Node   Node      `json:"node"`
	Detail string    `json:"detail,omitempty"` // for a conflict: what contradicts what
	TimeMs int64     `json:"time_ms"`
}

// Checkpoint is what gossip says of a ledger: enough to notice a fork, never enough to believe one (research: user
// events carry 512 bytes).
type Checkpoint struct {
	Origin string     `json:"origin"`
	Size   uint64     `json:"size"`
	Root   nexus.Hash `json:"root"`
	From   string     `json:"from"` // name that the sender gives itself; not proven
}
