package slices

// Minute is what the probes of one slice measured in one minute (SPEC section 4). Latencies in microseconds.
type Minute struct {
	Samples     int64 // probes sent through the gateway; 0: nothing was measured
	Missed      int64 // of these, failed or not answered in time
	AddedP99    int64 // what a client observed, less the direct baseline and less what the slice's own limits made it wait
	BaselineP99 int64 // the same request straight to the responder
}

// Level is the judgement of one minute. Values are stored: never renumber.
type Level uint8

// The levels of service.
const (
	LevelNone   Level = 0 // nothing was measured
	LevelKept   Level = 1 // within the budget
	LevelBroken Level = 2 // over the budget
	LevelVoid   Level = 3 // the machine itself was over the budget: no statement about the slice
)

// minuteSamplesMin is the least number of probes that carry a 99th percentile at all: below it the figure would be the maximum
// of a few.
const minuteSamplesMin = 20

// LeastBudgetMicros is the least latency budget that a slice may be given, microseconds. A request straight to the responder takes about that long on a
// machine with other work, so Judge would call the minutes of a smaller budget void, one after the other.
const LeastBudgetMicros = 1000

// Judge holds one minute against a latency budget in microseconds. A minute in which even the request straight to the responder
// was over the budget says nothing about the gateway and counts neither way; it is shown, so that it cannot be an excuse unseen.
// Pure.
func (m Minute) Judge(budgetMicros int64) Level {
	switch {
	case m.Samples < minuteSamplesMin:
		return LevelNone
	case m.BaselineP99 > budgetMicros:
		return LevelVoid
	case m.AddedP99 > budgetMicros:
		return LevelBroken
	default:
		return LevelKept
	}
}

// JudgeAll judges one minute of a slice that several edges serve: it was kept where it was kept at each of them. One edge over the budget
// breaks it; an edge about which nothing can be said leaves the word to the others. The minute given is the one that decided, of several
// the one with the worst AddedP99. Pure.
func JudgeAll(edges []Minute, budgetMicros int64) (Level, Minute) {
	rank := map[Level]int{LevelNone: 0, LevelVoid: 1, LevelKept: 2, LevelBroken: 3}
	level, decided := LevelNone, Minute{}
	for _, m := range edges {
		l := m.Judge(budgetMicros)
		if rank[l] > rank[level] || l == level && m.AddedP99 > decided.AddedP99 {
			level, decided = l, m
		}
	}
	return level, decided
}
