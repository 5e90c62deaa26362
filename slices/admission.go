package slices

import (
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// ReservablePercent is the part of a gateway's capacity that may be guaranteed, in percent. The rest keeps unguaranteed
// slices moving and absorbs the overhead that no bucket counts.
const ReservablePercent = 90

// Admit decides whether a gateway of capacityBps bits per second, already carrying existing, can keep what want asks
// for (SPEC section 4). A slice with want's id among existing is replaced by it, so a change is judged like a creation.
// Guarantees must sum to at most ReservablePercent of the capacity; ceilings may overcommit, because they promise
// nothing. The refusal shows the arithmetic. It is pure: replicas decide alike.
func Admit(existing []Slice, want Slice, capacityBps uint64) error {
	if err := want.Validate(); err != nil {
		return err
	}
	// Nothing promised is always kept, whatever the gateway: a node whose capacity shrank still creates plain units.
	if want.GuaranteedBps == 0 {
		return nil
	}
	var held uint64
	count := 0
	for _, s := range existing {
		if s.ID != want.ID && s.GuaranteedBps > 0 {
			held = addSaturating(held, s.GuaranteedBps)
			count++
		}
	}
	limit := reservable(capacityBps)
	sum := addSaturating(held, want.GuaranteedBps)
	if sum <= limit {
		return nil
	}
	free := uint64(0)
	if limit > held {
		free = limit - held
	}
	return nexus.Errf("slice admission", nexus.CodeRefused, fmt.Sprintf("slice %q", want.Name),
		fmt.Sprintf("ask for at most %d bit/s, or raise the gateway's capacity", free),
		"guarantees of %d other slices %d + wanted %d = %d bit/s, above %d = %d %% of the capacity of %d bit/s",
		count, held, want.GuaranteedBps, sum, limit, ReservablePercent, capacityBps)
}

// AdmitAll judges a whole set of slices as if they were created one after the other, and names the first that does not
// fit. Gateways call it before they take a table.
func AdmitAll(set []Slice, capacityBps uint64) error {
	for i, s := range set {
		if err := Admit(set[:i], s, capacityBps); err != nil {
			return err
		}
	}
	return nil
}

// CommittedBps sums the guarantees of a set and gives the part of the capacity that may still be promised, both in
// bits per second.
func CommittedBps(set []Slice, capacityBps uint64) (committed, free uint64) {
	for _, s := range set {
		committed = addSaturating(committed, s.GuaranteedBps)
	}
	if limit := reservable(capacityBps); limit > committed {
		free = limit - committed
	}
	return committed, free
}

// reservable avoids overflow by dividing first; the remainder adds what the division lost.
func reservable(capacityBps uint64) uint64 {
	return capacityBps/100*ReservablePercent + capacityBps%100*ReservablePercent/100
}

func addSaturating(a, b uint64) uint64 {
	if a+b < a {
		return ^uint64(0)
	}
	return a + b
}
