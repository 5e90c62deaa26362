// Package node puts one node together: lock, log, control API, launch, ledger, edge, cluster, reconciler and background
// scrub, and takes them down in order. It is the only place that knows all of them.
//
// Promises: Start leaves nothing behind when it fails; Stop drains, then ends; a node killed at any moment starts again over
// the same directory through the same code. It must not decide anything: the engine does.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster"
	"github.com/BobbyBlanco400/nexus-cos/cluster/gossip"
	"github.com/BobbyBlanco400/nexus-cos/cluster/witness"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/audit"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/launch"
	"github.com/BobbyBlanco400/nexus-cos/engine/slicing"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// Config says what node to run. Zero values mean what the comments say; DataDir is required.
type Config struct {
	DataDir      string
	RuntimeDir   string          // for the socket when the data directory's path is too long
	Profile      string          // "" is dev
	NodeName     string          // "" is the host's name
	BaseDomain   string          // "" is nexus.localhost in dev; required in prod
	OperatorKey  nexus.PublicKey // required in prod, zero makes one in dev
	Jurisdiction string

	GatewayAddr    string           // "" is 127.0.0.1:0
	GatewayTLSAddr string           // "" is 127.0.0.1:0
	GossipAddr     string           // "" is 127.0.0.1:0
	SSHAddr        string           // "" is no SSH console
	MetricsAddr    string           // "" is no endpoint for Prometheus
	LogHTTPAddr    string           // "" does not publish the log
	Witnesses      []witness.Target // outside parties that are asked to cosign the log
	CapacityBps    uint64           // of the gateway, bits per second; 0 is 1 Gbit/s

	JoinToken string   // text of a join token; the node then holds no ledger
	JoinSeeds []string // more gossip addresses to try

	ReportDir string // "" is <data-dir>/logs/launch
	LogDir    string // "" is <data-dir>/logs/launch
	Only      []int
	Skip      []int

	Version   string
	Commit    string
	BuildTime time.Time
	Command   []string // how the program was started, for the report
	Binary    string   // file of this program, for edge processes that a suite starts; "": it starts none

	// OpenSSH opens the SSH console; needed with SSHAddr.
	OpenSSH func(*Node) (Door, error)
	// Emit gets the lines of the launch as they happen.
	Emit func(line any)
	// LogLevel of the node's own log file.
	LogLevel slog.Level
}

func (c Config) withDefaults() Config {
	def := func(v *string, d string) {
		if *v == "" {
			*v = d
		}
	}
	def(&c.Profile, identity.ProfileDev)
	def(&c.GatewayAddr, "127.0.0.1:0")
	def(&c.GatewayTLSAddr, "127.0.0.1:0")
	def(&c.GossipAddr, "127.0.0.1:0")
	def(&c.LogDir, filepath.Join(c.DataDir, "logs", "launch"))
	def(&c.ReportDir, c.LogDir)
	if c.NodeName == "" {
		c.NodeName, _ = os.Hostname()
		def(&c.NodeName, "node")
	}
	if c.CapacityBps == 0 {
		c.CapacityBps = 1_000_000_000
	}
	return c
}

// Node is one running node. Safe for concurrent use.
type Node struct {
	cfg     Config
	started time.Time
	lock    *os.File
	logFile *os.File
	log     *slog.Logger
	bus     *bus.Bus
	server  *control.Server
	socket  string
	deplog  *deploymentLog
	runner  *launch.Runner

	ctx    context.Context // ends when the node stops; background work runs under it
	cancel context.CancelFunc
	wg     sync.WaitGroup
	stop   chan struct{} // closed by StopRequested
	once   sync.Once
	ending sync.Once
	ended  error // of Stop

	token *cluster.Token // set on a joined node
	key   *identity.Key  // the node's key

	opening   sync.Mutex // held while the ledger opens; taken before mu
	mu        sync.Mutex // guards what the phases start
	eng       atomic.Pointer[engine.Engine]
	auditor   *audit.Auditor
	fabric    *slicing.Fabric
	gateway   *edge.Gateway
	prober    *edge.Prober
	sessions  *sessions
	judged    judged
	door      Door                 // nil without an SSH console
	endpoints map[string]*endpoint // by name
	agent     *gossip.Agent
	before    nexus.Hash
	beforeAt  uint64 // index of the last decision that before covers
	existing  int
	state     string
	report    launch.ReportFile
	verified  wire.VerifyReport

	view overviewKeeper

	reconciling sync.Mutex // held for one turn; taken before mu
	turns       *turns
}

