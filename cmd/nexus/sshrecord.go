package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	nodes "github.com/BobbyBlanco400/nexus-cos/engine/node"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/tui/sshd"
)

// recordPostMost is how long the entry of a recording may take; a session's end waits for it.
const recordPostMost = 15 * time.Second

// postRecording gives what puts a session's recording into the ledger, as the node's own act. What cannot be posted is logged: the file
// is then one that the ledger does not know.
func postRecording(n *nodes.Node) func(sshd.Recording) {
	log := slog.New(n.LogHandler()).With("component", "ssh")
	return func(r sshd.Recording) {
		ctx, cancel := context.WithTimeout(context.Background(), recordPostMost)
		defer cancel()
		receipt, err := n.Engine().Act(ctx, state.KindSessionRecord, nexus.ID{}, state.SessionRecord{Session: r.Session, Key: r.Key, StartMs: r.Start.UnixMilli(),
			EndMs: r.End.UnixMilli(), Bytes: r.Bytes, SHA256: r.SHA256, Truncated: r.Truncated})
		if err == nil && !receipt.Allowed {
			err = fmt.Errorf("decision %d refuses it", receipt.Index)
		}
		if err != nil {
			log.Error("recording not in the ledger", "session", r.Session, "file", r.File, "sha256", r.SHA256.String(), "error", err)
			return
		}
		log.Info("ssh session recorded", "session", r.Session, "file", r.File, "bytes", r.Bytes, "truncated", r.Truncated, "index", receipt.Index)
	}
}

func (a *app) sshCommand() *cobra.Command {
	cmd := noun("ssh", "Recorded sessions of the SSH console")
	list := &cobra.Command{Use: "recordings", Short: "The recorded sessions whose SHA-256 the ledger holds", Args: noArgs,
		Example: "  nexus ssh recordings\n  nexus ssh recordings -o json"}
	list.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error {
		if _, err := n.pinned(ctx); err != nil {
			return err
		}
		r, err := get[wire.Recordings](ctx, n, "/v1/recordings")
		if err != nil {
			return err
		}
		t := &table{head: []string{">INDEX", "SESSION", "IDENTITY", "BEGAN", "ENDED", ">BYTES", "WHOLE", "SHA-256"}, none: "no recordings"}
		for _, x := range r.Recordings {
			t.add(fmt.Sprint(x.Index), x.Session, x.Name, when(x.Start), when(x.End), fmt.Sprint(x.Bytes), yesNo(!x.Truncated), x.SHA256)
		}
		return a.print(r, t.print)
	})
	verify := &cobra.Command{Use: "verify FILE", Short: "Check a recording against its entry in the ledger", Args: oneArg("FILE"),
		Long: `The file's SHA-256 is compared with the one that the node put into the ledger when the session ended; the entry's inclusion is
re-computed here. It matches (exit 0), was changed, is of a session that is still running, or is unknown to the ledger (exit 1, with the
word). Of the newest 4096 sessions.`,
		Example: "  nexus ssh verify recordings/20260131T120000Z-0a1b2c3d4e.cast"}
	verify.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, args []string) error {
		return n.verifyRecording(ctx, args[0])
	})
	cmd.AddCommand(list, verify)
	return cmd
}

func yesNo(v bool) string {
	if v {
		return "yes"
	}
	return "no"
}

// verifyRecording says whether a file is what the ledger holds: found by its digest, else by the session that it claims to be of.
func (n *node) verifyRecording(ctx context.Context, path string) error {
	digest, session, err := readRecorded(path)
	if err != nil {
		return err
	}
	running, _ := sshd.Running(path) // before the entries are read: whose end is posted in between is found in them
	all, err := get[wire.Recordings](ctx, n, "/v1/recordings")
	if err != nil {
		return err
	}
	for i := range all.Recordings {
		row := &all.Recordings[i]
		if row.SHA256 != digest && row.Session != session {
			continue
		}
		entry, err := n.recordingEntry(ctx, row.Index)
		if err != nil {
			return err
		}
		if entry.Record.SHA256.String() != digest {
			return nexus.Errf("ssh verify", nexus.CodeCorrupt, path, "take the file from the node that wrote it, or from a backup",
				"changed: its SHA-256 is %s, and decision %d holds %s for session %s", digest, row.Index, entry.Record.SHA256, entry.Record.Session)
		}
		return n.app.print(row, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s: match: session %s of %s, in the ledger since decision %d, inclusion re-computed here\n",
				path, row.Session, clean(row.Name), row.Index)
			if err == nil && row.Truncated {
				_, err = fmt.Fprintln(w, "the recording ends before the session did")
			}
			return err
		})
	}
	if running {
		return nexus.Errf("ssh verify", nexus.CodeUnavailable, path, "verify it again when the session has ended",
			"running: its session lasts, or ends this moment; its SHA-256 goes into the ledger then")
	}
	return nexus.Errf("ssh verify", nexus.CodeNotFound, path, "compare it with nexus ssh recordings; a node that was killed posts nothing",
		"unknown: the ledger holds neither its SHA-256 %s nor its session", digest)
}

// recordingEntry fetches the entry that a decision about a recording led to, and proves it.
func (n *node) recordingEntry(ctx context.Context, index uint64) (b state.RecordingEntry, err error) {
	d, err := get[wire.Decision](ctx, n, "/v1/decisions/"+strconv.FormatUint(index, 10))
	if err != nil {
		return b, err
	}
	proof, _, err := n.proveEntry(ctx, strconv.FormatUint(d.Entry+1, 10)) // a command's entries follow its decision
	if err != nil {
		return b, err
	}
	p, ok := proof.(wire.EntryProof)
	if !ok {
		return b, nexus.Errf("ssh verify", nexus.CodeInternal, "proof", "", "is of another kind")
	}
	e, err := ledger.ParseEntry(p.Bytes)
	if err == nil && e.Kind == ledger.KindRecording && e.Seq == p.Seq {
		err = nexus.Decode(e.Body, &b)
	} else if err == nil {
		err = nexus.Errf("ssh verify", nexus.CodeCorrupt, fmt.Sprintf("entry %d", e.Seq), "run nexus ledger verify", "is of kind %s, not a recording", e.Kind)
	}
	if err == nil && b.Index != index {
		err = nexus.Errf("ssh verify", nexus.CodeCorrupt, fmt.Sprintf("entry %d", e.Seq), "run nexus ledger verify", "is of decision %d, not %d", b.Index, index)
	}
	return b, err
}

var (
	recordedName  = regexp.MustCompile(`-([0-9a-f]{10})\.cast$`)
	recordedTitle = regexp.MustCompile(`^nexus ssh session ([0-9a-f]{10}) `)
)

// readRecorded gives a file's SHA-256 and the session that its name says it is of, else its header; "" when neither says one.
func readRecorded(path string) (digest, session string, err error) {
	fail := func(err error) (string, string, error) {
		return "", "", usage(path, "name a file of the --ssh-record folder", "%w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = f.Close() }() // read only
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return fail(err)
	}
	digest = nexus.Hash(sum.Sum(nil)).String()
	if m := recordedName.FindStringSubmatch(filepath.Base(path)); m != nil {
		return digest, m[1], nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fail(err)
	}
	first, _ := bufio.NewReader(io.LimitReader(f, recordLineMax)).ReadBytes('\n') // what is no header names no session
	var header struct{ Title string }
	if json.Unmarshal(first, &header) == nil {
		if m := recordedTitle.FindStringSubmatch(header.Title); m != nil {
			session = m[1]
		}
	}
	return digest, session, nil
}
