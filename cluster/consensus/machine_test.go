package consensus

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// The steps of the machine below.
const (
	stepMachineWrite = "machine write"
	stepMachineSync  = "machine sync"
)

// fileMachine is a durable state machine of the plainest kind: a file of batches, each one write and one fdatasync.
// Its state is the list of commands it applied.
type fileMachine struct {
	file    *os.File
	head    *HeadFile
	size    int64
	applied atomic.Uint64
	batches atomic.Int64
	syncs   atomic.Int64
	refuse  func(Command) error // when it returns an error the machine halts
	watch   Watch               // sees the machine's own file too
	seen    []Command
}

func openMachine(dir string) (*fileMachine, error) {
	file, err := os.OpenFile(filepath.Join(dir, "machine"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	m := &fileMachine{file: file}
	raw, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	for m.size < int64(len(raw)) {
		n, commands := decodeBatch(raw[m.size:])
		if n == 0 {
			break // a batch cut short by a kill: not applied
		}
		m.size += n
		m.seen = append(m.seen, commands...)
		m.applied.Store(commands[len(commands)-1].Index)
	}
	if err := file.Truncate(m.size); err != nil {
		return nil, err
	}
	m.head, err = OpenHead(HeadPath(filepath.Join(dir, "raft")))
	return m, err
}

func encodeBatch(commands []Command) []byte {
	body := binary.BigEndian.AppendUint32(nil, uint32(len(commands)))
	for _, c := range commands {
		body = binary.BigEndian.AppendUint64(body, c.Index)
		body = binary.BigEndian.AppendUint32(body, uint32(len(c.Data)))
		body = append(body, c.Data...)
	}
	sum := sha256.Sum256(body)
	out := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	return append(append(out, sum[:]...), body...)
}

func decodeBatch(b []byte) (int64, []Command) {
	if len(b) < 36 {
		return 0, nil
	}
	n := int64(binary.BigEndian.Uint32(b))
	if int64(len(b)) < 36+n || sha256.Sum256(b[36:36+n]) != [32]byte(b[4:36]) {
		return 0, nil
	}
	body := b[36 : 36+n]
	commands := make([]Command, binary.BigEndian.Uint32(body))
	body = body[4:]
	for i := range commands {
		size := binary.BigEndian.Uint32(body[8:])
		commands[i] = Command{Index: binary.BigEndian.Uint64(body), Data: body[12 : 12+size]}
		body = body[12+size:]
	}
	return 36 + n, commands
}

func (m *fileMachine) ApplyBatch(commands []Command) []any {
	m.batches.Add(1)
	out := make([]any, len(commands))
	for i, c := range commands {
		if m.refuse != nil {
			if err := m.refuse(c); err != nil {
				for j := range out {
					out[j] = Halt{Err: err}
				}
				return out
			}
		}
		out[i] = fmt.Sprintf("%d:%.40s", c.Index, c.Data)
	}
	last := commands[len(commands)-1]
	b := encodeBatch(commands)
	err := m.watch.do(Op{Step: stepMachineWrite, Path: m.file.Name(), Offset: m.size, Data: b})
	if err == nil {
		_, err = m.file.WriteAt(b, m.size)
	}
	if err == nil {
		err = m.watch.do(Op{Step: stepMachineSync, Path: m.file.Name()})
	}
	if err == nil {
		err = fdatasync(m.file)
	}
	if err == nil && m.head != nil {
		err = m.head.Write(Head{Index: last.Index, Term: last.Term, Root: sha256.Sum256(b), Size: last.Index})
	}
	if err != nil {
		for j := range out {
			out[j] = Halt{Err: err}
		}
		return out
	}
	m.size += int64(len(b))
	m.seen = append(m.seen, commands...)
	m.applied.Store(last.Index)
	return out
}

func (m *fileMachine) Applied() uint64 { return m.applied.Load() }

func (m *fileMachine) Sync() error {
	m.syncs.Add(1)
	return m.file.Sync()
}

func (m *fileMachine) close() error { return errors.Join(m.file.Close(), m.head.Close()) }

// place is a data directory with machine and group.
type place struct {
	dir     string
	machine *fileMachine
	group   *Group
}

func (p *place) raftDir() string { return filepath.Join(p.dir, "raft") }

func openPlace(dir string, change func(*Config)) (*place, error) {
	p := &place{dir: dir}
	if err := os.MkdirAll(p.raftDir(), 0o700); err != nil {
		return nil, err
	}
	var err error
	if p.machine, err = openMachine(dir); err != nil {
		return nil, err
	}
	cfg := Config{Dir: p.raftDir(), NodeID: "node-1"}
	if change != nil {
		change(&cfg)
	}
	p.machine.watch = cfg.Watch
	p.machine.head.Watch(cfg.Watch)
	if p.group, err = Open(cfg, p.machine); err != nil {
		return nil, errors.Join(err, p.machine.close())
	}
	return p, nil
}

func (p *place) close() error { return errors.Join(p.group.Close(), p.machine.close()) }

func mustOpen(tb testing.TB, dir string, change func(*Config)) *place {
	tb.Helper()
	p, err := openPlace(dir, change)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func mustClose(tb testing.TB, p *place) {
	tb.Helper()
	if err := p.close(); err != nil {
		tb.Fatal(err)
	}
}

func mustPropose(tb testing.TB, g *Group, data string) uint64 {
	tb.Helper()
	result, index, err := g.Propose(context.Background(), []byte(data))
	if err != nil {
		tb.Fatal(err)
	}
	if want := fmt.Sprintf("%d:%.40s", index, data); result != want {
		tb.Fatalf("result %v, want %v", result, want)
	}
	return index
}

// eventually retries until ok or ten seconds have passed.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			tb.Fatalf("never happened: %s", what)
		}
		runtime.Gosched()
		time.Sleep(5 * time.Millisecond)
	}
}

// small makes segments rotate and the log get cut all the time.
func small(c *Config) {
	c.SegmentSize = 32 << 10
	c.SnapshotThreshold = 40
	c.TrailingLogs = 10
	c.SnapshotInterval = 5 * time.Millisecond
}
