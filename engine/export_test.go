package engine

import (
	"crypto/rand"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// CommandOf wraps an action as admission does.
func (e *Engine) CommandOf(a nexus.Action) ([]byte, error) {
	ev := state.Evidence{Node: e.cfg.Node.Public(), NowMs: e.clock().UnixMilli(), Digest: a.Digest()}
	if _, err := rand.Read(ev.Salt[:]); err != nil {
		return nil, err
	}
	sig, err := e.cfg.Node.Sign(ev.SigningBytes())
	ev.Signature = sig
	return nexus.Encode(state.Command{Action: a, Evidence: ev}), err
}

// SaveState stores the state now.
func (e *Engine) SaveState() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.saveState()
}

// MaxBatchBytes bounds one transaction of the store.
func (e *Engine) MaxBatchBytes() int { return e.store.MaxBatchBytes() }
