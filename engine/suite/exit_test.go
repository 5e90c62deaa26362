package suite

import "testing"

func TestExitSuite(t *testing.T) {
	t.Parallel()
	mustPass(t, newRig(t).run(Exit, nil))
}
