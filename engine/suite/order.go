package suite

import "context"

// Names of the suites.
const (
	CreatorSplits = "creator-splits"
	NetworkSlices = "network-slices"
	Exit          = "exit"
	Audit         = "audit"
	Hostile       = "hostile"
	All           = "all" // all five
)

// entry is one suite of the list. Without run it is not built in this version, and later says what it needs.
type entry struct {
	name  string
	run   func(context.Context, *session) error
	later string
	named bool // runs only when it is asked for by name: it loads the machine
	phase bool // one of the four of launch phase 10
}

// order lists the suites as SPEC section 6 does.
func order() []entry {
	return []entry{
		{name: CreatorSplits, run: creatorSplits, phase: true},
		{name: NetworkSlices, run: networkSlices, phase: true, named: true},
		{name: Exit, run: exitSuite, phase: true},
		{name: Audit, run: auditSuite, phase: true},
		{name: Hostile, later: "the compute, DNS and mail fabrics that its scenarios attack"},
	}
}
