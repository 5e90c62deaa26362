package node

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/launch"
	"github.com/BobbyBlanco400/nexus-cos/engine/suite"
)

const reportDomain = "nexus-report-v1\n"

// Report is the deployment report (SPEC section 2): phases 1 to 11, their verdict and the evidence. Its JSON form is what is
// hashed and posted; Signature is the node key's over the SHA-256 of the JSON with an empty signature.
type Report struct {
	Type        string            `json:"type"` // "nexus.deployment-report"
	Schema      string            `json:"schema"`
	Time        time.Time         `json:"time"`
	Node        wire.NodeInfo     `json:"node"`
	Build       map[string]string `json:"build"`
	Machine     map[string]string `json:"machine"`
	Command     []string          `json:"command,omitempty"`
	Verdict     string            `json:"verdict"`
	Phases      []wire.Phase      `json:"phases"`
	Layers      map[string]string `json:"layers"`
	Tally       wire.Tally        `json:"tally"`
	Gates       []wire.GateRow    `json:"gates"`
	Ledger      wire.LedgerInfo   `json:"ledger"`
	StateBefore string            `json:"state_before"`
	StateAfter  string            `json:"state_after"`
	Existing    int               `json:"existing"`
	Immutable   string            `json:"immutability"`
	NotEnforced []string          `json:"not_enforced"`
	Next        []string          `json:"next"`
	Key         string            `json:"key"`
	Signature   string            `json:"signature"`
}

// immutability says what is detected and by whom, in the terms of SPEC section 6.
const immutability = "Without the node's key any change to stored records is detected from the files alone. With it, a rewritten or restored " +
	"history is detected by whoever holds an earlier checkpoint: every client pins the last one it saw outside the data directory, and this " +
	"report carries one. Outside witnesses that cosign hold one too: how many did is said with the ledger."

// WriteReport implements launch.Env.
func (n *Node) WriteReport(_ context.Context, phases [wire.PhaseCount]wire.Phase) (launch.ReportFile, error) {
	r := n.makeReport(phases)
	unsigned, err := json.Marshal(r)
	if err != nil {
		return launch.ReportFile{}, err
	}
	digest := sha256.Sum256(unsigned)
	sig, err := n.key.Sign(append([]byte(reportDomain), digest[:]...))
	if err != nil {
		return launch.ReportFile{}, err
	}
	r.Signature = base64.StdEncoding.EncodeToString(sig)
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return launch.ReportFile{}, err
	}
	data = append(data, '\n')
	base := filepath.Join(n.cfg.ReportDir, "deployment-"+n.started.UTC().Format("20060102-150405")+"-report")
	if err := os.MkdirAll(n.cfg.ReportDir, 0o755); err != nil {
		return launch.ReportFile{}, err
	}
	if err := os.WriteFile(base+".json", data, 0o644); err != nil {
		return launch.ReportFile{}, err
	}
	if err := os.WriteFile(base+".txt", []byte(r.Text()), 0o644); err != nil {
		return launch.ReportFile{}, err
	}
	out := launch.ReportFile{Path: base + ".json", SHA256: sha256.Sum256(data), Verdict: r.Verdict}
	if abs, err := filepath.Abs(out.Path); err == nil {
		out.Path = abs
	}
	if _, err := VerifyReport(out.Path); err != nil {
		return out, err
	}
	n.mu.Lock()
	n.report = out
	n.mu.Unlock()
	return out, nil
}

// VerifyReport reads a report back and checks its signature by the key it names; the caller compares that key and the
// file's SHA-256 with the ledger.
func VerifyReport(path string) (Report, error) {
	var r Report
	bad := func(format string, args ...any) (Report, error) {
		return r, nexus.Errf("verify report", nexus.CodeCorrupt, path, "compare its SHA-256 with nexus report list", format, args...)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return r, nexus.Errf("verify report", nexus.CodeNotFound, path, "list reports with nexus report list", "%v", err)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return bad("%v", err)
	}
	var key nexus.PublicKey
	if err := key.UnmarshalText([]byte(r.Key)); err != nil {
		return bad("%v", err)
	}
	sig, err := base64.StdEncoding.DecodeString(r.Signature)
	if err != nil {
		return bad("signature: %v", err)
	}
	unsigned := r
	unsigned.Signature = ""
	data, err := json.Marshal(unsigned)
	if err != nil {
		return r, err
	}
	digest := sha256.Sum256(data)
	if !key.Verify(append([]byte(reportDomain), digest[:]...), sig) {
		return bad("the signature is not the node's over this report")
	}
	return r, nil
}

