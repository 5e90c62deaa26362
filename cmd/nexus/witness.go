package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster/witness"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// witnessDir and witnessKeyFile are a witness's folder in a data directory, and its key in that.
const (
	witnessDir     = "witness"
	witnessKeyFile = "key"
	witnessAddr    = "127.0.0.1:8490"
	witnessDrain   = 5 * time.Second
)

func (a *app) witnessCommand() *cobra.Command {
	cmd := noun("witness", "Cosign the checkpoints of other people's logs, as an outside witness")
	cmd.AddCommand(a.witnessServeCommand(), a.witnessKeyCommand(), a.witnessShowCommand(), a.witnessCheckCommand())
	return cmd
}

func (a *app) witnessServeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "serve", Short: "Serve as a witness of the logs named, in this process", Args: noArgs,
		Long: `Serve the C2SP witness protocol (c2sp.org/tlog-witness) until SIGTERM. For each log the newest checkpoint that was cosigned is kept
in the folder witness of the data directory; another is cosigned only with the proof that the log has only grown since, and is on disk
before the cosignature is given away. Two signed roots for one size are kept as evidence. No node is needed.

ORIGIN is the first line of the log's checkpoints, KEY its verifier key as nexus ledger head prints it: from the log's operator, not from the
log. The operator of the log then launches with --witness http://ADDR=KEY, where KEY is this witness's, printed by nexus witness key.
It speaks plain HTTP; for others than this machine put a proxy with TLS before it.`,
		Example: "  nexus witness serve --log 'nexus/4f6c...+1a2b3c4d+AaMx...'\n  nexus witness serve --addr 127.0.0.1:8490 --log ORIGIN=KEY --log ORIGIN=KEY"}
	cmd.Flags().String("addr", witnessAddr, "address to listen at; port 0 lets the system choose")
	cmd.Flags().StringArray("log", nil, "log to watch: ORIGIN=KEY, or KEY when its name is the origin; may be repeated")
	a.witnessName(cmd)
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		addr, _ := cmd.Flags().GetString("addr")
		logs, err := logKeys(cmd)
		if err != nil {
			return err
		}
		if len(logs) == 0 {
			return usage("--log", "name a log: --log ORIGIN=KEY", "is required")
		}
		key, err := a.witnessKey(cmd)
		if err != nil {
			return err
		}
		w, err := witness.Open(witness.Config{Dir: a.witnessDir(), Name: key.Comment, Signer: key, Logs: logs,
			Logger: slog.New(slog.NewTextHandler(a.err, nil))})
		if err != nil {
			return err
		}
		return errors.Join(a.serveWitness(ctx, w, addr), w.Close())
	})
	return cmd
}

// serveWitness answers until ctx ends, then lets running requests end.
func (a *app) serveWitness(ctx context.Context, w *witness.Witness, addr string) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return usage("--addr "+addr, "give another address", "%w", err)
	}
	srv := w.Server()
	srv.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(a.err, nil), slog.LevelWarn)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	url := "http://" + ln.Addr().String()
	err = a.print(struct {
		Name    string `json:"name"`
		Key     string `json:"key"`
		Address string `json:"address"`
		Witness string `json:"witness"` // as a log's operator gives it to --witness
	}{w.Key().Name, w.Key().String(), ln.Addr().String(), url + "=" + w.Key().String()}, func(out io.Writer) error {
		_, err := fmt.Fprintf(out, "witness %s serves at %s; the log's operator launches with\n  --witness '%s=%s'\n", clean(w.Key().Name), url, url, w.Key())
		return err
	})
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-ended:
			return err
		}
	}
	stop, cancel := context.WithTimeout(context.Background(), witnessDrain)
	defer cancel()
	if serr := srv.Shutdown(stop); serr != nil {
		err = errors.Join(err, srv.Close())
	}
	if serr := <-ended; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

func (a *app) witnessKeyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "Print this witness's verifier key, and make it when there is none", Args: noArgs,
		Long: `Print the key that others are given: the operator of a log for --witness, recipients for nexus-verify --witness. The first call makes it, in
the folder witness of the data directory. A witness has a key of its own, used for nothing else.`,
		Example: "  nexus witness key --name witness.example.org\n  nexus witness key -o json"}
	a.witnessName(cmd)
	cmd.RunE = a.do(func(_ context.Context, cmd *cobra.Command, _ []string) error {
		key, err := a.witnessKey(cmd)
		if err != nil {
			return err
		}
		k, err := verify.NewWitnessKey(key.Comment, key.Public())
		if err != nil {
			return err
		}
		return a.print(struct {
			Name string `json:"name"`
			Key  string `json:"key"`
			File string `json:"file"`
		}{k.Name, k.String(), key.Path}, func(w io.Writer) error { _, err := fmt.Fprintln(w, k); return err })
	})
	return cmd
}

