package main

import (
	"context"
	"fmt"
	"os"
	stdslices "slices"
	"strconv"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/journal"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

func (a *app) journalCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "journal", Short: "A unit's postings for hledger, beancount or a spreadsheet, with balance assertions", Args: noArgs,
		Long: `Writes all postings of a unit's chain as a journal that hledger or beancount check with code of their own, or as CSV. Every posting of the hledger
form asserts the balance after it; the beancount form asserts all balances at its end, without tolerance. That nothing was left out is
checked here first: the chain is read from its first entry to the newest, each carrying the hash of the one before.`,
		Example: "  nexus revenue journal --unit IMVU-001 --out unit.journal && hledger -f unit.journal check\n" +
			"  nexus revenue journal --unit IMVU-001 --format beancount --out unit.beancount && bean-check unit.beancount"}
	f := cmd.Flags()
	f.String("unit", "", "unit by id, label or slug (required)")
	f.String("format", journal.HLedger, "hledger, beancount or csv")
	f.String("out", "", "write to this file instead of stdout")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) (err error) {
		if err := required(cmd, "unit"); err != nil {
			return err
		}
		word, _ := f.GetString("unit")
		format, _ := f.GetString("format")
		path, _ := f.GetString("out")
		if !stdslices.Contains(journal.Formats(), format) {
			return usage(fmt.Sprintf("--format %q", format), "hledger, beancount or csv", "no such format")
		}
		label, chain, err := n.unitChain(ctx, word)
		if err != nil {
			return err
		}
		out := a.out
		if path != "" {
			file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
			if err != nil {
				return nexus.Errf("revenue journal", nexus.CodeUnavailable, "--out "+path, "", "%w", err)
			}
			defer func() {
				if cerr := file.Close(); err == nil {
					err = cerr
				}
			}()
			out = file
		}
		j, err := journal.New(out, format, label)
		if err != nil {
			return err
		}
		for i := range chain {
			if err := j.Add(&chain[i]); err != nil {
				return err
			}
		}
		a.say("%s: all %d entries of its chain, checked here, as %s", label, len(chain), format)
		return j.Close()
	})
	return cmd
}

// unitChain reads all entries of a unit, oldest first, and checks that none is missing: numbers without a gap from 1 on, each with the
// commitment of the one before, up to the head that the unit has.
func (n *node) unitChain(ctx context.Context, word string) (label string, chain []ledger.Entry, err error) {
	if _, err := n.pinned(ctx); err != nil {
		return "", nil, err
	}
	d, err := get[wire.UnitDetail](ctx, n, "/v1/units/"+word)
	if err != nil {
		return "", nil, err
	}
	var commitments []nexus.Hash
	for before := ""; before != "0"; {
		page, err := get[wire.UnitEntries](ctx, n, "/v1/units/"+d.ID+"/entries", "before", before, "limit", "1000")
		if err != nil {
			return "", nil, err
		}
		for i := range page.Entries {
			e, commitment, err := entryOf(&page.Entries[i])
			if err != nil {
				return "", nil, err
			}
			chain, commitments = append(chain, e), append(commitments, commitment)
		}
		before = strconv.FormatUint(page.Next, 10)
	}
	stdslices.Reverse(chain)
	stdslices.Reverse(commitments)
	head := nexus.Hash{}
	for i := range chain {
		if chain[i].UnitSeq != uint64(i)+1 || chain[i].UnitPrev != head || chain[i].Unit.String() != d.ID {
			return "", nil, nexus.Errf("check chain", nexus.CodeCorrupt, fmt.Sprintf("entry %d of %s", chain[i].Seq, d.Label), "do not trust this node",
				"does not follow the one before it")
		}
		head = commitments[i]
		if chain[i].UnitSeq == d.Sequence && head.String() != d.Head {
			return "", nil, nexus.Errf("check chain", nexus.CodeCorrupt, d.Label, "do not trust this node", "its head is another")
		}
	}
	if uint64(len(chain)) < d.Sequence {
		return "", nil, nexus.Errf("check chain", nexus.CodeCorrupt, d.Label, "do not trust this node", "%d entries of %d", len(chain), d.Sequence)
	}
	return d.Label, chain, nil
}

// entryOf parses an entry's bytes and computes what the log commits to.
func entryOf(e *wire.Entry) (ledger.Entry, nexus.Hash, error) {
	var salt nexus.ID
	if err := salt.UnmarshalText([]byte(e.Salt)); err != nil {
		return ledger.Entry{}, nexus.Hash{}, err
	}
	parsed, err := ledger.ParseEntry(e.Bytes)
	return parsed, ledger.Commitment(salt, e.Bytes), err
}
