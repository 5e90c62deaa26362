package engine

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/cluster/consensus"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger/badgerstore"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// CheckFiles reads every file of a data directory that no process holds, before anything opens it: genesis and keys, the
// replicated log with its meta and head files, and the ledger's tables. Findings name the file; notes say what a crash left
// and what is no damage.
func CheckFiles(dataDir string) ([]wire.Finding, error) {
	var out []wire.Finding
	add := func(file string, offset int64, what string) {
		if rel, err := filepath.Rel(dataDir, file); err == nil && filepath.IsAbs(file) {
			file = rel
		}
		out = append(out, wire.Finding{Where: file, What: what, Evidence: fmt.Sprintf("byte %d", offset)})
	}
	for _, f := range identity.CheckFiles(dataDir) {
		add(f.File, f.Offset, f.What)
	}
	logReport, err := consensus.Inspect(filepath.Join(dataDir, RaftDir), 0)
	if err != nil {
		return out, err
	}
	for _, f := range logReport.Findings {
		add(under(RaftDir, f.File), f.Offset, f.What)
	}
	if err := refuseUnfinished(dataDir); err != nil {
		add(RestoringDir, 0, err.Error())
	}
	switch _, founded, err := readFounded(dataDir); {
	case err != nil:
		add(FoundedFile, 0, err.Error())
	case founded && logReport.Head.Index == 0 && len(logReport.Findings) == 0:
		add(RaftDir, 0, "no command is acknowledged though the cluster was founded: ledger or log were removed")
	}
	if _, err := os.Stat(filepath.Join(dataDir, LedgerDir)); errors.Is(err, fs.ErrNotExist) {
		// Before the first command there is nothing; afterwards the head file says that there must be something.
		if _, err := os.Stat(consensus.HeadPath(filepath.Join(dataDir, RaftDir))); err == nil {
			add(LedgerDir, 0, "the ledger's directory is missing though commands were acknowledged")
		}
		return out, nil
	}
	tables, err := badgerstore.CheckFiles(filepath.Join(dataDir, LedgerDir))
	if err != nil {
		return out, err
	}
	for _, f := range tables {
		add(under(LedgerDir, f.File), f.Offset, f.What)
	}
	return out, nil
}

// under names a file below dir, unless it is named whole already.
func under(dir, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}

// Verify re-reads the running node's stored entries and recomputes everything with the independent checker; what the state
// shows must equal what the entries add up to.
func (e *Engine) Verify(ctx context.Context) (wire.VerifyReport, error) {
	start := time.Now()
	// Reader, checkpoint and shown figures are of one moment: no command is applied between them.
	e.rlock()
	r, err := e.files.Reader()
	var shown map[verify.Account]verify.Total
	if err == nil {
		shown = shownTotals(e.state)
	}
	e.mu.RUnlock()
	if err != nil {
		return wire.VerifyReport{}, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	files, err := e.files.CheckFiles()
	if err != nil {
		return wire.VerifyReport{}, err
	}
	rep, err := verify.Run(ctx, r, verify.Options{Cluster: e.cfg.Cluster, Key: e.NodeKey(), CommandCheck: verify.ActionSignature})
	if err != nil {
		return wire.VerifyReport{}, err
	}
	out := verifyReport(rep, time.Since(start))
	for _, f := range files {
		out.Findings = append(out.Findings, wire.Finding{Where: under(LedgerDir, f.File), What: f.What, Evidence: fmt.Sprintf("byte %d", f.Offset)})
	}
	out.Findings = append(out.Findings, compareTotals(shown, rep.Totals)...)
	index, notes, err := e.checkIndex(ctx)
	out.Findings, out.Notes = append(out.Findings, index...), append(out.Notes, notes...)
	return out, err
}

// VerifyOffline checks the data directory of a stopped node, or a backup of one, without changing a byte of it.
func VerifyOffline(ctx context.Context, dataDir string) (wire.VerifyReport, error) {
	start := time.Now()
	g, gerr := identity.ReadGenesis(dataDir)
	findings, err := CheckFiles(dataDir)
	if err != nil {
		return wire.VerifyReport{}, err
	}
	if len(findings) > 0 || gerr != nil {
		// The libraries may end the process on damaged files, so what is damaged is not opened.
		if len(findings) == 0 {
			findings = append(findings, wire.Finding{Where: identity.GenesisFile, What: gerr.Error()})
		}
		return wire.VerifyReport{Findings: findings, DurationMs: time.Since(start).Milliseconds(),
			Notes: []string{"entries were not read: the files above are damaged"}}, nil
	}
	r, err := badgerstore.OpenReadOnly(filepath.Join(dataDir, LedgerDir), badgerstore.Options{})
	if err != nil {
		return wire.VerifyReport{}, err
	}
	rep, err := verify.Run(ctx, r, verify.Options{Cluster: g.Cluster, Key: g.Node.Public, CommandCheck: verify.ActionSignature})
	if err := errors.Join(err, r.Close()); err != nil {
		return wire.VerifyReport{}, err
	}
	return verifyReport(rep, time.Since(start)), nil
}

func verifyReport(rep verify.Report, took time.Duration) wire.VerifyReport {
	out := wire.VerifyReport{Verified: rep.Entries, Entries: rep.Claimed, Records: rep.Records, Units: int(rep.Units), Size: rep.Entries,
		Root: base64.StdEncoding.EncodeToString(rep.Root[:]), Findings: []wire.Finding{}, DurationMs: took.Milliseconds()}
	for _, f := range rep.Findings {
		out.Findings = append(out.Findings, wire.Finding{Where: where(f), What: f.What})
	}
	if extra := rep.FindingsTotal - uint64(len(rep.Findings)); extra > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("%d more findings are counted, not listed", extra))
	}
	return out
}

func where(f verify.Finding) string {
	switch {
	case f.File != "":
		return f.File
	case f.Seq != nil:
		return fmt.Sprintf("entry %d", *f.Seq)
	case f.Record != nil:
		return fmt.Sprintf("record %d", *f.Record)
	default:
		return f.Key
	}
}

func shownTotals(s *state.State) map[verify.Account]verify.Total {
	out := make(map[verify.Account]verify.Total, len(s.Accounts))
	for k, a := range s.Accounts {
		out[verify.Account{Unit: k.Unit, Currency: k.Currency}] = verify.Total{Gross: a.Gross, Creator: a.Creator, Platform: a.Platform, Events: a.Events}
	}
	return out
}

// compareTotals finds accounts whose shown figures are not what the entries add up to.
func compareTotals(shown, recomputed map[verify.Account]verify.Total) []wire.Finding {
	var out []wire.Finding
	for k, t := range shown {
		if recomputed[k] != t {
			out = append(out, wire.Finding{Where: "tally of " + k.Unit.String() + " " + k.Currency, What: fmt.Sprintf("shows %+v", t),
				Required: fmt.Sprintf("%+v, recomputed from the entries", recomputed[k])})
		}
	}
	if len(recomputed) > len(shown) {
		out = append(out, wire.Finding{Where: "tallies", What: fmt.Sprintf("%d shown", len(shown)), Required: fmt.Sprintf("%d recomputed", len(recomputed))})
	}
	return out
}
