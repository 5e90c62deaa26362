package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/acme"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/satellite"
)

// edgeCommand runs one more edge of a node on the same machine, as a process of its own.
func (a *app) edgeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "edge", Short: "Serve as one more edge of a running node, in this process", Args: noArgs,
		Long: `Serve every host of the node from another gateway on this machine, so that live sessions have an edge to move to. Table, capacity and
sessions come over a socket of the node that only its user can open. A stop (Ctrl-C, SIGTERM) first sends the sessions to other edges. The first line
on stdout says where it listens.

With --supervise this process keeps the ports and two worker processes serve from them: one for slices of the classes control, realtime and
interactive, which also accepts, and one for live, video, default and bulk, which is handed its connections before anything of them is read. So what
the patient ones cost, handshakes above all, keeps nobody else waiting for the processor; --patient-nice lowers their weight further. A worker that
dies is started again while clients wait. SIGUSR2, or SIGHUP where no terminal is its input, starts workers from the program's present file, and when
they serve, the old ones accept nothing more, send their sessions on and end with their last stream: no connection is refused, no stream is cut, over HTTP/3
neither. Each worker that serves is a line on stdout.

With --acme, each host's certificate comes from an authority and is renewed by itself. The authority must reach the plain listener as port 80
or the TLS listener as port 443 of the host. What fails is said on stderr with what to do, and tried again.`,
		Example: "  nexus slices edge --name edge-2\n  nexus slices edge --name edge-2 --listen 127.0.0.1:8081 --tls-listen 127.0.0.1:8444\n" +
			"  nexus slices edge --supervise --name front --listen 127.0.0.1:8081"}
	cmd.Flags().String("name", "", "name of this edge, unique among the node's (default: edge- and the process's number)")
	cmd.Flags().String("home", "", "socket of the node for edges (default: that of the node of --data-dir)")
	cmd.Flags().String("listen", "127.0.0.1:0", "address of the plain listener; empty: none")
	cmd.Flags().String("tls-listen", "127.0.0.1:0", "address of the TLS listener; empty: none")
	cmd.Flags().String("acme", "", "URL of an ACME directory that certificates come from (default: the node's own development authority)")
	cmd.Flags().String("acme-email", "", "address for the authority's account")
	cmd.Flags().String("acme-roots", "", "PEM file of the root that the directory's own certificate is checked with (default: the system's)")
	cmd.Flags().Bool("supervise", false, "keep the ports in this process and serve from workers, one per latency group: restarts, upgrades without a cut")
	cmd.Flags().Int("patient-nice", 0, "with --supervise: nice value of the worker for live, video, default and bulk, 0 to 19")
	cmd.Flags().Duration("retire-limit", 0, "with --supervise: cut what a retired worker still has after this long; 0: never")
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		if on, _ := cmd.Flags().GetBool("supervise"); on {
			if a.isWorker() {
				return a.edgeWorker(ctx, cmd)
			}
			return a.superviseEdge(ctx, cmd)
		}
		c, err := a.edgeConfig(cmd)
		if err != nil {
			return err
		}
		return satellite.Run(ctx, c)
	})
	return cmd
}

func (a *app) edgeConfig(cmd *cobra.Command) (satellite.Config, error) {
	flag := func(name string) string { v, _ := cmd.Flags().GetString(name); return v }
	c := satellite.Config{Name: flag("name"), Home: flag("home"), Addr: flag("listen"), TLSAddr: flag("tls-listen"),
		Logger: slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	if c.Name == "" {
		c.Name = fmt.Sprintf("edge-%d", os.Getpid())
	}
	if c.Name == "node" {
		return c, usage("--name node", "choose another name", "the node's own gateway is called so")
	}
	for _, addr := range []string{c.Addr, c.TLSAddr} {
		if _, _, err := net.SplitHostPort(addr); addr != "" && err != nil {
			return c, usage("address "+addr, "host:port, such as 127.0.0.1:0", "not an address")
		}
	}
	file, err := control.ReadNodeFile(a.conf.text("data_dir"))
	if c.Home == "" {
		if err != nil {
			return c, err
		}
		if c.Home = file.Addresses["edges"]; c.Home == "" {
			return c, nexus.Errf("slices edge", nexus.CodeUnavailable, "node "+file.Name, "launch it with phase 3 (nn5g)", "serves no edges")
		}
	}
	if err == nil && c.Home == file.Addresses["edges"] { // else it keeps to the home that it meets first
		c.Cluster, c.HomeKey = file.Cluster, file.Key
	}
	if directory := flag("acme"); directory != "" {
		if c.Issue, err = a.acmeIssuer(directory, flag("acme-email"), flag("acme-roots"), c.Logger); err != nil {
			return c, err
		}
	} else if c.TLSAddr != "" {
		ca, err := nodeCA(a.conf.text("data_dir"))
		if err != nil {
			return c, err
		}
		c.Certificate, c.CertificateStatus = ca.Certificate, ca.Status
	}
	c.OnReady = a.printEdge
	return c, nil
}

// printEdge says where an edge serves. A line that cannot be written tells nobody; the edge serves all the same.
func (a *app) printEdge(r satellite.Ready) {
	_ = a.print(r, func(w io.Writer) error {
		what := ""
		if r.Group != "" {
			what = fmt.Sprintf(" the %s classes", r.Group)
		}
		_, err := fmt.Fprintf(w, "edge %s serves%s at %s\n", r.Name, what, strings.Join(r.Addresses, " "))
		return err
	})
}

// acmeIssuer prepares certificates by ACME. Keys lie below the data directory; the workers of one edge share them.
func (a *app) acmeIssuer(directory, email, rootsFile string, log *slog.Logger) (func(plain, secure net.Addr) (satellite.Issuer, error), error) {
	var roots *x509.CertPool
	if rootsFile != "" {
		pem, err := os.ReadFile(rootsFile)
		if err != nil {
			return nil, nexus.Errf("slices edge", nexus.CodeUsage, "--acme-roots "+rootsFile, "name a PEM file", "%w", err)
		}
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM(pem) {
			return nil, usage("--acme-roots "+rootsFile, "name a PEM file", "no certificate in it")
		}
	}
	folder := filepath.Join(a.conf.text("data_dir"), "acme")
	return func(plain, secure net.Addr) (satellite.Issuer, error) {
		i, err := acme.Open(acme.Config{Directory: directory, Email: email, Folder: folder, Roots: roots, Plain: plain, Secure: secure, Logger: log})
		return acmeStatus{i}, err
	}, nil
}

// acmeStatus tells what the library knows of a certificate in the words of the edge.
type acmeStatus struct{ *acme.Issuer }

// CertStatus implements satellite.Issuer.
func (a acmeStatus) CertStatus(host string) edge.CertStatus {
	s := a.StatusOf(host)
	out := edge.CertStatus{Source: a.Directory(), NotAfter: s.NotAfter, Renews: s.Renews}
	if s.Err != nil {
		out.Error, out.ErrorAt = s.Err.Error(), s.At.UTC()
	}
	return out
}

// nodeCA opens the node's development authority; it makes none, for nobody would trust that.
func nodeCA(dataDir string) (*edge.DevCA, error) {
	dir := filepath.Join(dataDir, "devca")
	if _, err := os.Stat(dir); err != nil {
		return nil, nexus.Errf("slices edge", nexus.CodeUnavailable, "certificates in "+dir, "launch the node first, or pass --tls-listen ''", "%w", err)
	}
	return edge.OpenDevCA(dir)
}
