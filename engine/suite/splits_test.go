package suite

import "testing"

func TestCreatorSplitsPasses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mustPass(t, r.run(CreatorSplits, nil))
}

func TestAuditPasses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mustPass(t, r.run(Audit, nil))
}
