package wire

import "time"

// ServiceRecord is the answer of `nexus slices record`: how each slice kept its latency budget (SPEC section 4).
type ServiceRecord struct {
	Units []ServiceUnit `json:"units"`
}

// ServiceUnit is one unit's slice. Breach is the one that is open now.
type ServiceUnit struct {
	Unit     string         `json:"unit"` // label
	Name     string         `json:"name"`
	BudgetMs float64        `json:"budget_ms"` // added latency allowed at the 99th percentile
	Months   []ServiceMonth `json:"months"`    // oldest first
	Breach   *ServiceBreach `json:"breach"`
}

// ServiceMonth counts one month's minutes. Attainment is kept of kept and broken, in percent; nil when no minute was judged.
type ServiceMonth struct {
	Month      string   `json:"month"` // YYYY-MM, UTC
	Kept       uint64   `json:"kept_minutes"`
	Broken     uint64   `json:"broken_minutes"`
	Void       uint64   `json:"void_minutes"` // the machine's own baseline was over the budget
	Breaches   uint64   `json:"breaches"`
	WorstP99Ms float64  `json:"worst_p99_ms"`
	Attainment *float64 `json:"attainment_percent"`
}

// ServiceBreach is the evidence of a breach: the minute that opened it.
type ServiceBreach struct {
	Since         time.Time `json:"since"`
	BudgetMs      float64   `json:"budget_ms"`
	P99Ms         float64   `json:"p99_ms"`
	BaselineP99Ms float64   `json:"baseline_p99_ms"`
	Samples       int64     `json:"samples"`
	Missed        int64     `json:"missed"`
}
