package consensus

import (
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// fsm feeds the machine. raft calls it from one goroutine.
type fsm struct {
	machine Machine
	group   *Group
	handed  uint64 // last index the machine was given; it may not be stored yet
}

var _ raft.BatchingFSM = (*fsm)(nil)

// Apply implements raft.FSM.
func (f *fsm) Apply(l *raft.Log) any { return f.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch implements raft.BatchingFSM. After a restart raft replays its log from the last marker; what the machine
// already holds is skipped here, because its effect and its index became durable together.
func (f *fsm) ApplyBatch(logs []*raft.Log) []any {
	results := make([]any, len(logs))
	if err := f.group.failure(); err != nil {
		for i := range results {
			results[i] = Halt{Err: err}
		}
		return results
	}
	applied := max(f.machine.Applied(), f.handed)
	var commands []Command
	var places []int
	for i, l := range logs {
		if l.Type == raft.LogCommand && l.Index > applied {
			commands = append(commands, Command{Index: l.Index, Term: l.Term, Data: l.Data})
			places = append(places, i)
		}
	}
	if len(commands) == 0 {
		return results
	}
	answers := f.machine.ApplyBatch(commands)
	f.handed = commands[len(commands)-1].Index
	err := halted(answers)
	if err == nil {
		err = f.judge(commands, answers)
	}
	if err != nil {
		f.group.fail(err)
		answers = nil
		for range commands {
			answers = append(answers, Halt{Err: err})
		}
	}
	for i, place := range places {
		results[place] = answers[i]
	}
	return results
}

// halted gives the Halt among the answers, nil if there is none.
func halted(answers []any) error {
	for _, a := range answers {
		if err, ok := a.(error); ok {
			var halt Halt
			if errors.As(err, &halt) {
				return halt
			}
		}
	}
	return nil
}

// judge returns why the group must stop after a batch, nil if it need not. A batch that is still being stored is judged when it is.
func (f *fsm) judge(commands []Command, answers []any) error {
	last := commands[len(commands)-1].Index
	if len(answers) == len(commands) {
		if later, ok := answers[len(answers)-1].(Later); ok {
			f.group.watchStored(func() error {
				if err := halted([]any{later()}); err != nil {
					return err
				}
				return f.judgeIndex(last, len(commands), len(answers), f.machine.Applied() >= last)
			})
			return nil
		}
	}
	return f.judgeIndex(last, len(commands), len(answers), f.machine.Applied() == last)
}

func (f *fsm) judgeIndex(last uint64, commands, answers int, stands bool) error {
	if commands != answers || !stands {
		return nexus.Errf("apply", nexus.CodeInternal, fmt.Sprintf("index %d", last), "report this as a bug",
			"state machine gave %d results for %d commands and stands at %d", answers, commands, f.machine.Applied())
	}
	return nil
}

// Snapshot implements raft.FSM. The machine is synced first: the log up to here may be cut as soon as the marker
// exists.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	f.group.settle()
	if err := f.group.failure(); err != nil {
		return nil, err
	}
	if err := f.machine.Sync(); err != nil {
		return nil, fmt.Errorf("sync state machine: %w", err)
	}
	return fsmSnapshot{applied: f.machine.Applied()}, nil
}

// Restore implements raft.FSM. Open checks the marker on its own machine, so raft only gets here to install another
// node's snapshot, which this form does not do.
func (f *fsm) Restore(r io.ReadCloser) error {
	defer r.Close()
	return nexus.Errf("restore snapshot", nexus.CodeUnavailable, "state machine",
		"copy the data directory of a stopped voter", "installing another node's snapshot is not built")
}

type fsmSnapshot struct{ applied uint64 }

// Persist implements raft.FSMSnapshot.
func (s fsmSnapshot) Persist(sink raft.SnapshotSink) error {
	if _, err := sink.Write(nexus.Encode(struct{ Applied uint64 }{s.applied})); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

// Release implements raft.FSMSnapshot.
func (fsmSnapshot) Release() {}
