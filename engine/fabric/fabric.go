// Package fabric is the contract of a capability provider: what turns the ledger's desired state into reality on a node.
//
// A fabric never decides. It is given a Spec that a committed decision allows, with the Permit for it, and makes it so;
// asked again it does nothing new (idempotent); after a crash the reconciler simply asks again. It must not import the
// engine or write to the ledger: observations go back as signed actions.
package fabric

import (
	"context"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// Spec is what one unit should have. Index is the newest decision behind it; Body is the fabric's own type.
type Spec[T any] struct {
	Unit   nexus.ID
	Index  uint64
	Digest nexus.Hash // of that decision's action
	Body   T
}

// Permits checks and consumes permits; gates.Minter is the one implementation.
type Permits interface {
	// Use accepts a permit once: it refuses a zero, reused, superseded or foreign one (gates.Minter.Use).
	Use(p gates.Permit, resource string, digest nexus.Hash) error
}

// Fabric makes specs of one kind real. Implementations are safe for concurrent use.
type Fabric[T any] interface {
	// Name is the word of the fabric: its package, event prefix and reference page.
	Name() string
	// Probe checks from outside that the fabric works on this node.
	Probe(ctx context.Context) error
	// Apply makes the spec real. The permit is for Resource(unit). Errors: CodeRefused for the permit; what was there
	// before stays in force then.
	Apply(ctx context.Context, p gates.Permit, s Spec[T]) error
	// Observe gives the index in force for a unit; false when the unit has nothing here.
	Observe(unit nexus.ID) (index uint64, ok bool)
	// Remove takes away what a unit has here.
	Remove(ctx context.Context, p gates.Permit, s Spec[T]) error
}

// Resource names what a permit of a fabric is for: "slicing/<unit id>".
func Resource(fabric string, unit nexus.ID) string { return fabric + "/" + unit.String() }