func (a *app) witnessShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show", Short: "Show what this witness has cosigned, and evidence against logs", Args: noArgs,
		Example: "  nexus witness show\n  nexus witness show -o json"}
	cmd.RunE = a.do(func(context.Context, *cobra.Command, []string) error {
		key, err := identity.LoadKey(filepath.Join(a.witnessDir(), witnessKeyFile))
		if err != nil {
			return err
		}
		k, err := verify.NewWitnessKey(key.Comment, key.Public())
		if err != nil {
			return err
		}
		logs, evidence, err := witness.ReadFolder(a.witnessDir(), k)
		if err != nil {
			return err
		}
		t := &table{head: []string{"LOG", ">ENTRIES", "COSIGNED"}, none: "nothing cosigned yet"}
		for _, l := range logs {
			t.add(l.Origin, fmt.Sprint(l.Size), when(l.Time))
		}
		return a.print(struct {
			Name     string            `json:"name"`
			Key      string            `json:"key"`
			Logs     []witness.Watched `json:"logs"`
			Evidence []string          `json:"evidence"`
		}{k.Name, k.String(), logs, append([]string{}, evidence...)}, func(w io.Writer) error {
			fmt.Fprintf(w, "%s\n\n", k)
			for _, path := range evidence {
				fmt.Fprintf(w, "EVIDENCE of two histories: %s\n", clean(path))
			}
			return t.print(w)
		})
	})
	return cmd
}

func (a *app) witnessCheckCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "check FILE", Short: "Check a witness's evidence that a log signed two histories", Args: oneArg("FILE"),
		Long: `Check that FILE holds two checkpoints of one log with one size and different roots, both signed by the log's key. It exits 0 when it does: the
log has shown different histories, and its key's holder cannot deny it.`,
		Example: "  nexus witness check evidence.json --log ORIGIN=KEY"}
	cmd.Flags().StringArray("log", nil, "the log: ORIGIN=KEY, or KEY when its name is the origin; may be repeated")
	cmd.RunE = a.do(func(_ context.Context, cmd *cobra.Command, args []string) error {
		logs, err := logKeys(cmd)
		if err != nil {
			return err
		}
		f, err := os.Open(args[0])
		if err != nil {
			return usage("FILE "+args[0], "give a file of a witness's folder of evidence", "%w", err)
		}
		defer f.Close()
		const evidenceMax = 1 << 20
		b, err := io.ReadAll(io.LimitReader(f, evidenceMax))
		if err != nil {
			return err
		}
		e, err := witness.CheckEvidence(b, logs)
		if err != nil {
			return nexus.Errf("witness check", nexus.CodeCorrupt, args[0], "name the log's key with --log", "%w", errors.Unwrap(err))
		}
		return a.print(struct {
			Proven bool `json:"proven"`
			witness.TwoRoots
		}{true, e}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "proven: the log %s signed two histories of %d entries\n", clean(e.Origin), e.Size)
			return err
		})
	})
	return cmd
}

func (a *app) witnessName(cmd *cobra.Command) {
	cmd.Flags().String("name", "", "name of a key that is made now, a URL without its scheme by custom (default: one with a part of the key in it)")
}

func (a *app) witnessDir() string { return filepath.Join(a.conf.text("data_dir"), witnessDir) }

// logKeys reads the logs named by --log.
func logKeys(cmd *cobra.Command) (out []witness.LogKey, err error) {
	texts, _ := cmd.Flags().GetStringArray("log")
	for _, text := range texts {
		k, err := witness.ParseLogKey(text)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}

// witnessKey loads the witness's key, or makes folder and key. The key's comment is its name.
func (a *app) witnessKey(cmd *cobra.Command) (*identity.Key, error) {
	path := filepath.Join(a.witnessDir(), witnessKeyFile)
	name, _ := cmd.Flags().GetString("name")
	key, err := identity.LoadKey(path)
	switch {
	case err == nil && name != "" && name != key.Comment:
		return nil, usage("--name "+name, "leave it out, or use another --data-dir for another witness", "this witness's key is %s", key.Comment)
	case nexus.CodeOf(err) != nexus.CodeNotFound:
		return key, err
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	signer := nexus.KeySigner(private)
	if name == "" {
		name = "nexus-witness/" + signer.Public().Short()
	}
	k, err := verify.NewWitnessKey(name, signer.Public())
	if err != nil {
		return nil, err
	}
	if err := witness.Init(a.witnessDir(), k); err != nil {
		return nil, err
	}
	return identity.ImportKey(path, name, signer)
}