// Start locks the data directory, opens log and control API. The phases do the rest. On error nothing is left running. A held
// directory is CodeConflict and names the running node's address.
func Start(cfg Config) (*Node, error) {
	cfg = cfg.withDefaults()
	n := &Node{cfg: cfg, started: time.Now(), stop: make(chan struct{}), state: wire.NodeLaunching, endpoints: map[string]*endpoint{}, turns: newTurns()}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	if err := n.prepare(); err != nil {
		return nil, errors.Join(err, n.release())
	}
	n.wg.Go(func() {
		if err := n.server.Run(n.ctx); err != nil && n.ctx.Err() == nil {
			n.log.Error("control API ended", "component", "control", "error", err)
		}
	})
	n.wg.Go(func() { n.view.run(n.ctx, n) })
	return n, nil
}

func (n *Node) prepare() error {
	cfg := &n.cfg
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nexus.Errf("launch", nexus.CodeUnfit, "data directory "+cfg.DataDir, "choose another --data-dir or mend its permissions", "%v", err)
	}
	// An empty directory becomes ours as it should be; one that holds something is judged by preflight, not changed.
	if entries, err := os.ReadDir(cfg.DataDir); err == nil && len(entries) == 0 {
		if err := os.Chmod(cfg.DataDir, 0o700); err != nil {
			return nexus.Errf("launch", nexus.CodeUnfit, "data directory "+cfg.DataDir, "choose a directory of your own", "%v", err)
		}
	}
	if err := n.takeLock(); err != nil {
		return err
	}
	if cfg.JoinToken != "" {
		tok, err := cluster.ParseToken(cfg.JoinToken)
		if err == nil {
			err = tok.Verify(n.tokenTime(&tok))
		}
		if err != nil {
			return err
		}
		n.token = &tok
	}
	var err error
	if n.logFile, err = os.OpenFile(filepath.Join(cfg.DataDir, "node.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return nexus.Errf("launch", nexus.CodeUnfit, "log file", "mend the data directory's permissions", "%v", err)
	}
	n.log = slog.New(slog.NewJSONHandler(n.logFile, &slog.HandlerOptions{Level: cfg.LogLevel}))
	if n.deplog, err = newDeploymentLog(cfg.LogDir, n.started); err != nil {
		return err
	}
	n.bus = bus.New(bus.Limits{})
	n.view.init()
	n.runner = launch.New(n, launch.Options{Only: cfg.Only, Skip: cfg.Skip, Version: cfg.Version, Emit: n.emit})
	n.socket = control.SocketPath(cfg.DataDir, cfg.RuntimeDir)
	if n.server, err = control.NewServer(n.socket, n, n.bus, n.log); err != nil {
		return err
	}
	return n.writeNodeFile()
}

// takeLock makes sure that one process holds the directory; the kernel frees it when the process dies.
func (n *Node) takeLock() error {
	path := filepath.Join(n.cfg.DataDir, "node.lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nexus.Errf("launch", nexus.CodeUnfit, path, "mend the data directory's permissions", "%v", err)
	}
	if err := flockPatiently(f, n.cfg.DataDir); err != nil {
		_ = f.Close()
		subject := "data directory " + n.cfg.DataDir
		if other, rerr := control.ReadNodeFile(n.cfg.DataDir); rerr == nil {
			return nexus.Errf("launch", nexus.CodeConflict, subject, "attach with nexus console, or stop it with nexus stop",
				"held by node %s, pid %d, at %s", other.Name, other.PID, other.Addresses["api"])
		}
		return nexus.Errf("launch", nexus.CodeConflict, subject, "wait for the other process or choose another --data-dir", "held by another process")
	}
	n.lock = f
	return nil
}

// lockPatience is how long a start waits for the lock of a holder that has ended.
const lockPatience = 5 * time.Second

// flockPatiently takes the lock. A killed process counts as ended a moment before the kernel has closed its files, so the lock
// of a holder that is gone is asked for again; one that runs holds it.
func flockPatiently(f *os.File, dataDir string) error {
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		err := osfile.TryLock(f)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		if other, rerr := control.ReadNodeFile(dataDir); rerr == nil && control.Alive(other.PID) {
			return err
		}
	}
}

// emit hands a launch line to the deployment log, the console's picture and the caller.
func (n *Node) emit(line any) {
	n.deplog.line(line)
	n.view.touch()
	if n.cfg.Emit != nil {
		n.cfg.Emit(line)
	}
}

// Launch runs the twelve phases and returns the last line, which it has also emitted.
func (n *Node) Launch(ctx context.Context) wire.LaunchFinishedLine {
	n.runner.Run(ctx)
	results := n.runner.Results()
	line := launch.Finished(results)
	line.DurationMs = time.Since(n.started).Milliseconds()
	line.Addresses = n.Hello().Addresses
	n.mu.Lock()
	line.Report = n.report.Path
	if n.report.Path != "" {
		line.ReportSHA256 = n.report.SHA256.String()
	}
	n.state = stateOf(line.Status)
	n.mu.Unlock()
	if err := n.writeNodeFile(); err != nil {
		n.log.Error("node file not written", "component", "node", "error", err)
	}
	n.emit(line)
	return line
}

