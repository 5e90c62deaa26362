package state_test

import (
	"crypto/ed25519"
	"fmt"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
)

// BenchmarkApplyBatch applies producer-sequenced batches of 1000 events: decode, signatures, facts, 17 gates, split, entries
// and Merkle leaves, without consensus and disk.
func BenchmarkApplyBatch(b *testing.B) {
	chain, err := gates.NewChain(rules.All())
	if err != nil {
		b.Fatal(err)
	}
	s := state.New(chain)
	key := func(n byte) nexus.KeySigner {
		seed := make([]byte, ed25519.SeedSize)
		seed[0] = n
		return nexus.KeySigner(ed25519.NewKeyFromSeed(seed))
	}
	platform, node, operator := key(1), key(2), key(3)
	gen := state.GenesisBody{Cluster: nexus.ID{1}, Profile: "dev", BaseDomain: "nexus.localhost", Platform: platform.Public(), Node: node.Public(),
		NodeName: "n", Operator: operator.Public(), OperatorName: "operator"}
	index, now := uint64(0), int64(1000)
	command := func(signer nexus.Signer, kind string, body any) []byte {
		index, now = index+1, now+10
		a, err := nexus.SignAction(signer, nexus.Action{Version: 1, Cluster: gen.Cluster, ID: nexus.DeriveID("bench", fmt.Append(nil, index)), Kind: kind,
			TimeMs: now, ExpiresMs: now + 100_000, Body: nexus.Encode(body)})
		if err != nil {
			b.Fatal(err)
		}
		e := state.Evidence{Node: node.Public(), NowMs: now, Digest: a.Digest(), LargestCPUMilli: 2000, LargestMemory: 1 << 33, CapacityBps: 1e9}
		if e.Signature, err = node.Sign(e.SigningBytes()); err != nil {
			b.Fatal(err)
		}
		return nexus.Encode(state.Command{Action: a, Evidence: e})
	}
	look := func([]byte) ([]byte, error) { return nil, nil }
	apply := func(cmd []byte) *state.Outcome {
		out, err := s.Apply(index, 1, cmd, look)
		if err != nil || out.Err != nil || !out.Receipt.Allowed {
			b.Fatal(err, out)
		}
		return out
	}
	apply(command(platform, state.KindGenesis, gen))
	var c state.UnitCreated
	if err := nexus.Decode(apply(command(operator, state.KindIMVUCreate, state.UnitCreate{Name: "b", OwnerName: "platform"})).Receipt.Result, &c); err != nil {
		b.Fatal(err)
	}
	seq := uint64(1)
	batch := func() []byte {
		post := state.RevenuePost{Source: state.OperatorSource, FirstSeq: seq}
		for i := range 1000 {
			post.Events = append(post.Events, state.RevenueEvent{Unit: c.ID, Kind: "sale", Currency: "USD", Minor: int64(i) + 1, TimeMs: int64(seq) + int64(i)})
		}
		seq += 1000
		return command(operator, state.KindRevenuePost, post)
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		cmd := batch()
		b.StartTimer()
		apply(cmd)
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "events/s")
}
