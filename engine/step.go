package engine

import "github.com/BobbyBlanco400/nexus-cos/cluster/consensus"

// The engine's own steps of the write path, between those of the replicated log (consensus.Steps).
const (
	StepPropose   = "propose"    // the command is made, nothing is written
	StepApply     = "apply"      // it is in the log and synced, not applied
	StepCommit    = "commit"     // its effect is computed, not stored
	StepCommitted = "committed"  // its effect is stored, not acknowledged by the head file
	StepAnswer    = "answer"     // all is durable, nobody has been told
	StepSaveState = "save state" // a part of the stored state is about to be written
	StepStoreSync = "store sync" // the store is about to be synced, so that the log can be cut
	StepSeal      = "seal"       // personal texts are about to be sealed under the key of now
	StepErase     = "erase"      // an erasure stands in the ledger, its key in the store of keys
	StepErased    = "erased"     // the key is destroyed, no entry says so yet
)

// Steps lists them in the order of the write path.
var Steps = []string{StepPropose, StepApply, StepCommit, StepCommitted, StepAnswer, StepSaveState, StepStoreSync}

// step shows a step to the Watch of tests; nil in production.
func (e *Engine) step(name string) error {
	if w := e.cfg.Log.Watch; w != nil {
		return w(consensus.Op{Step: name})
	}
	return nil
}
