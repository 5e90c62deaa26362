package state_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"math/big"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// failer is what *testing.T, *testing.F and *rapid.T share.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// world is two replicas of one state machine with the keys they store. Both get every command; a replica may at any time
// be replaced by one restored from its snapshot. After each command both must agree in every byte.
type world struct {
	t        failer
	chain    *gates.Chain
	a, b     *state.State
	store    map[string][]byte
	index    uint64
	now      int64
	cluster  nexus.ID
	platform nexus.KeySigner
	node     nexus.KeySigner
	operator nexus.KeySigner
	money    map[state.AccountKey]*account // what the accounts must be
	heads    map[nexus.ID]ledger.UnitHead  // of every unit's chain, followed here
	purses   map[state.PurseKey]*state.Purse
	records  [][]byte // canonical, as stored
	commands [][]byte // those of the records
}

// account is recomputed from what was posted, with big numbers.
type account struct {
	gross, creator, platform big.Int
	events                   uint64
}

func signer(n byte) nexus.KeySigner {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return nexus.KeySigner(ed25519.NewKeyFromSeed(seed))
}

// newWorld founds a cluster on both replicas.
func newWorld(t failer) *world {
	t.Helper()
	chain, err := gates.NewChain(rules.All())
	if err != nil {
		t.Fatalf("%v", err)
	}
	w := &world{t: t, chain: chain, a: state.New(chain), b: state.New(chain), store: map[string][]byte{}, now: 1_000_000,
		cluster: nexus.ID{7}, platform: signer(1), node: signer(2), operator: signer(3),
		money: map[state.AccountKey]*account{}, heads: map[nexus.ID]ledger.UnitHead{}, purses: map[state.PurseKey]*state.Purse{}}
	w.must(w.platform, state.KindGenesis, nexus.ID{}, state.GenesisBody{Cluster: w.cluster, Profile: "dev",
		BaseDomain: "nexus.localhost", Platform: w.platform.Public(), Node: w.node.Public(), NodeName: "n",
		Operator: w.operator.Public(), OperatorName: "operator"})
	return w
}

// action signs an action under an id made from the next index.
func (w *world) action(s nexus.Signer, kind string, unit nexus.ID, body any) nexus.Action {
	w.t.Helper()
	raw, ok := body.([]byte)
	if !ok {
		raw = nexus.Encode(body)
	}
	a, err := nexus.SignAction(s, nexus.Action{Version: 1, Cluster: w.cluster, Kind: kind, Unit: unit, TimeMs: w.now,
		ID: nexus.DeriveID("test", fmt.Append(nil, w.index+1)), ExpiresMs: w.now + 600_000, Body: raw})
	if err != nil {
		w.t.Fatalf("sign: %v", err)
	}
	return a
}

// command adds the evidence of the node.
func (w *world) command(a nexus.Action) []byte {
	w.t.Helper()
	e := state.Evidence{Node: w.node.Public(), NowMs: w.now, Digest: a.Digest(), Salt: [16]byte{byte(w.index), byte(w.index >> 8)},
		LargestCPUMilli: 4000, LargestMemory: 16 << 30, CapacityBps: 1_000_000_000}
	sig, err := w.node.Sign(e.SigningBytes())
	if err != nil {
		w.t.Fatalf("sign: %v", err)
	}
	e.Signature = sig
	return nexus.Encode(state.Command{Action: a, Evidence: e})
}

func (w *world) look(key []byte) ([]byte, error) { return w.store[string(key)], nil }

// do signs and applies.
func (w *world) do(s nexus.Signer, kind string, unit nexus.ID, body any) *state.Outcome {
	w.t.Helper()
	return w.apply(w.command(w.action(s, kind, unit, body)))
}

// must wants the action to take effect.
func (w *world) must(s nexus.Signer, kind string, unit nexus.ID, body any) *state.Outcome {
	w.t.Helper()
	out := w.do(s, kind, unit, body)
	if !out.Receipt.Allowed || out.Err != nil {
		w.t.Fatalf("%s: %+v, %v", kind, out.Receipt, out.Err)
	}
	return out
}

