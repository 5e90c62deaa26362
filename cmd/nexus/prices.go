package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// pricesMax bounds the size of a file of prices, bytes.
const pricesMax = 64 << 10

func (a *app) pricesCommand() *cobra.Command {
	cmd := noun("prices", "List prices of metered usage, beside the split; nothing is deducted")
	cmd.Long = `What the platform's share buys, at list prices: shown in the statement and in nexus home, never deducted from anybody's share. A list holds from
the first of a month on until the next one. It is announced in the ledger, with a notice to every owner, at least 30 days before it
holds (the first one may hold from the month that runs), and is never changed. Meters: ` + strings.Join(state.Meters, ", ") + `.`
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error { return n.printPrices(ctx) })
	list := &cobra.Command{Use: "list", Short: "List them", Args: noArgs, Example: "  nexus revenue prices list -o json", RunE: cmd.RunE}
	show := &cobra.Command{Use: "show NUMBER", Short: "One list, checked here; --out writes the signed file for nexus-verify", Args: oneArg("NUMBER"),
		Example: "  nexus revenue prices show 2 --out prices-2.json"}
	show.Flags().String("out", "", "write the signed file here")
	show.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		number, err := strconv.ParseUint(args[0], 10, 32)
		if err != nil {
			return usage("NUMBER "+strconv.Quote(args[0]), "see nexus revenue prices list", "not a number")
		}
		file, rep, err := n.publishedFile(ctx, cmd, "/v1/published/prices", "number", strconv.FormatUint(number, 10),
			func(rep *verify.PublicationReport) bool {
				return rep.Prices != nil && uint64(rep.Prices.Number) == number
			})
		if err != nil || file != "" {
			return err
		}
		return a.print(rep.Prices, func(w io.Writer) error {
			for _, l := range rep.Prices.Lines {
				price := nexus.Money{Minor: l.Minor, Currency: rep.Prices.Currency}
				if _, err := fmt.Fprintf(w, "%s  %s per %d, from %s\n", clean(l.Meter), price, l.Per, rep.Prices.From); err != nil {
					return err
				}
			}
			return nil
		})
	})
	publish := &cobra.Command{Use: "publish FILE", Short: "Announce the next list (operator)", Args: oneArg("FILE"),
		Long: `FILE is JSON: {"currency":"USD","lines":[{"meter":"edge-bytes-out","per":1000000000,"amount":5}]} is USD 0.05 per 10^9 bytes that went out.
Amounts are integer minor units; a price is quantity x amount / per, rounded down once per line of a statement.`,
		Example: "  nexus revenue prices publish prices.json --from 2027-01"}
	publish.Flags().String("from", "", "YYYY-MM, UTC, that it holds from (required)")
	publish.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		if err := required(cmd, "from"); err != nil {
			return err
		}
		from, _ := cmd.Flags().GetString("from")
		month, err := engine.StatementMonth(from)
		if err != nil {
			return err
		}
		body, err := readPrices(args[0])
		if err != nil {
			return err
		}
		body.FromMonth = month
		if _, err := n.act(ctx, state.KindPricesPublish, nexus.ID{}, body); err != nil {
			return err
		}
		return n.printPrices(ctx)
	})
	cmd.AddCommand(list, show, publish)
	return cmd
}

// readPrices reads a file of prices. Error: nexus.CodeUsage, CodeMalformed.
func readPrices(name string) (state.PricesPublish, error) {
	var b state.PricesPublish
	f, err := os.Open(name)
	if err != nil {
		return b, usage("FILE "+name, "give a JSON file, see --help", "%w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, pricesMax+1))
	if err != nil || len(raw) > pricesMax {
		return b, usage("FILE "+name, "give a JSON file of at most 64 KiB, see --help", "cannot be read whole: %v", err)
	}
	return parsePrices(raw)
}

func parsePrices(raw []byte) (state.PricesPublish, error) {
	var b state.PricesPublish
	var in struct {
		Currency string           `json:"currency"`
		Lines    []wire.PriceLine `json:"lines"`
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	err := d.Decode(&in)
	if err == nil && d.More() {
		err = fmt.Errorf("something follows the list")
	}
	if err != nil {
		return b, nexus.Errf("prices publish", nexus.CodeMalformed, "price list", "integer minor units, see nexus revenue prices publish --help", "%w", err)
	}
	b.Currency = in.Currency
	for _, l := range in.Lines {
		b.Lines = append(b.Lines, ledger.PriceLine(l))
	}
	return b, nil
}

func (n *node) printPrices(ctx context.Context) error {
	p, err := get[wire.Published](ctx, n, "/v1/published")
	if err != nil {
		return err
	}
	out := struct {
		Prices []wire.PriceList `json:"prices"`
	}{p.Prices}
	return n.app.print(out, func(w io.Writer) error {
		t := &table{head: []string{">LIST", "FROM", "METER", ">PRICE", ">PER", "ANNOUNCED", ">ENTRY", "NOW"}, none: "no list is announced: usage has no price"}
		for i := range p.Prices {
			l := &p.Prices[i]
			holds := ""
			if l.Holds {
				holds = "holds"
			}
			for _, line := range l.Lines {
				t.add(fmt.Sprint(l.Number), l.From, line.Meter, nexus.Money{Minor: line.Minor, Currency: l.Currency}.String(), fmt.Sprint(line.Per), when(l.Announced),
					fmt.Sprint(l.Entry), holds)
			}
		}
		return t.print(w)
	})
}
