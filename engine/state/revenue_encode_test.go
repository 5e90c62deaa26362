package state

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// The fast writer of batches writes what the one encoding demands, for any batch, and states its size.
func TestRevenuePostIsCanonical(t *testing.T) {
	t.Parallel()
	event := rapid.Custom(func(t *rapid.T) RevenueEvent {
		e := RevenueEvent{EventID: rapid.String().Draw(t, "id"), Kind: rapid.String().Draw(t, "kind"), Currency: rapid.String().Draw(t, "currency"),
			Minor: rapid.Int64().Draw(t, "minor"), TimeMs: rapid.Int64().Draw(t, "time"), Memo: rapid.SliceOf(rapid.Byte()).Draw(t, "memo"),
			RefundOf: rapid.String().Draw(t, "refund")}
		copy(e.Unit[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "unit"))
		return e
	})
	rapid.Check(t, func(t *rapid.T) {
		p := RevenuePost{Source: rapid.String().Draw(t, "source"), FirstSeq: rapid.Uint64().Draw(t, "seq"),
			Events: rapid.SliceOfN(event, 0, 5).Draw(t, "events")}
		got := p.Encode()
		if want := nexus.Encode(p); !bytes.Equal(got, want) || len(got) > p.sizeMax() {
			t.Fatalf("%x of at most %d, want %x", got, p.sizeMax(), want)
		}
	})
}
