package launch

import (
	"context"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// Env is what the phases ask of the node being launched. Every Start method is safe to call again: it does nothing when the
// thing runs.
type Env interface {
	// HostChecks measures the machine against the configuration.
	HostChecks(ctx context.Context) []wire.Check
	// CheckFiles reads every file of the data directory before anything opens it.
	CheckFiles(ctx context.Context) ([]wire.Finding, []string, error)
	// OpenLedger opens ledger, consensus and state; a data directory without genesis is founded.
	OpenLedger(ctx context.Context) error
	// LedgerOn names the node that holds the ledger when it is not this one.
	LedgerOn() string
	// Engine is the open engine; nil before OpenLedger and on a joined node.
	Engine() *engine.Engine
	// VerifyLedger re-reads and recomputes the stored entries.
	VerifyLedger(ctx context.Context) (wire.VerifyReport, error)
	// AuditAll runs the stack scrub.
	AuditAll(ctx context.Context) (wire.AuditReport, error)
	// StartEdge starts the gateway and the reconciler, and waits until the table holds what the state wants.
	StartEdge(ctx context.Context) error
	// EdgeAddr is the gateway's plain listener.
	EdgeAddr() string
	// SliceStats measures every slice now.
	SliceStats() []edge.SliceStats
	// StartCluster starts gossip.
	StartCluster(ctx context.Context) error
	// Members is the cluster as this node sees it.
	Members() []wire.MemberRow
	// Suites runs live suites and names those that this version does not have.
	Suites(ctx context.Context, names []string) (wire.Suites, error)
	// Operate does an action as the operator-equivalent of the launch: the node's own key.
	Operate(ctx context.Context, kind string, unit nexus.ID, body any) (nexus.Receipt, error)
	// Before is the desired-state digest and unit count found when the ledger was opened.
	Before() (hash nexus.Hash, units int)
	// Meanwhile counts the acts since then that wrote about real units or real money: the node's own, by kinds of entries that the
	// digest covers, and those of others.
	Meanwhile() (own, others int, err error)
	// WriteReport writes and signs the deployment report over phases 1 to 11, and reads it back.
	WriteReport(ctx context.Context, phases [wire.PhaseCount]wire.Phase) (ReportFile, error)
	// Results are the phases so far.
	Results() [wire.PhaseCount]wire.Phase
}

// ReportFile is a written report.
type ReportFile struct {
	Path    string // of the JSON form; the text stands beside it
	SHA256  nexus.Hash
	Verdict string
}
