package slices_test

import (
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/slices"
)

func TestMinuteJudge(t *testing.T) {
	t.Parallel()
	const budget = 10_000
	for name, c := range map[string]struct {
		minute slices.Minute
		want   slices.Level
	}{
		"nothing measured":           {slices.Minute{}, slices.LevelNone},
		"too few to carry a p99":     {slices.Minute{Samples: 19, AddedP99: 90_000}, slices.LevelNone},
		"kept":                       {slices.Minute{Samples: 300, AddedP99: 900, BaselineP99: 500}, slices.LevelKept},
		"exactly the budget is kept": {slices.Minute{Samples: 300, AddedP99: budget, BaselineP99: budget}, slices.LevelKept},
		"over":                       {slices.Minute{Samples: 300, AddedP99: budget + 1, BaselineP99: 500}, slices.LevelBroken},
		"the machine itself is over": {slices.Minute{Samples: 300, AddedP99: 90_000, BaselineP99: budget + 1}, slices.LevelVoid},
	} {
		if got := c.minute.Judge(budget); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