// apply gives one command to both replicas and holds them, the entries and the money together.
func (w *world) apply(cmd []byte) *state.Outcome {
	w.t.Helper()
	w.index++
	w.now += 10
	forget := w.note(cmd)
	out, err := w.a.Apply(w.index, 1, cmd, w.look)
	forget()
	again, err2 := w.b.Apply(w.index, 1, cmd, w.look)
	if (err == nil) != (err2 == nil) {
		w.t.Fatalf("command %d: one replica says %v, the other %v", w.index, err, err2)
	}
	if err != nil {
		w.t.Fatalf("command %d halts the machine: %v", w.index, err)
	}
	w.sameOutcome(out, again)
	if out.Repeated {
		return out
	}
	for _, kv := range out.Puts {
		w.store[string(kv.Key)] = kv.Value
	}
	w.records, w.commands = append(w.records, out.Record.Encode()), append(w.commands, cmd)
	w.entries(out)
	return out
}

// note works a command out at the door, as an engine does, for one replica of the two: what it makes of it must be what the other makes
// of the bytes alone. The action is the caller's, who does with it as he likes afterwards.
func (w *world) note(cmd []byte) (forget func()) {
	var c state.Command
	if nexus.Decode(cmd, &c) != nil || !c.Action.Verify() {
		return func() {}
	}
	var seen state.Seen
	w.a.Trust(&seen)
	forget = seen.Note(&c, c.Action.Digest(), cmd)
	for _, b := range [][]byte{c.Action.Body, c.Action.Signature, c.Evidence.Signature} {
		for i := range b {
			b[i] ^= 0x55
		}
	}
	return forget
}

func (w *world) sameOutcome(x, y *state.Outcome) {
	w.t.Helper()
	if x.Repeated != y.Repeated || !bytes.Equal(nexus.Encode(x.Decision), nexus.Encode(y.Decision)) ||
		fmt.Sprint(x.Receipt, x.Err, x.Puts, x.Leaves) != fmt.Sprint(y.Receipt, y.Err, y.Puts, y.Leaves) {
		w.t.Fatalf("command %d: the replicas answer %+v, %v and %+v, %v", w.index, x.Receipt, x.Err, y.Receipt, y.Err)
	}
	if !x.Repeated && !bytes.Equal(x.Record.Encode(), y.Record.Encode()) {
		w.t.Fatalf("command %d: the replicas store different records", w.index)
	}
	if len(x.Decision.Verdicts) != gates.Count && !x.Repeated {
		w.t.Fatalf("command %d: %d verdicts", w.index, len(x.Decision.Verdicts))
	}
}

// entries follows the chains of the units and adds the postings up.
func (w *world) entries(out *state.Outcome) {
	w.t.Helper()
	if out.Record.FirstSeq+uint64(len(out.Record.Entries)) != w.a.Chain.Size() || out.Record.Root != w.a.Chain.Root() {
		w.t.Fatalf("command %d: the record does not end where the log ends", w.index)
	}
	for i, raw := range out.Record.Entries {
		e, err := ledger.ParseEntry(raw)
		if err != nil {
			w.t.Fatalf("command %d: entry %d: %v", w.index, i, err)
		}
		head := w.heads[e.Unit]
		if e.Seq != out.Record.FirstSeq+uint64(i) || e.UnitSeq != head.Seq+1 || e.UnitPrev != head.Head || e.Index != w.index {
			w.t.Fatalf("command %d: entry %+v after unit head %+v", w.index, e, head)
		}
		w.heads[e.Unit] = ledger.UnitHead{Unit: e.Unit, Seq: e.UnitSeq,
			Head: ledger.Commitment(ledger.EntrySalt(out.Record.Salt, uint32(i)), raw)}
		switch {
		case e.Kind == ledger.KindRevenue || e.Kind == ledger.KindRefund:
			w.posting(&e)
		case len(e.Postings) > 0:
			w.moved(&e)
		}
	}
}

