package gossip

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/serf/serf"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster"
)

// Profile is a set of timings.
type Profile string

// The profiles. EdgeFast notices a killed member in 1 to 2 s among 50, for the price of more packets and of a false
// alarm when every node is short of CPU; LAN takes 5 to 10 s and is calmer.
const (
	EdgeFast Profile = "edge-fast" // the default
	LAN      Profile = "lan"
)

// Limits and defaults.
const (
	DefaultEventBuffer  = 256             // member events waiting for the caller
	serfQueue           = 1024            // Serf events waiting for our goroutine
	DefaultSyncInterval = 2 * time.Second // full rebuild of the View
	minQueueDepth       = 4096            // Serf broadcasts waiting; consul issue 18078
	DefaultKeyGrace     = time.Minute     // of a step of a rotation
	keyTick             = 250 * time.Millisecond
	maxTagBytes         = 64 // of one tag that we read
)

// Config of an agent. Zero values mean what the comments say; Key, GossipKey and Cluster are required.
type Config struct {
	Cluster   nexus.ID        // bound into every packet: another cluster's are refused
	Key       nexus.PublicKey // node key; the agent's name is its hash
	GossipKey [32]byte        // AES-256, from the join token; at the keeper the key of Keys.Generation
	Keys      KeyConfig       // rotation of the gossip key
	Label     string          // human name, at most 40 bytes
	Role      cluster.Role    // "" is edge
	APIAddr   string          // host:port of the control API, told to the others
	Record    nexus.Hash      // digest of this node's signed record
	BindAddr  string          // host:port; "" is 127.0.0.1:0, port 0 takes a free one
	Seeds     []string        // gossip addresses to join through; none starts alone
	Profile   Profile         // "" is EdgeFast

	// Admitted returns the node keys that the replicated state admits. Called at each rebuild of the View from one
	// goroutine; the result must not be changed afterwards. nil admits nobody.
	Admitted func() map[nexus.PublicKey]bool

	SyncInterval time.Duration // at least 50 ms
	EventBuffer  int           // member events
	Logger       *slog.Logger  // nil: silent

	// transport, if set, takes the place of the sockets of the network; tests cut it. It is given what the library would be.
	transport func(m *memberlist.Config) (memberlist.NodeAwareTransport, error)
}

// KeyConfig says how this node takes part in rotations of the gossip key. The zero value does not: GossipKey stays for ever.
type KeyConfig struct {
	Keeper     nexus.PublicKey // the node whose word on keys counts; it makes them when it is this node
	Signer     nexus.Signer    // of Config.Key; required with Keeper
	Store      string          // file that keeps the keys over restarts, mode 0600; "" keeps nothing
	Generation uint64          // at the keeper: the generation that was decided, at least 1
	Grace      time.Duration   // at the keeper: how long a step waits for members that are alive and say nothing; 0 is DefaultKeyGrace

	// crash, if set, is asked at each change of the keys after it was written and before it is used; true stops there. Tests stop agents so.
	crash func(cluster.Keyring) bool
	tick  time.Duration // 0 is keyTick
}

func (c *Config) completeKeys() error {
	k := &c.Keys
	switch {
	case k.Keeper.IsZero():
		return nil
	case k.Signer == nil || k.Signer.Public() != c.Key:
		return usage("Keys.Signer", "give the node's signer", "missing, or of another key")
	case k.Keeper == c.Key && (k.Generation == 0 || k.Generation > 1<<60):
		return usage(fmt.Sprintf("Keys.Generation %d", k.Generation), "1 or more", "out of range")
	case k.Grace < 0:
		return usage("Keys.Grace", "0 or more", "below zero")
	}
	if k.Grace == 0 {
		k.Grace = DefaultKeyGrace
	}
	if k.tick == 0 {
		k.tick = keyTick
	}
	return nil
}

func usage(subject, hint, format string, args ...any) error {
	return nexus.Errf("start gossip", nexus.CodeUsage, subject, hint, format, args...)
}

