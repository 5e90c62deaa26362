package consensus

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Machine is the deterministic state machine behind the log. All methods are called from one goroutine, except
// Applied, which may be called at any time.
type Machine interface {
	// ApplyBatch applies the commands, in order, in one durable transaction; result i answers command i and is handed to
	// its proposer as it is. When it returns, Applied is the last command's index and a crash keeps all of them; a machine
	// that stores a batch while it applies the next gives Later values instead, and this holds when they give their results.
	// A machine that cannot go on returns Halt values: from then on the group applies and accepts nothing more.
	ApplyBatch(cmds []Command) []any
	// Applied is the index of the last command applied and durable together with its effect, 0 before the first.
	Applied() uint64
	// Sync makes the applied state safe against power loss; called before the log that could replay it is cut.
	Sync() error
}

// Command is one committed log entry as the machine sees it. Indexes rise but have gaps: raft's own entries lie
// between.
type Command struct {
	Index uint64
	Term  uint64
	Data  []byte // must not be changed; shared with the proposer
}

// Later is a result that is not durable yet: called, it waits and gives the result that is. It may be called many times, by many, and
// must end, with a Halt if nothing else. The results of one batch come before those of the next.
type Later func() any

// Halt is the result by which a machine stops the group: a broken invariant, a full disk, corrupt state. It is an
// error so that proposers can receive it as one.
type Halt struct{ Err error }

// Error implements error.
func (h Halt) Error() string { return fmt.Sprintf("state machine stopped: %v", h.Err) }

// Unwrap gives the machine's own error.
func (h Halt) Unwrap() error { return h.Err }

// Limits and defaults. Sizes are bytes.
const (
	// MaxProposal bounds the data of one command.
	MaxProposal = nexus.MaxCanonicalLen
	// DefaultSegmentSize is the size at which a log file is closed and the next begun.
	DefaultSegmentSize = 16 << 20
	// DefaultSnapshotThreshold is the number of log entries after which the log is cut.
	DefaultSnapshotThreshold = 8192
	// DefaultTrailingLogs is the number of entries kept behind a cut.
	DefaultTrailingLogs = 1024
	// DefaultSnapshotInterval is how often the threshold is looked at; raft spreads it up to twice that.
	DefaultSnapshotInterval = 30 * time.Second
	// DefaultLogStoreTimeout is how long one write of the log may take before the disk counts as hung.
	DefaultLogStoreTimeout = 10 * time.Second
	// DefaultMaxInFlight bounds the proposals that wait for an answer; more callers wait for a place.
	DefaultMaxInFlight = 256
)

// Config says where and how. Zero values mean the defaults above; Dir and NodeID are required.
type Config struct {
	Dir               string         // created with mode 0700; held by one process at a time
	NodeID            string         // this voter's name for ever, e.g. the hash of the node key
	Logger            *slog.Logger   // nil: silent
	SnapshotThreshold uint64         // entries; raft-side cut of the log
	TrailingLogs      uint64         // entries kept behind a cut; 0 means the default, never none
	SnapshotInterval  time.Duration  // at least 5 ms
	LogStoreTimeout   time.Duration  // after it Status is unhealthy and Failed is closed
	SegmentSize       int            // bytes, preallocated per log file, at least 4096
	MaxInFlight       int            // proposals, at most 1024
	Transport         raft.Transport // nil: in memory, for one voter
	Watch             Watch          // nil; tests see and break the steps of writing here

	// wrapStore lets tests put a failing or hanging disk below the group.
	wrapStore func(rawLogStore) rawLogStore
}

// Status is a picture of the group, for console, status and metrics.
type Status struct {
	State        string        // "leader", "follower", "candidate", "shutdown"
	Term         uint64        //
	Leader       string        // node id, empty when unknown
	Voters       int           // 1: survives 0 failures
	Applied      uint64        // last command the machine holds
	Commit       uint64        // last committed log index
	FirstLog     uint64        // oldest entry on disk, 0 when none
	LastLog      uint64        // newest entry on disk
	LastSnapshot uint64        // log index of the newest marker, 0 when none
	InFlight     int           // proposals waiting for an answer
	StoreWrites  uint64        // writes of the log since Open, each with one fsync
	StoreP99     time.Duration // 99th percentile of the last 1024 of them
	Healthy      bool          // false: nothing is accepted any more
	Problem      string        // why, empty when healthy
}
