package engine

import (
	"errors"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster/consensus"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// storing is a batch that was applied in memory and is on its way to the disk, while the next one may be applied already
// (docs/decisions/0050-stored-beside-the-next.md). One at a time is carried, in order of the log.
type storing struct {
	batch   *pendingBatch
	overlay map[string][]byte // of batch: what the next one's commands see before the store has it
	head    *signedHead       // signed when it is carried
	last    consensus.Head
	outs    []*state.Outcome
	rows    []wire.DecisionRow

	err      error         // read it after answered
	stored   chan struct{} // closed when the batch is durable, or never will be
	answered chan struct{} // closed when it was shown to the bus too; nobody is answered earlier
}

// carry stores a batch, writes the head file, shows the outcomes and lets the answers go.
func (e *Engine) carry(s *storing) {
	err := e.storeBatch(s)
	if err == nil {
		err = e.step(StepAnswer)
	}
	if err != nil {
		s.fail(err)
		return
	}
	close(s.stored)
	for i, out := range s.outs {
		e.publish(out, s.rows[i])
	}
	s.batch = nil // the records are large, and the next batch holds on to the overlay only
	close(s.answered)
}

// storeBatch commits the batch and writes the head file, at the same time: both wait for the disk. Either may be on it without the other
// after a crash, since the commands are in the synced log, from which the store catches up.
func (e *Engine) storeBatch(s *storing) error {
	if err := e.sign(s.head); err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() { written <- e.writeHead(s.last) }()
	err := s.batch.commit(s.head.text)
	if err = errors.Join(err, <-written); err != nil {
		return err
	}
	e.checkpoint.Store(s.head)
	e.version.Add(1)
	return nil
}

// writeHead writes the head file. Not while the start catches up from the log: the store was behind, perhaps behind what the file says, which
// stands until checkHead has compared it with what came of that. Nobody is answered before.
func (e *Engine) writeHead(h consensus.Head) error {
	if !e.compared.Load() {
		return nil
	}
	return e.head.Write(h)
}

// fail ends it without an effect on the disk that anybody may rely on: the machine stops.
func (s *storing) fail(err error) {
	s.err = err
	close(s.stored)
	close(s.answered)
}

// answer is what the proposer of command i gets.
func (s *storing) answer(i int) consensus.Later {
	return func() any {
		<-s.answered
		if s.err != nil {
			return consensus.Halt{Err: s.err}
		}
		return applied{s.outs[i]}
	}
}

// rlock is mu.RLock for whoever reads the state: it waits until all that the state shows is durable. Give it back by mu.RUnlock.
func (e *Engine) rlock() {
	e.mu.RLock()
	if s := e.storing.Load(); s != nil {
		<-s.stored
	}
}

// settle waits for the batch that is being stored, at most limit.
func (e *Engine) settle(limit time.Duration) {
	s := e.storing.Load()
	if s == nil {
		return
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-s.answered:
	case <-timer.C:
	}
}

// rowOf describes an outcome for the bus as the state stands after it. The caller holds mu.
func (e *Engine) rowOf(out *state.Outcome) wire.DecisionRow {
	body := state.DecisionBody{Decision: out.Decision}
	if out.Err != nil {
		body.Invalid, body.Code = out.Err.Error(), nexus.CodeOf(out.Err)
	}
	row := decisionRow(e.state, &body)
	whose(e.state, &row, &out.Record)
	return row
}
