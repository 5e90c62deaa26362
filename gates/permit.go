package gates

import (
	"container/list"
	"fmt"
	"sync"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// MaxResources bounds a Minter's memory: it remembers one record (about 200 bytes) for each of the resources most
// lately minted for. Past the bound the resource minted for longest ago is forgotten, and a permit of it that is still
// outstanding is refused, so the bound can cost a reconciler one more round and never lets anything through.
const MaxResources = 65536

// Permit says that a committed decision allows one change of one resource on one node. Every fabric method that changes
// anything takes one. Only a Minter makes one that is worth anything: the fields are unexported, so the only permit
// another package can write down is the zero one, which is refused. Copies share their single use.
//
// Types stop mistakes, not hostile code in the same process; against that stands the decision that every replica takes
// for itself (DESIGN section 1, Permits).
type Permit struct {
	minter     *Minter
	serial     uint64 // unique per minter, from 1
	index      uint64
	digest     nexus.Hash
	node       string
	resource   string
	generation uint64
}

// Index is the index of the decision that allows.
func (p Permit) Index() uint64 { return p.index }

// Digest is the digest of the action that was allowed.
func (p Permit) Digest() nexus.Hash { return p.digest }

// Node is the node the permit is for.
func (p Permit) Node() string { return p.node }

// Resource is the resource the permit is for, in the words of its fabric: "slice/<unit id>".
func (p Permit) Resource() string { return p.resource }

// Generation is the generation of the resource that the permit may bring about.
func (p Permit) Generation() uint64 { return p.generation }

// IsZero reports whether the permit is the zero one, which permits nothing.
func (p Permit) IsZero() bool { return p == Permit{} }

// Check reports, without using the permit up, whether Use would accept it on this node for this resource and action.
// The errors are those of Minter.Use.
func (p Permit) Check(node, resource string, digest nexus.Hash) error {
	if err := p.bound(node, resource, digest); err != nil {
		return err
	}
	p.minter.mu.Lock()
	defer p.minter.mu.Unlock()
	_, err := p.minter.live(p)
	return err
}

// Use uses the permit up with the minter that made it: for fabrics, which know their node but hold no minter.
func (p Permit) Use(node, resource string, digest nexus.Hash) error {
	if err := p.bound(node, resource, digest); err != nil {
		return err
	}
	return p.minter.Use(p, resource, digest)
}

// bound checks what the permit itself says.
func (p Permit) bound(node, resource string, digest nexus.Hash) error {
	switch {
	case p.minter == nil:
		return permitErr(nexus.CodeRefused, "permit", "ask the gates first: mint one from a committed decision",
			"zero permit")
	case p.node != node:
		return permitErr(nexus.CodeRefused, fmt.Sprintf("permit for node %q", p.node), "mint one on this node",
			"foreign: this is node %q", node)
	case p.resource != resource:
		return permitErr(nexus.CodeRefused, fmt.Sprintf("permit for %q", p.resource), "mint one for this resource",
			"foreign: used on %q", resource)
	case p.digest != digest:
		return permitErr(nexus.CodeRefused, fmt.Sprintf("permit of action %s", p.digest),
			"mint one from the decision on this action",
			"foreign: used for action %s", digest)
	}
	return nil
}

func permitErr(code nexus.Code, subject, hint, format string, args ...any) error {
	return nexus.Errf("permit", code, subject, hint, format, args...)
}

// Minter makes permits from committed decisions. An engine builds exactly one and hands it to its reconcilers; permits
// of another minter are refused, so a second one in a process cannot help anybody past the first. Safe for concurrent
// use.
type Minter struct {
	node   string
	lookup func(index uint64) (Decision, bool)

	mu      sync.Mutex // guards all below; lookup is never called under it
	serial  uint64
	records map[string]*list.Element // resource -> element of order, at most limit
	order   *list.List               // of *record, minted longest ago first
	limit   int
}

// record is what is remembered of a resource: the newest permit and whether it was used.
type record struct {
	resource   string
	generation uint64
	serial     uint64
	used       bool
}

// NewMinter builds the minter of a node. lookup gives the decision at an index of the log only once it is durable and
// its effect took place: an allowed decision whose effect the state could not take is reported as unknown. It must be
// safe for concurrent use.
func NewMinter(node string, lookup func(index uint64) (Decision, bool)) *Minter {
	return &Minter{node: node, lookup: lookup, records: map[string]*list.Element{}, order: list.New(), limit: MaxResources}
}

// Mint gives a permit to bring the resource to the generation, by the committed decision at index. The newest permit
// of a resource is the only live one: minting replaces an earlier one of the same or an older generation.
//
// Errors: CodeNotFound when no such decision is committed; CodeRefused when it denies; CodeConflict when the resource
// has been minted for at a newer generation; CodeCorrupt when the stored decision contradicts itself; CodeUsage for an
// empty node or resource.
func (m *Minter) Mint(index uint64, resource string, generation uint64) (Permit, error) {
	subject := fmt.Sprintf("decision %d for %q", index, resource)
	if m.node == "" || resource == "" {
		return Permit{}, permitErr(nexus.CodeUsage, subject, "name the node and the resource", "node %q, resource %q",
			m.node, resource)
	}
	d, ok := m.lookup(index)
	if !ok {
		return Permit{}, permitErr(nexus.CodeNotFound, subject, "wait until the action is committed", "no committed decision")
	}
	if err := whole(&d, index); err != nil {
		return Permit{}, permitErr(nexus.CodeCorrupt, subject, "run nexus ledger verify", "%w", err)
	}
	if v, refused := d.FirstRefusal(); refused {
		return Permit{}, permitErr(nexus.CodeRefused, subject, v.Fix, "gate %d refused: %s", v.Gate, v.Observed)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, held := m.records[resource]; held {
		if have := e.Value.(*record).generation; have > generation {
			return Permit{}, permitErr(nexus.CodeConflict, subject, "read the state again",
				"generation %d is superseded by %d", generation, have)
		}
		m.order.Remove(e)
	}
	m.serial++
	m.records[resource] = m.order.PushBack(&record{resource: resource, generation: generation, serial: m.serial})
	if m.order.Len() > m.limit {
		delete(m.records, m.order.Remove(m.order.Front()).(*record).resource)
	}
	return Permit{minter: m, serial: m.serial, index: index, digest: d.Digest, node: m.node, resource: resource,
		generation: generation}, nil
}

// whole reports what is wrong with a decision's form: all 17 verdicts in order, and the answer that follows from them.
func whole(d *Decision, index uint64) error {
	if d.Index != index {
		return fmt.Errorf("stored under index %d, says %d", index, d.Index)
	}
	if len(d.Verdicts) != Count {
		return fmt.Errorf("%d verdicts instead of %d", len(d.Verdicts), Count)
	}
	all := true
	for i, v := range d.Verdicts {
		if int(v.Gate) != i+1 {
			return fmt.Errorf("verdict %d is of gate %d", i+1, v.Gate)
		}
		all = all && v.Allow
	}
	if all != d.Allow {
		return fmt.Errorf("says allow %t, its verdicts say %t", d.Allow, all)
	}
	return nil
}

// Use uses a permit up for a change of the resource by the action with that digest. Every failure is CodeRefused,
// except CodeConflict for a superseded permit: zero, of another minter, for another resource or action, used before,
// superseded. The caller makes the change after Use returns nil; a crash between the two leaves the change undone, and
// the reconciler mints again.
func (m *Minter) Use(p Permit, resource string, digest nexus.Hash) error {
	if err := p.bound(m.node, resource, digest); err != nil {
		return err
	}
	if p.minter != m {
		return permitErr(nexus.CodeRefused, fmt.Sprintf("permit for %q", p.resource), "mint one from this engine's minter",
			"foreign minter")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.live(p)
	if err != nil {
		return err
	}
	r.used = true
	return nil
}

// live finds the record of a permit that is still good. The caller holds mu.
func (m *Minter) live(p Permit) (*record, error) {
	subject := fmt.Sprintf("permit for %q generation %d", p.resource, p.generation)
	e, held := m.records[p.resource]
	if !held {
		return nil, permitErr(nexus.CodeConflict, subject, "mint again",
			"superseded: more than %d resources were minted for since", m.limit)
	}
	r := e.Value.(*record)
	switch {
	case r.serial != p.serial:
		return nil, permitErr(nexus.CodeConflict, subject, "mint again from the newest decision",
			"superseded by generation %d", r.generation)
	case r.used:
		return nil, permitErr(nexus.CodeRefused, subject, "mint one for each change", "used before")
	}
	return r, nil
}
