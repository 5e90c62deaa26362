package state

import (
	"crypto/sha256"
	"sync"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Seen holds the commands on their way through consensus whose two signatures this process has checked at the door: the actor's over
// the action, the node's over the evidence. Whether a signature fits is a function of the command's bytes alone, so a machine
// that meets the very same bytes again need not compute it again; any other bytes it checks itself, as it does all of them in a
// replay and on another node. It is kept by SHA-256 of the encoded command, in memory only, and never part of the state.
//
// The zero value is ready for use, nil holds nothing. Safe for concurrent use.
type Seen struct {
	mu   sync.Mutex
	have map[nexus.Hash]int
}

// Note takes a command about to be proposed, whose action the caller has just verified. It verifies the evidence, and if that fits
// remembers the encoding until forget is called; if not, the machine will find out by itself.
func (s *Seen) Note(cmd *Command, encoded []byte) (forget func()) {
	if !cmd.Evidence.verify() {
		return func() {}
	}
	key := nexus.Hash(sha256.Sum256(encoded))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.have == nil {
		s.have = map[nexus.Hash]int{}
	}
	s.have[key]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.have[key]--; s.have[key] <= 0 {
			delete(s.have, key)
		}
	}
}

// has reports whether these very bytes were checked.
func (s *Seen) has(encoded []byte) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	empty := len(s.have) == 0
	s.mu.Unlock()
	if empty { // a replay: not worth a hash
		return false
	}
	key := nexus.Hash(sha256.Sum256(encoded))
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.have[key] > 0
}

// verify reports whether the node signed the evidence.
func (e *Evidence) verify() bool { return e.Node.Verify(e.SigningBytes(), e.Signature) }

// Trust lets the machine skip the signature checks that seen vouches for.
func (s *State) Trust(seen *Seen) { s.seen = seen }
