package node

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/audit"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/doctor"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/launch"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/engine/suite"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

var _ launch.Env = (*Node)(nil)

// HostChecks implements launch.Env.
func (n *Node) HostChecks(ctx context.Context) []wire.Check {
	c := &n.cfg
	addresses := []doctor.Address{{Name: "gateway", Network: "tcp", Addr: c.GatewayAddr}, {Name: "gateway-tls", Network: "tcp", Addr: c.GatewayTLSAddr},
		{Name: "gossip", Network: "tcp", Addr: c.GossipAddr}}
	if c.SSHAddr != "" {
		addresses = append(addresses, doctor.Address{Name: "ssh", Network: "tcp", Addr: c.SSHAddr})
	}
	if c.MetricsAddr != "" {
		addresses = append(addresses, doctor.Address{Name: endpointMetrics, Network: "tcp", Addr: c.MetricsAddr})
	}
	if c.LogHTTPAddr != "" {
		addresses = append(addresses, doctor.Address{Name: endpointLog, Network: "tcp", Addr: c.LogHTTPAddr})
	}
	checks := doctor.Run(ctx, doctor.Options{DataDir: c.DataDir, SocketPath: n.socket, NodePID: os.Getpid(), BuildTime: c.BuildTime, Addresses: addresses})
	for _, way := range []struct {
		addr, port, check string
		open              func() wire.Check
	}{{c.SSHAddr, "ssh", "ssh console", n.openDoor}, {c.MetricsAddr, endpointMetrics, endpointMetrics, n.openMetrics},
		{c.LogHTTPAddr, endpointLog, endpointLog, n.openLog}} {
		switch {
		case way.addr == "" || ctx.Err() != nil:
		case failedPort(checks, way.port): // one cause is one failure, and its check names the holder
			checks = append(checks, wire.Check{Name: way.check, Status: wire.StatusSkipped, Detail: "needs port " + way.port})
		default:
			checks = append(checks, way.open())
		}
	}
	return checks
}

// failedPort reports whether a port was found not to be had.
func failedPort(checks []wire.Check, name string) bool {
	for i := range checks {
		if checks[i].Name == "port "+name && checks[i].Status == wire.StatusFailed {
			return true
		}
	}
	return false
}

// CheckFiles implements launch.Env.
func (n *Node) CheckFiles(context.Context) ([]wire.Finding, []string, error) {
	done, err := identity.Recover(n.cfg.DataDir)
	if err != nil {
		return nil, nil, err
	}
	if n.Engine() != nil { // a re-run over the open ledger: Verify reads its files
		return nil, done, nil
	}
	f, err := engine.CheckFiles(n.cfg.DataDir)
	return f, done, err
}

// OpenLedger implements launch.Env.
func (n *Node) OpenLedger(ctx context.Context) error {
	// Opening may take minutes; hello, status and the console ask meanwhile, so mu is held only to publish what was opened.
	n.opening.Lock()
	defer n.opening.Unlock()
	if n.eng.Load() != nil {
		return nil
	}
	g, fresh, err := n.genesis()
	if err != nil {
		return err
	}
	keys, err := identity.LoadKeys(n.cfg.DataDir, g)
	if err != nil {
		return err
	}
	act, err := engine.Found(g, keys.Platform)
	if err != nil {
		return err
	}
	e, err := engine.Open(engine.Config{DataDir: n.cfg.DataDir, NodeName: n.cfg.NodeName, Cluster: g.Cluster, Node: keys.Node, Genesis: act,
		Bus: n.bus, Logger: n.log, Witnesses: n.cfg.Witnesses,
		Capacity: engine.Capacity{CPUMilli: int64(runtime.NumCPU()) * 1000, MemoryBytes: memoryBytes(), NetworkBps: int64(n.cfg.CapacityBps)}})
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.key, n.auditor = keys.Node, audit.New(e)
	e.View(func(s *state.State) {
		n.before, n.beforeAt = s.DesiredHash(), s.Index
		if !fresh {
			for _, u := range s.Units {
				if u.Kind != nexus.KindProbe {
					n.existing++
				}
			}
		}
	})
	n.eng.Store(e) // last: whoever sees the engine uses the rest without asking
	n.mu.Unlock()
	n.server.Attach(e)
	n.wg.Go(func() { _ = n.auditor.Run(n.ctx, n.postFinding) })
	n.wg.Go(n.sweepImports)
	return ctx.Err()
}

// genesis reads the genesis file, or founds the cluster in an empty directory.
func (n *Node) genesis() (g identity.Genesis, fresh bool, err error) {
	g, err = identity.ReadGenesis(n.cfg.DataDir)
	if nexus.CodeOf(err) != nexus.CodeNotFound {
		return g, false, err
	}
	if n.cfg.BaseDomain == "" && n.cfg.Profile != identity.ProfileDev {
		return g, true, nexus.Errf("launch", nexus.CodeUsage, "base domain", "give --base-domain or set base_domain", "required in prod")
	}
	g, err = identity.NewGenesis(n.cfg.DataDir, identity.GenesisOptions{Profile: n.cfg.Profile, BaseDomain: n.cfg.BaseDomain,
		NodeName: n.cfg.NodeName, Operator: n.cfg.OperatorKey})
	return g, true, err
}

