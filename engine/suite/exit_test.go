package suite

import (
	"math/big"
	"testing"
)

func TestExitSuite(t *testing.T) {
	t.Parallel()
	mustPass(t, newRig(t).run(Exit, nil))
}

// A bundle whose figures are not what was posted is a failure of the suite.
func TestExitSuiteSeesOtherFigures(t *testing.T) {
	t.Parallel()
	rep := newRig(t).run(Exit, func(s *session) {
		s.formula = func(gross *big.Int, percent int64) *big.Int {
			return new(big.Int).Add(creatorTotal(gross, percent), big.NewInt(1))
		}
	})
	mustFail(t, rep, "figures in the bundle")
	mustFail(t, rep, "history intact")
}
