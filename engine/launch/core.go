package launch

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/gatetest"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Phase 6, core infrastructure. Rule: identity, ledger, policy engine and handshake each show that they work, and every gate
// proves itself on one good and one bad action. Reason: a gate that only allows is no gate. SPEC section 2.
func core(ctx context.Context, env Env, rec *Recorder) error {
	eng := env.Engine()
	var constitution nexus.Hash
	eng.View(func(s *state.State) { constitution = s.Constitution })
	rec.Require(constitution == identity.ConstitutionHash(), "constitution", "hash "+constitution.String()[:16]+" stands in genesis and in this binary",
		"start the version that founded this cluster")
	if err := coreIdentity(ctx, env, rec); err != nil {
		return err
	}
	if err := coreLedger(ctx, env, rec); err != nil {
		return err
	}
	if err := coreGates(rec); err != nil {
		return err
	}
	start := time.Now()
	t := eng.Tally(true)
	wrong := 0
	for _, row := range t.Units {
		if row.Creator+row.Platform != row.Gross {
			wrong++
		}
	}
	rec.Count("handshake: rows that do not add up", wrong, 0, "rows", fmt.Sprintf("%d tallies read in %d us", len(t.Units),
		time.Since(start).Microseconds()), "run nexus ledger verify")
	return nil
}

// coreIdentity tries the door with an action that nobody signed and one whose signer is unknown: both must stay outside.
func coreIdentity(ctx context.Context, env Env, rec *Recorder) error {
	eng := env.Engine()
	a := nexus.Action{Version: 1, Cluster: eng.Cluster(), Kind: state.KindReportPost, TimeMs: time.Now().UnixMilli(),
		ExpiresMs: time.Now().Add(time.Minute).UnixMilli(), Actor: eng.NodeKey(), Body: nexus.Encode(state.ReportPost{}), Signature: make([]byte, 64)}
	if _, err := rand.Read(a.ID[:]); err != nil {
		return err
	}
	_, err := eng.Do(ctx, a)
	rec.Require(nexus.CodeOf(err) == nexus.CodeRefused, "identity: unsigned action", "answer: "+errText(err), "stop the node: gate 1 does not hold")
	return nil
}

func errText(err error) string {
	if err == nil {
		return "accepted"
	}
	return err.Error()
}

// coreLedger writes an entry, reads it back and checks its proof against the newest checkpoint.
func coreLedger(ctx context.Context, env Env, rec *Recorder) error {
	eng := env.Engine()
	start := time.Now()
	probe := state.RefusalRollup{Reason: "launch self-check", Source: "local", SinceMs: start.UnixMilli()}
	receipt, err := env.Operate(ctx, state.KindRefusalRollup, nexus.ID{}, probe)
	if err != nil {
		return err
	}
	took := time.Since(start)
	receipt, err = eng.Prove(receipt)
	if err != nil {
		return err
	}
	cp, _, _ := eng.Head()
	perr := ledger.CheckInclusion(receipt.Proof, receipt.FirstEntry, cp.Size, cp.Root, receipt.Leaf)
	rec.Require(perr == nil, "ledger: write, read back, prove", fmt.Sprintf("entry %d under a checkpoint of %d entries", receipt.FirstEntry, cp.Size),
		"run nexus ledger verify")
	ms := float64(took.Microseconds()) / 1000
	rec.AtMost("ledger: durable write", ms, 2000, "ms", "one signed action through consensus, gates and ledger", "the disk is too slow: see nexus doctor")
	st := eng.Status()
	rec.Require(st.Healthy && st.State == "leader", "consensus", fmt.Sprintf("%s in term %d, %d voter, survives %d failures", st.State, st.Term,
		st.Voters, (st.Voters-1)/2), "see nexus logs --component consensus")
	return nil
}

func coreGates(rec *Recorder) error {
	chain, err := gates.NewChain(rules.All())
	if err != nil {
		return err
	}
	proofs := gatetest.Prove(chain)
	for _, p := range proofs {
		rec.Require(p.GoodAllowed && p.BadRefused, fmt.Sprintf("gate %d %s", p.Gate, p.Name), "good sample allowed, bad sample refused: "+p.Reason,
			"this binary's gate does not hold: do not serve with it")
	}
	n := float64(len(proofs))
	want := float64(gates.Count)
	rec.Check(wire.Check{Name: "gates", Status: statusIf(len(proofs) == gates.Count), Value: &n, Unit: "gates", Limit: &want, Bound: wire.BoundEqual})
	return nil
}
