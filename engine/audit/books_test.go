package audit

import (
	"context"
	"errors"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// log is records that are read as the store gives them.
type log []ledger.Record

func (l log) Records(from, to uint64, fn func(ledger.Record) error) error {
	for _, r := range l {
		if r.Index >= from && r.Index <= to {
			if err := fn(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// records makes commands of one entry each, for two units in turn.
func records(n int) log {
	chain := ledger.NewChain()
	var out log
	for i := range n {
		r := ledger.Record{Index: uint64(i + 1), TimeMs: int64(i + 1), Salt: [16]byte{byte(i)}, FirstSeq: chain.Size()}
		r.Entries, _ = chain.Append(r.Index, r.TimeMs, r.Salt, []ledger.Draft{{Unit: nexus.ID{byte(1 + i%2)}, Kind: ledger.KindAudit, Body: []byte{byte(i)}}})
		out = append(out, r)
	}
	return out
}

// TestBooksFindWhatDoesNotFollow leaves out, swaps and alters stored entries.
func TestBooksFindWhatDoesNotFollow(t *testing.T) {
	t.Parallel()
	whole := records(6)
	b := newBooks()
	for _, index := range []uint64{2, 2, 6} { // in two passes, and again without anything new
		if err := b.read(context.Background(), whole, index, true); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.faults) != 0 || b.size != 6 || b.heads[nexus.ID{1}].Seq != 3 || b.heads[nexus.ID{2}].Seq != 3 {
		t.Errorf("honest: %+v", b)
	}
	for name, change := range map[string]func(log) log{
		"left out": func(l log) log { return append(l[:2:2], l[3:]...) },
		"swapped": func(l log) log {
			l[2].Entries, l[4].Entries = l[4].Entries, l[2].Entries
			return l
		},
		"altered": func(l log) log {
			l[0].Entries = [][]byte{append([]byte(nil), l[0].Entries[0]...)}
			l[0].Entries[0][len(l[0].Entries[0])-2] ^= 1
			return l
		},
		"another salt": func(l log) log {
			l[0].Salt[0] ^= 1
			return l
		},
	} {
		b := newBooks()
		if err := b.read(context.Background(), change(append(log(nil), whole...)), 6, false); err == nil && b.faults[nexus.ID{1}] == "" {
			t.Errorf("%s: not found", name)
		}
	}
}

func TestBooksStop(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b := newBooks()
	if err := b.read(ctx, records(2*paceEvery), 2*paceEvery, true); !errors.Is(err, context.Canceled) || b.index >= 2*paceEvery {
		t.Errorf("read to %d, %v", b.index, err)
	}
	bad := records(2)
	bad[1].Entries = [][]byte{{0xff}}
	if err := newBooks().read(context.Background(), bad, 2, false); err == nil || !strings.Contains(err.Error(), "command 2") {
		t.Errorf("an entry that cannot be read: %v", err)
	}
}
