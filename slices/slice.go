package slices

import (
	"fmt"
	"unicode/utf8"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// NameLenMax bounds a slice's name, in bytes.
const NameLenMax = 80

// rateMax bounds a rate in bits per second, so that sums of a cluster's slices stay far from overflow.
const rateMax = 1 << 50

// Slice is one share of a gateway (SPEC section 4): allocated when its unit is created, stored in the replicated state,
// enforced by package edge. It is plain data with a canonical encoding; copies are independent.
type Slice struct {
	ID                  nexus.ID `json:"id"`
	Unit                nexus.ID `json:"unit"`
	SST                 uint8    `json:"sst"` // S-NSSAI slice/service type
	SD                  uint32   `json:"sd"`  // S-NSSAI slice differentiator: the first 24 bits of the unit's id
	Name                string   `json:"name"`
	Class               Class    `json:"class"`
	GuaranteedBps       uint64   `json:"guaranteed_bps"`        // bits per second kept under any flood; 0: a fair share
	CeilingBps          uint64   `json:"ceiling_bps"`           // bits per second never passed; 0: the gateway's capacity
	MaxInFlight         int      `json:"max_in_flight"`         // requests worked on at once; 0: the class's number
	MaxSessions         int      `json:"max_sessions"`          // connections at once; 0: the class's number
	LatencyBudgetMicros int64    `json:"latency_budget_micros"` // added latency at the 99th percentile, microseconds
}

// Default is the slice that a new unit gets: class interactive, no guarantee, ceiling the gateway's capacity, limits
// and budget of the class (SPEC section 4). Its id follows from unit and name, so replicas agree on it.
func Default(unit nexus.ID, name string) Slice {
	spec, _ := ClassInteractive.Spec()
	return Slice{
		ID: nexus.DeriveID("nexus-slice-v1", unit[:], []byte(name)), Unit: unit,
		SST: spec.SST, SD: SDOf(unit), Name: name, Class: ClassInteractive,
		LatencyBudgetMicros: spec.DelayBudgetMs * 1000,
	}
}

// SDOf gives the S-NSSAI slice differentiator of a unit: the first 24 bits of its id.
func SDOf(unit nexus.ID) uint32 {
	return uint32(unit[0])<<16 | uint32(unit[1])<<8 | uint32(unit[2])
}

// NSSAI prints the slice's S-NSSAI as "SST-SD" with hexadecimal digits, as 3GPP tools do: "01-a1b2c3".
func (s Slice) NSSAI() string { return fmt.Sprintf("%02x-%06x", s.SST, s.SD) }

// InFlight gives the number of requests worked on at once that holds for the slice.
func (s Slice) InFlight() int {
	if s.MaxInFlight > 0 {
		return s.MaxInFlight
	}
	spec, _ := s.Class.Spec()
	return spec.InFlightMax
}

// Turns gives the number of requests at once that began a moment ago, while another slice is at work; the rest of InFlight is for long ones.
func (s Slice) Turns() int {
	spec, _ := s.Class.Spec()
	return min(spec.TurnsMax, s.InFlight())
}

// Sessions gives the number of connections at once that holds for the slice.
func (s Slice) Sessions() int {
	if s.MaxSessions > 0 {
		return s.MaxSessions
	}
	spec, _ := s.Class.Spec()
	return spec.SessionsMax
}

// Validate checks the form of a slice, not whether a gateway can carry it (that is Admit).
func (s Slice) Validate() error {
	bad := func(subject, hint, format string, args ...any) error {
		return nexus.Errf("slice", nexus.CodeMalformed, subject, hint, format, args...)
	}
	if _, ok := s.Class.Spec(); !ok {
		_, err := ParseClass(s.Class.String())
		return err
	}
	switch {
	case s.ID.IsZero():
		return bad("id", "derive it with slices.Default", "missing")
	case s.Unit.IsZero():
		return bad("slice "+s.Name, "name the unit it belongs to", "unit missing")
	case s.Name == "" || len(s.Name) > NameLenMax || !utf8.ValidString(s.Name):
		return bad(fmt.Sprintf("name %q", s.Name), fmt.Sprintf("1 to %d bytes of UTF-8", NameLenMax), "bad name")
	case s.SD != SDOf(s.Unit):
		return bad(fmt.Sprintf("sd %06x", s.SD), fmt.Sprintf("the first 24 bits of the unit's id: %06x", SDOf(s.Unit)),
			"not the unit's")
	case s.GuaranteedBps > rateMax || s.CeilingBps > rateMax:
		return bad("rates of slice "+s.Name, fmt.Sprintf("at most %d bit/s", uint64(rateMax)), "out of range")
	case s.CeilingBps > 0 && s.GuaranteedBps > s.CeilingBps:
		return bad("slice "+s.Name, "raise the ceiling or lower the guarantee",
			"guarantee of %d bit/s is above its ceiling of %d bit/s", s.GuaranteedBps, s.CeilingBps)
	case s.MaxInFlight < 0 || s.MaxInFlight > 1<<16 || s.MaxSessions < 0 || s.MaxSessions > 1<<20:
		return bad("slice "+s.Name, "0 for the class's number, at most 65536 requests and 1048576 sessions",
			"in flight %d, sessions %d", s.MaxInFlight, s.MaxSessions)
	case s.LatencyBudgetMicros < 0 || s.LatencyBudgetMicros > 60_000_000:
		return bad(fmt.Sprintf("latency budget %d us", s.LatencyBudgetMicros), "0 to 60000000 microseconds", "out of range")
	}
	return nil
}