func stateOf(verdict string) string {
	switch verdict {
	case wire.StatusPassed:
		return wire.NodeServing
	case wire.StatusDegraded:
		return wire.NodeDegraded
	default:
		return wire.NodeFailed
	}
}

// Serve waits until ctx ends, a stop was asked for, or the log store failed. It does not stop the node: call Stop.
func (n *Node) Serve(ctx context.Context) error {
	var failed <-chan error
	if e := n.Engine(); e != nil {
		failed = e.Failed()
	}
	select {
	case <-ctx.Done():
		return nil
	case <-n.stop:
		return nil
	case err := <-failed:
		return fmt.Errorf("ledger stopped: %w", err)
	}
}

// StopRequested implements control.Node.
func (n *Node) StopRequested() { n.once.Do(func() { close(n.stop) }) }

// StopAsked is closed once somebody asked the node to stop.
func (n *Node) StopAsked() <-chan struct{} { return n.stop }

// Stop takes the node down in order: edge (drains streams), cluster (says goodbye), control API, background work, ledger,
// files. Later calls wait for the first and return the same.
func (n *Node) Stop() error {
	n.ending.Do(func() { n.ended = n.takeDown() })
	return n.ended
}

func (n *Node) takeDown() error {
	n.mu.Lock()
	n.state = wire.NodeStopping
	gateway, agent, sessions := n.gateway, n.agent, n.sessions
	n.mu.Unlock()
	n.view.touch()
	errs := []error{n.closeDoor()} // whoever watches is told by the end of the session
	if sessions != nil {
		sessions.host.Close() // their home goes: clients are told, and hold up no draining
	}
	if gateway != nil {
		errs = append(errs, gateway.Close(5*time.Second))
	}
	if agent != nil {
		errs = append(errs, agent.Leave())
	}
	return errors.Join(append(errs, n.release())...)
}

// release ends background work and gives back what prepare and the phases took.
func (n *Node) release() error {
	n.cancel()
	n.wg.Wait()
	errs := []error{n.closeDoor(), n.closeEndpoint(endpointMetrics), n.closeEndpoint(endpointLog)}
	if n.server != nil {
		errs = append(errs, n.server.Close())
	}
	if e := n.eng.Load(); e != nil {
		errs = append(errs, e.Close())
	}
	if n.bus != nil {
		n.bus.Close()
	}
	if n.lock != nil {
		errs = append(errs, control.RemoveNodeFile(n.cfg.DataDir))
	}
	if n.deplog != nil {
		errs = append(errs, n.deplog.close())
	}
	if n.logFile != nil {
		errs = append(errs, n.logFile.Close())
	}
	if n.lock != nil {
		errs = append(errs, n.lock.Close())
	}
	return errors.Join(errs...)
}

// writeNodeFile tells the other commands where this node is.
func (n *Node) writeNodeFile() error {
	h := n.Hello()
	f := control.NodeFile{PID: h.PID, Name: h.Name, Profile: h.Profile, State: h.State, Version: h.Version,
		Started: h.Started.Format(time.RFC3339), Addresses: h.Addresses, ReportDir: n.cfg.ReportDir, Log: n.deplog.path, LedgerOn: n.LedgerOn()}
	n.mu.Lock()
	if n.key != nil {
		f.Key = n.key.Public()
	}
	n.mu.Unlock()
	if err := f.Cluster.UnmarshalText([]byte(h.Cluster)); err != nil && h.Cluster != "" {
		return err
	}
	return control.WriteNodeFile(n.cfg.DataDir, f)
}

// Hello implements control.Node: what is public about this node.
func (n *Node) Hello() wire.NodeInfo {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := wire.NodeInfo{Name: n.cfg.NodeName, State: n.state, Profile: n.cfg.Profile, PID: os.Getpid(), Version: n.cfg.Version,
		Started: n.started.UTC(), Addresses: map[string]string{"api": n.socket}}
	switch e := n.eng.Load(); {
	case e != nil:
		h.Cluster = e.Cluster().String()
	case n.token != nil:
		h.Cluster = n.token.Cluster.String()
	}
	if n.gateway != nil {
		h.Addresses["gateway"] = n.gateway.Addr()
		h.Addresses["gateway_tls"] = n.gateway.TLSAddr()
		h.Addresses["edges"] = n.sessions.socket
	}
	if n.door != nil {
		h.Addresses["ssh"], h.SSHHostKey = n.door.Addr(), n.door.Fingerprint()
	}
	for name, open := range n.endpoints {
		h.Addresses[name] = open.addr
	}
	if n.agent != nil {
		h.Addresses["gossip"] = n.agent.Addr()
	}
	return h
}