// posting recomputes one revenue entry: ceil(gross x percent / 100), differences, sum zero.
func (w *world) posting(e *ledger.Entry) {
	w.t.Helper()
	var body ledger.RevenueBody
	if err := nexus.Decode(e.Body, &body); err != nil {
		w.t.Fatalf("entry %d: %v", e.Seq, err)
	}
	k := state.AccountKey{Unit: e.Unit, Currency: body.Currency}
	acc := w.money[k]
	if acc == nil {
		acc = &account{}
		w.money[k] = acc
	}
	amount := big.NewInt(body.Minor)
	acc.gross.Add(&acc.gross, amount)
	product := new(big.Int).Mul(&acc.gross, big.NewInt(int64(w.a.Units[e.Unit].Percent)))
	creator, rest := new(big.Int).DivMod(product, big.NewInt(100), new(big.Int))
	if rest.Sign() > 0 {
		creator.Add(creator, big.NewInt(1))
	}
	part := new(big.Int).Sub(creator, &acc.creator)
	acc.creator.Set(creator)
	acc.platform.Sub(&acc.gross, creator)
	acc.events++
	sum := new(big.Int)
	per := map[ledger.AccountKind]*big.Int{1: {}, 2: {}, 3: {}}
	for _, p := range e.Postings {
		sum.Add(sum, big.NewInt(p.Minor))
		per[p.Account].Add(per[p.Account], big.NewInt(p.Minor))
	}
	if sum.Sign() != 0 || per[2].Cmp(part) != 0 || per[3].Cmp(new(big.Int).Sub(amount, part)) != 0 ||
		big.NewInt(body.GrossAfter).Cmp(&acc.gross) != 0 || big.NewInt(body.CreatorAfter).Cmp(creator) != 0 {
		w.t.Fatalf("entry %d: %+v posts %v, recomputed gross %s creator %s, part %s", e.Seq, body, e.Postings, &acc.gross,
			creator, part)
	}
}

// check holds what must be true of the state at any time.
func (w *world) check() {
	w.t.Helper()
	if w.a.Hash() != w.b.Hash() || w.a.DesiredHash() != w.b.DesiredHash() {
		w.t.Fatalf("after command %d the replicas differ", w.index)
	}
	if len(w.a.Accounts) != len(w.money) {
		w.t.Fatalf("%d accounts, %d were posted to", len(w.a.Accounts), len(w.money))
	}
	sums := map[string]*big.Int{}
	add := func(currency string, minor int64) {
		if sums[currency] == nil {
			sums[currency] = new(big.Int)
		}
		sums[currency].Add(sums[currency], big.NewInt(minor))
	}
	for k, acc := range w.a.Accounts {
		want := w.money[k]
		if want == nil || want.gross.Cmp(big.NewInt(acc.Gross)) != 0 || want.creator.Cmp(big.NewInt(acc.Creator)) != 0 ||
			want.platform.Cmp(big.NewInt(acc.Platform)) != 0 || want.events != acc.Events {
			w.t.Fatalf("account %+v, recomputed %+v", acc, want)
		}
		drift := new(big.Int).Sub(new(big.Int).Mul(&want.creator, big.NewInt(100)),
			new(big.Int).Mul(&want.gross, big.NewInt(int64(w.a.Units[k.Unit].Percent))))
		if drift.Sign() < 0 || drift.Cmp(big.NewInt(100)) >= 0 {
			w.t.Fatalf("account %+v drifts by %s hundredths", acc, drift)
		}
		add(acc.Currency, acc.Creator)
		add(acc.Currency, acc.Platform)
	}
	for k, minor := range w.a.Clearing {
		add(k.Currency, minor)
	}
	for currency, sum := range sums {
		if sum.Sign() != 0 {
			w.t.Fatalf("debits and credits in %s differ by %s", currency, sum)
		}
	}
	for unit, head := range w.heads {
		if w.a.Chain.Head(unit) != head {
			w.t.Fatalf("chain of %s stands at %+v, entries lead to %+v", unit, w.a.Chain.Head(unit), head)
		}
	}
	for i, g := range w.a.Gates {
		if g.Allowed+g.Denied != w.a.Counters.Decisions {
			w.t.Fatalf("gate %d decided %d times of %d", i+1, g.Allowed+g.Denied, w.a.Counters.Decisions)
		}
	}
}

// swap replaces the second replica by one restored from its snapshot.
func (w *world) swap() {
	w.t.Helper()
	snapshot := w.b.Snapshot()
	restored, err := state.Restore(w.chain, snapshot)
	if err != nil {
		w.t.Fatalf("restore: %v", err)
	}
	if !bytes.Equal(restored.Snapshot(), snapshot) {
		w.t.Fatalf("a restored state has another snapshot")
	}
	w.b = restored
}

// create makes a unit and gives its id.
func (w *world) create(s nexus.Signer, kind string, body state.UnitCreate) nexus.ID {
	w.t.Helper()
	var c state.UnitCreated
	if err := nexus.Decode(w.must(s, kind, nexus.ID{}, body).Receipt.Result, &c); err != nil {
		w.t.Fatalf("%v", err)
	}
	return c.ID
}