func (c *Config) complete() error {
	switch {
	case c.Cluster.IsZero():
		return usage("Cluster", "give the cluster id", "missing")
	case c.Key.IsZero():
		return usage("Key", "give the node's public key", "missing")
	case c.GossipKey == [32]byte{}:
		return usage("GossipKey", "take it from the join token", "missing")
	case len(c.Label) > cluster.MaxLabel:
		return usage(fmt.Sprintf("label %q", c.Label), "at most 40 bytes", "%d bytes", len(c.Label))
	case len(c.APIAddr) > maxTagBytes:
		return usage(fmt.Sprintf("API address %q", c.APIAddr), "host:port of at most 64 bytes", "too long")
	case len(c.Seeds) > cluster.MaxSeeds:
		return usage(fmt.Sprintf("%d seeds", len(c.Seeds)), "at most 16", "too many")
	case c.Profile != "" && c.Profile != EdgeFast && c.Profile != LAN:
		return usage(fmt.Sprintf("profile %q", c.Profile), "edge-fast or lan", "unknown")
	case c.SyncInterval != 0 && c.SyncInterval < 50*time.Millisecond:
		return usage("SyncInterval", "at least 50 ms", "too short")
	case c.EventBuffer < 0 || c.EventBuffer > 1<<16:
		return usage("EventBuffer", "1 to 65536", "out of range")
	}
	if c.BindAddr == "" {
		c.BindAddr = "127.0.0.1:0"
	}
	if c.Role == "" {
		c.Role = cluster.RoleEdge
	}
	if c.SyncInterval == 0 {
		c.SyncInterval = DefaultSyncInterval
	}
	if c.EventBuffer == 0 {
		c.EventBuffer = DefaultEventBuffer
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Admitted == nil {
		c.Admitted = func() map[nexus.PublicKey]bool { return nil }
	}
	return c.completeKeys()
}

// Tag names are one letter because all tags together get 512 bytes (memberlist's limit).
const (
	tagKey    = "k"
	tagRecord = "h"
	tagRole   = "r"
	tagAPI    = "a"
	tagLabel  = "n"
	tagKeys   = "v" // version of the ring of gossip keys
)

func (c *Config) tags() map[string]string {
	return map[string]string{tagKey: c.Key.String(), tagRecord: c.Record.String(), tagRole: string(c.Role),
		tagAPI: c.APIAddr, tagLabel: c.Label}
}

// serfConfig translates Config into the library's, but for what the agent fills in: keys, tags, events. Sockets are bound, so what is made must be shut down.
func (c *Config) serfConfig(serve func(net.Conn)) (*serf.Config, *wire, error) {
	host, portText, err := net.SplitHostPort(c.BindAddr)
	if err != nil {
		return nil, nil, usage(fmt.Sprintf("address %q", c.BindAddr), "write host:port", "%v", err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, nil, usage(fmt.Sprintf("address %q", c.BindAddr), "a port between 0 and 65535", "%v", err)
	}
	logger := log.New(&logWriter{log: c.Logger}, "", 0)

	m := memberlist.DefaultLANConfig()
	if c.Profile != LAN {
		m.ProbeInterval, m.ProbeTimeout = 200*time.Millisecond, 100*time.Millisecond
		m.SuspicionMult = 3
		m.GossipInterval, m.GossipNodes = 50*time.Millisecond, 3
		m.PushPullInterval = 5 * time.Second
		m.TCPTimeout = 3 * time.Second
	}
	// Messages are small; for each of them the library's compressor makes tables of tens of kilobytes, most of what an idle agent costs.
	m.EnableCompression = false
	m.BindAddr, m.BindPort, m.AdvertisePort = host, int(port), int(port)
	m.Label = c.Cluster.String()
	// A node that died may come back at once under its name from another port: the name is the hash of its key anyway.
	m.DeadNodeReclaimTime = time.Millisecond
	m.Logger, m.LogOutput = logger, nil
	open := c.transport
	if open == nil {
		open = func(m *memberlist.Config) (memberlist.NodeAwareTransport, error) { return bind(m, logger) }
	}
	inner, err := open(m)
	if err != nil {
		return nil, nil, addressErr(c.BindAddr, err)
	}
	w := newWire(inner, serve)
	m.Transport = w

	s := serf.DefaultConfig()
	s.NodeName = cluster.NodeName(c.Key)
	s.EnableNameConflictResolution = false
	s.ValidateNodeNames = true
	s.MinQueueDepth = minQueueDepth
	s.LeavePropagateDelay = 4 * m.GossipInterval
	s.BroadcastTimeout = 3 * time.Second
	s.ReconnectInterval = 5 * time.Second
	// The library answers everybody who holds a gossip key with all keys. Nothing here uses its queries, so no answer of any size is given: a key that is on
	// its way out must not open the next one.
	s.QueryResponseSizeLimit = 1
	s.MemberlistConfig = m
	s.Logger, s.LogOutput = logger, nil
	return s, w, nil
}

func addressErr(addr string, err error) error {
	return &nexus.Error{Op: "start gossip", Code: nexus.CodeUnavailable, Subject: "address " + addr, Cause: err,
		Hint: "choose a free address with --gossip-listen"}
}

// logWriter turns the library's lines ("[WARN] serf: text") into slog records. Its information is our debug.
type logWriter struct{ log *slog.Logger }

var _ io.Writer = (*logWriter)(nil)

func (w *logWriter) Write(b []byte) (int, error) {
	line := strings.TrimSpace(string(b))
	level := slog.LevelDebug
	switch {
	case strings.HasPrefix(line, "[ERR]"):
		level = slog.LevelWarn // the network's errors, none of them ours to stop for
	case strings.HasPrefix(line, "[WARN]"):
		level = slog.LevelInfo
	}
	if _, rest, ok := strings.Cut(line, "] "); ok {
		line = rest
	}
	w.log.Log(context.Background(), level, line, "component", "gossip")
	return len(b), nil
}
