package consensus

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Times of an election. A lone voter waits for nobody, so it elects itself at once; with others the library's
// defaults.
const (
	loneVoterTimeout = 20 * time.Millisecond
	leaderWait       = 10 * time.Second
)

// Open checks the files, mends what a crash explains, opens the log, elects the lone voter and replays what the
// machine has not applied. When it returns, Applied covers every committed command. Errors: corrupt (damage;
// nothing was changed), conflict (held by another process, or another node's directory), usage (bad Config),
// unavailable (disk).
func Open(cfg Config, m Machine) (*Group, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	for _, dir := range []string{cfg.Dir, filepath.Join(cfg.Dir, "log"), filepath.Join(cfg.Dir, "snapshots")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, ioError("open log", dir, err)
		}
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	g := &Group{cfg: cfg, machine: m, lock: lock, inFlight: make(chan struct{}, cfg.MaxInFlight),
		closing: make(chan struct{}), failedSignal: make(chan struct{}), failedOut: make(chan error, 1)}
	if err := g.open(); err != nil {
		if closeErr := g.shutdown(); closeErr != nil {
			cfg.Logger.Error("log did not close after a failed open", "component", "consensus", "err", closeErr)
		}
		return nil, err
	}
	return g, nil
}

func (c *Config) complete() error {
	bad := func(field, hint string) error {
		return nexus.Errf("open log", nexus.CodeUsage, field, hint, "out of range")
	}
	if c.Dir == "" || c.NodeID == "" {
		return bad("Dir and NodeID", "give both")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&c.SnapshotThreshold, DefaultSnapshotThreshold)
	setDefault(&c.TrailingLogs, DefaultTrailingLogs)
	setDefault(&c.SnapshotInterval, DefaultSnapshotInterval)
	setDefault(&c.LogStoreTimeout, DefaultLogStoreTimeout)
	setDefault(&c.SegmentSize, DefaultSegmentSize)
	setDefault(&c.MaxInFlight, DefaultMaxInFlight)
	switch {
	case c.SnapshotInterval < 5*time.Millisecond:
		return bad("SnapshotInterval", "at least 5 ms")
	case c.LogStoreTimeout < 0:
		return bad("LogStoreTimeout", "a positive time")
	case c.SegmentSize < pageSize || c.SegmentSize > maxSegmentFile/2:
		return bad("SegmentSize", "4096 bytes to 512 MiB")
	case c.MaxInFlight < 1 || c.MaxInFlight > 1024:
		return bad("MaxInFlight", "1 to 1024")
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (g *Group) open() error {
	report, err := Inspect(g.cfg.Dir, g.machine.Applied())
	if err != nil {
		return err
	}
	if len(report.Findings) > 0 {
		return report.refusal("open log")
	}
	// CheckFiles cannot tell an applied index of 0 from an unknown one; here it is known.
	if report.markerApplied > g.machine.Applied() {
		return nexus.Errf("open log", nexus.CodeCorrupt,
			"state machine at index "+strconv.FormatUint(g.machine.Applied(), 10),
			"restore the whole data directory from a backup", "log was cut up to applied index %d", report.markerApplied)
	}
	if err := mend(g.cfg.Dir, report, g.cfg.Logger.With("component", "consensus"), g.cfg.Watch); err != nil {
		return err
	}
	meta := &metaStore{watch: g.cfg.Watch}
	hlog := newHclog(g.cfg.Logger.With("component", "consensus"))
	logDir := filepath.Join(g.cfg.Dir, "log")
	w, err := wal.Open(logDir, wal.WithMetaStore(meta), wal.WithSegmentFiler(newFiler(logDir, g.cfg.Watch)),
		wal.WithCodec(entryCodec{}), wal.WithSegmentSize(g.cfg.SegmentSize), wal.WithLogger(hlog.Named("raft-wal")))
	if err != nil {
		return &nexus.Error{Op: "open log", Code: nexus.CodeUnavailable, Subject: g.cfg.Dir, Cause: err,
			Hint: "check disk space and permissions"}
	}
	raw := rawLogStore(w)
	if g.cfg.wrapStore != nil {
		raw = g.cfg.wrapStore(raw)
	}
	g.store = newGuardedStore(raw, g, meta.segmentOf)
	transport := g.cfg.Transport
	if transport == nil {
		_, transport = newLoneTransport(g.cfg.NodeID)
	}
	if err := g.bootstrap(raw, report, transport.LocalAddr()); err != nil {
		return err
	}
	return g.start(hlog, transport)
}

func newLoneTransport(nodeID string) (raft.ServerAddress, raft.Transport) {
	return raft.NewInmemTransport(raft.ServerAddress(nodeID))
}

// bootstrap writes the first entry of a new log: this node is the only voter. Unlike raft's own it may be cut short
// at any point and run again. The check has made sure that an empty log is a new one: nothing was ever acknowledged.
func (g *Group) bootstrap(raw rawLogStore, report Report, addr raft.ServerAddress) error {
	if report.LastLog > 0 || report.Marker > 0 {
		return nil
	}
	fail := func(err error) error { return ioError("open log", g.cfg.Dir, err) }
	term := report.meta.uint64Of(keyCurrentTerm)
	if term == 0 {
		term = 1
		if err := raw.SetUint64([]byte(keyCurrentTerm), term); err != nil {
			return fail(err)
		}
	}
	servers := raft.Configuration{Servers: []raft.Server{
		{Suffrage: raft.Voter, ID: raft.ServerID(g.cfg.NodeID), Address: addr}}}
	if err := raw.StoreLogs([]*raft.Log{{Index: 1, Term: term, Type: raft.LogConfiguration,
		Data: raft.EncodeConfiguration(servers), AppendedAt: time.Now()}}); err != nil {
		return fail(err)
	}
	return nil
}

func (g *Group) raftConfig() *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(g.cfg.NodeID)
	c.BatchApplyCh = true
	c.MaxAppendEntries = g.cfg.MaxInFlight
	c.SnapshotThreshold, c.TrailingLogs = g.cfg.SnapshotThreshold, g.cfg.TrailingLogs
	c.SnapshotInterval = g.cfg.SnapshotInterval
	c.NoSnapshotRestoreOnStart = true // Inspect compared the marker with the machine
	c.NoLegacyTelemetry = true
	if g.cfg.Transport == nil {
		c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = loneVoterTimeout, loneVoterTimeout, loneVoterTimeout
	}
	return c
}
