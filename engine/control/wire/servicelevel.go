package wire

import "time"

// ServiceRecord is the answer of `nexus slices record`: how each slice kept its latency budget (SPEC section 4).
type ServiceRecord struct {
	Units []ServiceUnit `json:"units"`
}

// ServiceUnit is one unit's slice. Breach and Short are what is open now, nil: nothing.
type ServiceUnit struct {
	Unit          string         `json:"unit"` // label
	Name          string         `json:"name"`
	BudgetMs      float64        `json:"budget_ms"`      // added latency allowed at the 99th percentile
	GuaranteedBps uint64         `json:"guaranteed_bps"` // bits per second, 0: a fair share
	Months        []ServiceMonth `json:"months"`         // oldest first
	SincePost     MinuteCounts   `json:"since_post"`     // judged and not in Months yet: minutes are posted every hour
	Breach        *ServiceBreach `json:"breach"`         // of the budget
	Short         *ServiceShort  `json:"short"`          // of the guaranteed rate
}

// MinuteCounts counts minutes by what they were judged.
type MinuteCounts struct {
	Kept   uint64 `json:"kept"`   // within the latency budget
	Broken uint64 `json:"broken"` // over it
	Void   uint64 `json:"void"`   // the machine's own baseline was over it
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

	ShortBreaches uint64   `json:"short_breaches"` // of the guaranteed rate, that began in it
	ShortWindows  uint64   `json:"short_windows"`  // of 2 s, with less than 98 % of what was owed; those of a breach that is open are counted when it ends
	WorstPercent  *float64 `json:"worst_kept_percent"`
}

// ServiceShort is the evidence of a guaranteed rate that was not kept: the minute that opened the breach.
type ServiceShort struct {
	Since         time.Time `json:"since"`
	GuaranteedBps uint64    `json:"guaranteed_bps"`
	Windows       uint32    `json:"windows"` // of 2 s, judged in that minute
	Short         uint32    `json:"short"`   // of them, with less than 98 % of what was owed
	WorstPercent  float64   `json:"worst_kept_percent"`
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