func (n *Node) makeReport(phases [wire.PhaseCount]wire.Phase) Report {
	upTo11 := phases
	upTo11[wire.PhaseCount-1].Status = wire.StatusPassed // the report covers 1 to 11
	o := n.build()
	e := n.Engine()
	r := Report{Type: "nexus.deployment-report", Schema: "1.0", Time: time.Now().UTC(), Node: n.Hello(), Command: n.cfg.Command,
		Build:   map[string]string{"version": n.cfg.Version, "commit": n.cfg.Commit, "built": stamp(n.cfg.BuildTime)},
		Machine: machine(), Verdict: launch.Verdict(upTo11), Phases: phases[:wire.PhaseCount-1], Tally: e.Tally(false), Gates: o.Gates, Ledger: o.Ledger,
		Immutable: immutability, Key: e.NodeKey().String(), Layers: layers(phases)}
	before, existing := n.Before()
	r.StateBefore, r.Existing = before.String(), existing
	r.StateAfter = desiredHash(e).String()
	for _, g := range o.Gates {
		if !g.Enforced {
			r.NotEnforced = append(r.NotEnforced, fmt.Sprintf("gate %d %s decides, is not enforced: %s", g.Gate, g.Name, g.EnforcedBy))
		}
	}
	for _, p := range phases {
		if p.Status == wire.StatusSkipped || p.Status == wire.StatusDegraded {
			r.NotEnforced = append(r.NotEnforced, fmt.Sprintf("phase %d %s %s: %s", p.Number, p.Name, p.Status, p.Reason))
		}
	}
	r.Next = []string{"nexus imvu create --name TestProject", "nexus revenue tally", "nexus console"}
	return r
}

func layers(phases [wire.PhaseCount]wire.Phase) map[string]string {
	at := func(n int) string { return phases[n-1].Status }
	return map[string]string{"core": at(6), "compute": at(7),
		"network": at(3) + ", routes " + at(9), "names and mail": at(8), "application": at(4) + ", front-facing " + at(5)}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Text is the report for people.
func (r Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Nexus COS deployment report  %s\nnode %s  cluster %s  version %s\nverdict of phases 1 to 11: %s\n\n", r.Time.Format(time.RFC3339),
		r.Node.Name, r.Node.Cluster, r.Build["version"], strings.ToUpper(r.Verdict))
	for _, p := range r.Phases {
		fmt.Fprintf(&b, "%2d %-16s %-9s %6d ms  %s\n", p.Number, p.Name, p.Status, p.DurationMs, p.Reason)
		for _, c := range p.Checks {
			fmt.Fprintf(&b, "     %s\n", strings.TrimSpace(launch.Plain(wire.PhaseCheckLine{Phase: p.Number, Check: c.Name, Status: c.Status, Value: c.Value,
				Unit: c.Unit, Limit: c.Limit, Bound: c.Bound, Detail: c.Detail, Remedy: c.Remedy})))
		}
	}
	b.WriteString("\nsplits\n")
	for _, t := range r.Tally.Totals {
		fmt.Fprintf(&b, "  %s %s gross %s creator %s platform %s, %d events, %d accounts\n", t.Rule, t.Currency,
			nexus.Money{Minor: t.Gross, Currency: t.Currency}.Decimal(),
			nexus.Money{Minor: t.Creator, Currency: t.Currency}.Decimal(), nexus.Money{Minor: t.Platform, Currency: t.Currency}.Decimal(), t.Events, t.Units)
	}
	b.WriteString("\ngates\n")
	for _, g := range r.Gates {
		fmt.Fprintf(&b, "  %2d %-28s allowed %d denied %d decides %v enforced %v (%s)\n", g.Gate, g.Name, g.Allowed, g.Denied, g.Decides, g.Enforced, g.EnforcedBy)
	}
	fmt.Fprintf(&b, "\nledger %d entries, verified %d of %d, root %s\nstate before %s\nstate after  %s\n"+
		"existing units %d\n\nimmutability\n  %s\n\nnot enforced here\n",
		r.Ledger.Size, r.Ledger.Verified, r.Ledger.Entries, r.Ledger.Root, r.StateBefore, r.StateAfter, r.Existing, r.Immutable)
	for _, s := range r.NotEnforced {
		fmt.Fprintf(&b, "  %s\n", s)
	}
	b.WriteString("\naddresses\n")
	for _, k := range []string{"api", "gateway", "gateway_tls", "gossip"} {
		if v := r.Node.Addresses[k]; v != "" {
			fmt.Fprintf(&b, "  %-12s %s\n", k, v)
		}
	}
	b.WriteString("\nnext\n")
	for _, s := range r.Next {
		fmt.Fprintf(&b, "  %s\n", s)
	}
	fmt.Fprintf(&b, "\ncosigners: %d of %d witnesses\n\ncheckpoint\n%s\nexit proof: %s\n", r.Ledger.Cosigners, len(r.Ledger.Witnesses), r.Ledger.Checkpoint,
		exitProof(r.Phases))
	return b.String()
}

// exitProof sums the checks of the exit suite up, as phase 10 saw them.
func exitProof(phases []wire.Phase) string {
	all, passed := 0, 0
	for i := range phases {
		for _, c := range phases[i].Checks {
			if strings.HasPrefix(c.Name, suite.Exit+": ") {
				all++
				if c.Status == wire.StatusPassed {
					passed++
				}
			}
		}
	}
	if all == 0 {
		return "the exit suite did not run"
	}
	return fmt.Sprintf("%d of %d checks passed: a populated unit left, its bundle verified offline, and a second node took it in", passed, all)
}