func memoryBytes() int64 {
	var kb int64
	b, err := os.ReadFile("/proc/meminfo")
	if err == nil {
		_, _ = fmt.Sscanf(string(b), "MemTotal: %d kB", &kb)
	}
	return kb << 10
}

func (n *Node) postFinding(f wire.Finding) {
	ctx, cancel := context.WithTimeout(n.ctx, 10*time.Second)
	defer cancel()
	body := state.AuditFinding{Code: f.Where, Observed: f.What, Required: f.Required, Evidence: f.Evidence}
	n.Engine().View(func(s *state.State) {
		if u, ok := s.FindUnit(f.Unit); ok {
			body.Unit = u.ID
		}
	})
	if _, err := n.Engine().Act(ctx, state.KindAuditFinding, body.Unit, body); err != nil {
		n.log.Error("finding not posted", "component", "audit", "finding", f.What, "error", err)
	}
}

// Engine implements launch.Env.
func (n *Node) Engine() *engine.Engine { return n.eng.Load() }

// LedgerOn implements launch.Env.
func (n *Node) LedgerOn() string {
	if n.token == nil {
		return ""
	}
	return fmt.Sprintf("node %s (%s)", n.token.Issuer.Short(), n.token.Seeds[0])
}

// VerifyLedger implements launch.Env.
func (n *Node) VerifyLedger(ctx context.Context) (wire.VerifyReport, error) { return n.Verify(ctx) }

// Verify implements control.Node.
func (n *Node) Verify(ctx context.Context) (wire.VerifyReport, error) {
	rep, err := n.Engine().Verify(ctx)
	if err != nil {
		return rep, err
	}
	n.mu.Lock()
	n.verified = rep
	n.mu.Unlock()
	n.view.touch()
	return rep, nil
}

// AuditAll implements launch.Env.
func (n *Node) AuditAll(ctx context.Context) (wire.AuditReport, error) { return n.auditor.All(ctx, "") }

// Audit implements control.Node.
func (n *Node) Audit(ctx context.Context, unit string) (wire.AuditReport, error) {
	return n.auditor.All(ctx, unit)
}

// Suites implements launch.Env and control.Node.
func (n *Node) Suites(ctx context.Context, names []string) (wire.Suites, error) {
	return suite.Run(ctx, suite.Env{Engine: n.Engine(), Edge: n.edgeFabric(), Audit: n.AuditAll, Verify: n.VerifyLedger, Node: n.key,
		Binary: n.cfg.Binary}, names)
}

// RerunPhase implements control.Node. It returns at once; the console follows the phases. CodeConflict while phases run.
func (n *Node) RerunPhase(_ context.Context, phase int) error {
	done, err := n.runner.Busy()
	if err != nil {
		return err
	}
	n.wg.Go(func() {
		defer done()
		n.runner.Rerun(n.ctx, phase)
		n.mu.Lock()
		n.state = stateOf(launch.Verdict(n.runner.Results()))
		n.mu.Unlock()
		n.view.touch()
	})
	return nil
}

// Operate implements launch.Env.
func (n *Node) Operate(ctx context.Context, kind string, unit nexus.ID, body any) (nexus.Receipt, error) {
	return n.Engine().Act(ctx, kind, unit, body)
}

// Before implements launch.Env.
func (n *Node) Before() (nexus.Hash, int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.before, n.existing
}

// Meanwhile implements launch.Env.
func (n *Node) Meanwhile() (own, others int, err error) {
	e := n.Engine()
	n.mu.Lock()
	since := n.beforeAt
	n.mu.Unlock()
	probes := map[nexus.ID]bool{{}: true} // the platform's own chain is no unit
	e.View(func(s *state.State) {
		for id, u := range s.Units {
			probes[id] = probes[id] || u.Kind == nexus.KindProbe
		}
	})
	err = e.Store().Records(since+1, e.Store().Applied(), func(r ledger.Record) error {
		first, err := r.Entry(r.FirstSeq)
		if err != nil || first.Kind != ledger.KindDecision {
			return err
		}
		var body state.DecisionBody
		if err := nexus.Decode(first.Body, &body); err != nil {
			return err
		}
		for seq := r.FirstSeq + 1; seq < r.Next(); seq++ {
			x, err := r.Entry(seq)
			if err != nil {
				return err
			}
			switch {
			case !concerns(&x, probes):
			case body.Decision.Actor == e.NodeKey():
				own++
				return nil
			default:
				others++
				return nil
			}
		}
		return nil
	})
	return own, others, err
}

// concerns reports whether an entry is about a real unit or real money, in a way that the desired state shows. Measurements, findings
// and notices are not.
func concerns(x *ledger.Entry, probes map[nexus.ID]bool) bool {
	for _, p := range x.Postings {
		if p.Currency != nexus.TestCurrency {
			return true
		}
	}
	switch x.Kind {
	case ledger.KindUsage, ledger.KindService, ledger.KindAudit, ledger.KindNotice, ledger.KindProbe, ledger.KindReport:
		return false
	}
	return !probes[x.Unit]
}

// Results implements launch.Env.
func (n *Node) Results() [wire.PhaseCount]wire.Phase { return n.runner.Results() }
