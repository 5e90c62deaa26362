package ledger_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// The fast writer of revenue bodies writes what the one encoding demands, for any body.
func TestRevenueBodyIsCanonical(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := ledger.RevenueBody{Source: rapid.String().Draw(t, "source"), EventID: rapid.String().Draw(t, "id"),
			ProducerSeq: rapid.Uint64().Draw(t, "seq"), Kind: rapid.String().Draw(t, "kind"), SourceClass: rapid.Byte().Draw(t, "class"),
			Currency: rapid.String().Draw(t, "currency"), Minor: rapid.Int64().Draw(t, "minor"), EventTimeMs: rapid.Int64().Draw(t, "time"),
			Memo: rapid.SliceOf(rapid.Byte()).Draw(t, "memo"), GrossAfter: rapid.Int64().Draw(t, "gross"),
			CreatorAfter: rapid.Int64().Draw(t, "creator"), RefundOf: rapid.String().Draw(t, "refund")}
		if got, want := b.AppendTo([]byte("x")), nexus.AppendCanonical([]byte("x"), b); !bytes.Equal(got, want) {
			t.Fatalf("%x, want %x", got, want)
		}
	})
}
