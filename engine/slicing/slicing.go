// Package slicing is the fabric of NN-5G on a node: it turns units' slices and routes of the replicated state into the
// gateway's table, one permitted change at a time, and the table is swapped whole so that no stream is cut.
//
// It must not decide, and it must not import the engine: desired state comes in as specs, permits with them.
package slicing

import (
	"context"
	"strings"
	"sync"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/fabric"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// Name is this fabric's word.
const Name = "slicing"

// Body is what one unit has at the edge: its slice and its hosts.
type Body struct {
	Slice  slices.Slice
	Routes []edge.Route
}

// Gateway is what the fabric drives.
type Gateway interface {
	Swap(*edge.Table) error
}

// Fabric holds what is installed and swaps the gateway's table.
type Fabric struct {
	permits fabric.Permits
	gateway Gateway

	mu        sync.Mutex // guards installed
	installed map[nexus.ID]fabric.Spec[Body]
}

var _ fabric.Fabric[Body] = (*Fabric)(nil)

// New makes the fabric over a gateway that starts with an empty table.
func New(permits fabric.Permits, gateway Gateway) *Fabric {
	return &Fabric{permits: permits, gateway: gateway, installed: map[nexus.ID]fabric.Spec[Body]{}}
}

// Name implements fabric.Fabric.
func (f *Fabric) Name() string { return Name }

// Probe implements fabric.Fabric: the table that is in force must be buildable from what is installed.
func (f *Fabric) Probe(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.table(nexus.ID{}, nil)
	return err
}

// Apply implements fabric.Fabric. The new table is built before the permit is used, so a spec that cannot be served
// changes nothing.
func (f *Fabric) Apply(_ context.Context, p gates.Permit, s fabric.Spec[Body]) error {
	return f.change(p, s, &s)
}

// Remove implements fabric.Fabric.
func (f *Fabric) Remove(_ context.Context, p gates.Permit, s fabric.Spec[Body]) error {
	return f.change(p, s, nil)
}

func (f *Fabric) change(p gates.Permit, s fabric.Spec[Body], next *fabric.Spec[Body]) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.table(s.Unit, next)
	if err != nil {
		return err
	}
	if err := f.permits.Use(p, fabric.Resource(Name, s.Unit), s.Digest); err != nil {
		return err
	}
	if err := f.gateway.Swap(t); err != nil {
		return err
	}
	if next == nil {
		delete(f.installed, s.Unit)
	} else {
		f.installed[s.Unit] = *next
	}
	return nil
}

// table builds the table with one unit's spec replaced (nil: left out).
func (f *Fabric) table(unit nexus.ID, next *fabric.Spec[Body]) (*edge.Table, error) {
	var routes []edge.Route
	var set []slices.Slice
	add := func(s *fabric.Spec[Body]) {
		set = append(set, s.Body.Slice)
		routes = append(routes, s.Body.Routes...)
	}
	for id, s := range f.installed {
		if id != unit {
			add(&s)
		}
	}
	if next != nil {
		add(next)
	}
	return edge.NewTable(routes, set)
}

// Observe implements fabric.Fabric.
func (f *Fabric) Observe(unit nexus.ID) (uint64, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.installed[unit]
	return s.Index, ok
}

// Installed lists the units that have something at the edge.
func (f *Fabric) Installed() []nexus.ID {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]nexus.ID, 0, len(f.installed))
	for id := range f.installed {
		out = append(out, id)
	}
	return out
}

// SliceID derives a slice's id from its unit's.
func SliceID(unit nexus.ID) nexus.ID { return nexus.DeriveID("slice", unit[:]) }

// Changes reports whether an action of this kind may change what Desired lists for a unit that is served or was: whoever acts is answered when the node's
// gateway has the change.
func Changes(kind string) bool { return changing[kind] }

var changing = map[string]bool{
	state.KindIMVUCreate: true, state.KindPlatformCreate: true, state.KindChannelCreate: true, state.KindProbeCreate: true, state.KindProbeRetire: true,
	state.KindUnitScale: true, state.KindUnitSuspend: true, state.KindUnitResume: true, state.KindUnitTransfer: true, state.KindUnitImport: true,
	state.KindSliceSet: true, state.KindSliceSessions: true, state.KindRouteSet: true, state.KindRouteDrop: true, state.KindDomainClaim: true,
	state.KindProposalGrant:   true, // of any of these
	state.KindOwnershipSettle: true, state.KindExitBegin: true, state.KindExitCancel: true, state.KindExitComplete: true, state.KindExitSettle: true,
}

// Desired lists what the state wants at the edge: every unit that serves (state.Serving), with all hosts bound to it. A host
// without a backend is served too, and says that nothing is deployed there.
func Desired(s *state.State) []fabric.Spec[Body] {
	hosts := map[nexus.ID][]string{}
	for name, unit := range s.Domains {
		hosts[unit] = append(hosts[unit], name)
	}
	var out []fabric.Spec[Body]
	for _, u := range s.SortedUnits() {
		if !s.Serving(u) {
			continue
		}
		if spec, ok := desired(s, u, hosts[u.ID]); ok {
			out = append(out, spec)
		}
	}
	return out
}

func desired(s *state.State, u *state.Unit, hosts []string) (fabric.Spec[Body], bool) {
	class, err := slices.ParseClass(u.Slice.Class)
	if err != nil {
		return fabric.Spec[Body]{}, false
	}
	slice := slices.Default(u.ID, u.Label)
	slice.ID, slice.Class = SliceID(u.ID), class
	slice.GuaranteedBps, slice.CeilingBps = uint64(u.Slice.GuaranteedBps), uint64(u.Slice.CeilingBps)
	slice.LatencyBudgetMicros, slice.MaxSessions = u.Slice.BudgetMicros, int(s.SessionCap(u.ID))
	spec := fabric.Spec[Body]{Unit: u.ID, Index: max(u.UpdatedIndex, u.CreatedIndex, u.Slice.Index), Body: Body{Slice: slice}}
	for _, host := range hosts {
		r := edge.Route{Host: host, Unit: u.ID, SliceID: slice.ID, RouteIndex: u.CreatedIndex}
		if set, ok := s.Routes[host]; ok {
			r.RouteIndex = set.Index
			r.Backend.Address, r.Backend.Folder = backend(set.Backend)
			spec.Index = max(spec.Index, set.Index)
		}
		spec.Body.Routes = append(spec.Body.Routes, r)
	}
	return spec, true
}

func backend(text string) (address, folder string) {
	if d, ok := strings.CutPrefix(text, "dir:"); ok {
		return "", d
	}
	return strings.TrimPrefix(text, "http://"), ""
}
