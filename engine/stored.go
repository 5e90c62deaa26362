package engine

import "github.com/BobbyBlanco400/nexus-cos/ledger/verify"

// StoredBytes are the bytes that the ledger's files hold, seals included, as one consistent state.
type StoredBytes interface {
	verify.Source
	Close() error
}

// Stored gives the stored bytes as they are now, for a checker that trusts nothing the engine says. Close it: the
// engine's own Close waits for that. Error: nexus.CodeUnavailable after Close.
func (e *Engine) Stored() (StoredBytes, error) { return e.files.Reader() }
