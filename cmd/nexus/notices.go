package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func (a *app) noticesCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "notices", Short: "Must-deliver notices to the owner who signs", Args: noCommand,
		Long: `Every notice is an entry in the ledger and lies in its owner's inbox until it was read; nothing unread is ever pushed out. What a full
inbox has no room for is counted, with the decisions between which to look. Marks are signed by the owner.`,
		Example: "  nexus notices --identity eva\n  nexus notices read --identity eva\n  nexus notices read --follow --identity eva"}
	list := &cobra.Command{Use: "list", Short: "The inbox, oldest first", Args: noArgs, Example: "  nexus notices list --unread --identity eva -o json"}
	for _, c := range []*cobra.Command{cmd, list} {
		c.Flags().Bool("unread", false, "only those that were not read")
		c.Flags().String("of", "", "somebody else's inbox (operators)")
	}
	list.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		return n.listNotices(ctx, cmd)
	})
	cmd.RunE = list.RunE
	show := &cobra.Command{Use: "show ID", Short: "One notice with its marks and its decision", Args: oneArg("ID"),
		Example: "  nexus notices show 3 --identity eva"}
	show.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, args []string) error {
		return n.showNotice(ctx, args[0])
	})
	read := &cobra.Command{Use: "read [ID]", Short: "Print what is unread, or one, and mark it read", Args: maxOneArg,
		Example: "  nexus notices read --identity eva\n  nexus notices read 3 --identity eva\n  nexus notices read --follow --identity eva"}
	read.Flags().BoolP("follow", "f", false, "go on with each new one until interrupted")
	read.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		if follow, _ := cmd.Flags().GetBool("follow"); follow {
			return n.followNotices(ctx)
		}
		return n.readNotices(ctx, args)
	})
	cmd.AddCommand(list, show, read)
	return cmd
}

func (n *node) listNotices(ctx context.Context, cmd *cobra.Command) error {
	unread, of := "", ""
	if yes, _ := cmd.Flags().GetBool("unread"); yes {
		unread = "1"
	}
	if word, _ := cmd.Flags().GetString("of"); word != "" {
		row, err := n.findIdentity(ctx, word)
		if err != nil {
			return err
		}
		of = row.Key
	}
	r, err := get[wire.Notices](ctx, n, "/v1/notices", "unread", unread, "of", of)
	if err != nil {
		return err
	}
	if err := n.app.print(r, func(w io.Writer) error { return printNotices(w, &r) }); err != nil {
		return err
	}
	if of != "" {
		return nil
	}
	return n.delivered(ctx, &r)
}

// delivered marks what was shown. Only the owner's own client does that.
func (n *node) delivered(ctx context.Context, r *wire.Notices) error {
	last := uint64(0)
	for _, x := range r.Notices {
		if x.Delivered.IsZero() {
			last = max(last, x.ID)
		}
	}
	if last == 0 {
		return nil
	}
	if g := n.app.guest; n.app.conf.yes("read_only") || g != nil && !g.session.Agent {
		n.app.say("not marked as delivered: this session signs nothing")
		return nil
	}
	_, err := n.act(ctx, state.KindNoticeMark, nexus.ID{}, state.NoticeMark{Delivered: last})
	return err
}

func printNotices(w io.Writer, r *wire.Notices) error {
	t := &table{head: []string{">ID", "TIME", "UNIT", "READ", ">TIMES", ">DECISION", "NOTICE"}, none: "no notices"}
	for _, x := range r.Notices {
		t.add(fmt.Sprint(x.ID), when(x.Time), x.Unit, when(x.Read), fmt.Sprint(x.Times), fmt.Sprint(x.Index), wire.Human(x.Text))
	}
	if err := t.print(w); err != nil {
		return err
	}
	if r.Overflow > 0 {
		_, err := fmt.Fprintf(w, "%d more had no room; they stand in the ledger, decisions %d to %d\n", r.Overflow, r.OverflowFirst, r.OverflowLast)
		return err
	}
	return nil
}

func (n *node) findNotice(ctx context.Context, word string) (wire.NoticeRow, error) {
	id, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		return wire.NoticeRow{}, usage(fmt.Sprintf("id %q", word), "a number of nexus notices list", "not a number")
	}
	r, err := get[wire.Notices](ctx, n, "/v1/notices")
	if err != nil {
		return wire.NoticeRow{}, err
	}
	for _, x := range r.Notices {
		if x.ID == id {
			return x, nil
		}
	}
	return wire.NoticeRow{}, nexus.Errf("find notice", nexus.CodeNotFound, "notice "+word, "list them with nexus notices list", "not in your inbox")
}

func (n *node) showNotice(ctx context.Context, word string) error {
	x, err := n.findNotice(ctx, word)
	if err != nil {
		return err
	}
	return n.app.print(x, func(w io.Writer) error { return printNotice(w, x) })
}

func printNotice(w io.Writer, x wire.NoticeRow) error {
	return pairs(w, "notice", fmt.Sprint(x.ID), "time", when(x.Time), "unit", x.Unit, "text", wire.Human(x.Text), "times", fmt.Sprint(x.Times),
		"decision", fmt.Sprintf("%d (nexus gates explain %d)", x.Index, x.Index), "delivered", when(x.Delivered), "read", when(x.Read))
}

// readNotices prints what is unread, or one, and marks it.
func (n *node) readNotices(ctx context.Context, args []string) error {
	if len(args) == 1 {
		x, err := n.findNotice(ctx, args[0])
		if err != nil {
			return err
		}
		if err := n.app.print(x, func(w io.Writer) error { return printNotice(w, x) }); err != nil {
			return err
		}
		_, err = n.act(ctx, state.KindNoticeMark, nexus.ID{}, state.NoticeMark{Read: []uint64{x.ID}})
		return err
	}
	r, err := get[wire.Notices](ctx, n, "/v1/notices", "unread", "1")
	if err != nil {
		return err
	}
	if err := n.app.print(r, func(w io.Writer) error { return printNotices(w, &r) }); err != nil {
		return err
	}
	if len(r.Notices) == 0 && r.Overflow == 0 {
		return nil
	}
	mark := state.NoticeMark{Overflow: r.Overflow}
	if len(r.Notices) > 0 {
		mark.ReadUpTo = r.Notices[len(r.Notices)-1].ID
	}
	_, err = n.act(ctx, state.KindNoticeMark, nexus.ID{}, mark)
	return err
}

// followNotices prints each notice as it comes and marks it read once it is on the screen.
func (n *node) followNotices(ctx context.Context) error {
	return n.Stream(ctx, "/v1/notices/stream", nil, func(line []byte) error {
		var x wire.NoticeRow
		if err := json.Unmarshal(line, &x); err != nil {
			return err
		}
		err := n.app.print(x, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s %s %s: %s\n", fmt.Sprint(x.ID), when(x.Time), oneLine(x.Unit), oneLine(wire.Human(x.Text)))
			return err
		})
		if err != nil {
			return err
		}
		if _, err := n.act(ctx, state.KindNoticeMark, nexus.ID{}, state.NoticeMark{Read: []uint64{x.ID}}); err != nil {
			return err // going on would show the same again
		}
		return nil
	})
}
