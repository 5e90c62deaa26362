package state

import (
	"bytes"
	"encoding/binary"
	"sync"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Seen holds the commands on their way through consensus that this process has taken in at the door: decoded, digest computed, both
// signatures checked, the actor's over the action, the node's over the evidence. All of it is a function of the command's bytes alone, so a
// machine that meets the very same bytes again need not do it again, one command after the other; any other bytes it works through itself, as
// it does all of them in a replay and on another node. The very same bytes are those in the same place of memory: whoever proposes a
// command gives its bytes away for good (consensus.Group.Propose), and they are held here, so no others come to lie there. It is kept
// in memory only, and never part of the state.
//
// The zero value is ready for use, nil holds nothing. Safe for concurrent use.
type Seen struct {
	mu   sync.Mutex
	have map[*byte]*seenCommand
}

// seenCommand is a command as its bytes say it. It points into them and into nothing of the caller's.
type seenCommand struct {
	size   int
	cmd    Command
	digest nexus.Hash   // of the action
	post   *RevenuePost // decoded body, if it is one that decodes; Seen.done takes it back
}

// Note takes a command about to be proposed, whose action the caller has just verified and whose digest it has computed; encoded are the
// command's canonical bytes, which must not change any more. It verifies the evidence, and if that fits remembers the command until forget
// is called; if not, the machine will find out by itself.
func (s *Seen) Note(cmd *Command, digest nexus.Hash, encoded []byte) (forget func()) {
	kept, ok := keep(cmd, encoded)
	if !ok || !cmd.Evidence.verify() {
		return func() {}
	}
	kept.digest = digest
	if cmd.Action.Kind == KindRevenuePost {
		kept.post = decodePooled(kept.cmd.Action.Body)
	}
	key := &encoded[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.have == nil {
		s.have = map[*byte]*seenCommand{}
	}
	s.have[key] = kept
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.have, key)
	}
}

// keep gives the command as nexus.Decode would, its body pointing into encoded; false when that does not hold the command.
func keep(cmd *Command, encoded []byte) (*seenCommand, bool) {
	kept := &seenCommand{size: len(encoded), cmd: *cmd}
	a := &kept.cmd.Action
	a.Signature, kept.cmd.Evidence.Signature = bytes.Clone(a.Signature), bytes.Clone(cmd.Evidence.Signature)
	body := a.Body
	a.Body = nil
	var stack [1024]byte
	head := appendActionHead(stack[:0], a)
	head = binary.AppendUvarint(head, uint64(len(body)))
	if rest, ok := bytes.CutPrefix(encoded, head); !ok || !bytes.HasPrefix(rest, body) {
		return nil, false
	}
	if len(body) > 0 {
		a.Body = encoded[len(head) : len(head)+len(body) : len(head)+len(body)]
	}
	return kept, true
}

// appendActionHead appends an action's canonical bytes before its body.
func appendActionHead(dst []byte, a *nexus.Action) []byte {
	dst = binary.AppendUvarint(dst, uint64(a.Version))
	dst = append(append(dst, a.Cluster[:]...), a.ID[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(a.Kind)))
	dst = append(dst, a.Kind...)
	dst = append(append(dst, a.Unit[:]...), a.Actor[:]...)
	dst = binary.AppendVarint(dst, a.TimeMs)
	return binary.AppendVarint(dst, a.ExpiresMs)
}

// find gives what is known of these very bytes, nil when they are others.
func (s *Seen) find(encoded []byte) *seenCommand {
	if s == nil || len(encoded) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.have[&encoded[0]]; c != nil && c.size == len(encoded) {
		return c
	}
	return nil
}

// posts are decoded batches that nobody reads any more, to be written over by the next: a batch of a thousand events is 120 KB.
var posts = sync.Pool{New: func() any { return new(RevenuePost) }}

func decodePooled(body []byte) *RevenuePost {
	p := posts.Get().(*RevenuePost)
	if decodePost(body, p) != nil {
		return nil // the machine words the refusal
	}
	return p
}

// done takes back the decoded body of a command that was applied.
func (c *seenCommand) done() {
	if p := c.post; p != nil {
		c.post = nil
		p.wipe()
		posts.Put(p)
	}
}

// wipe leaves room for another batch, which holds on to nothing of the command.
func (p *RevenuePost) wipe() {
	clear(p.Events)
	p.Source, p.Events = "", p.Events[:0]
}

// verify reports whether the node signed the evidence.
func (e *Evidence) verify() bool { return e.Node.Verify(e.SigningBytes(), e.Signature) }

// Trust lets the machine take from seen what the door has worked out.
func (s *State) Trust(seen *Seen) { s.seen = seen }
