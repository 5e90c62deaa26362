package node_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/node"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/engine/tilelog/tilelogtest"
)

// The endpoint shows the running node while it runs, and is gone once it has stopped. Without an address there is none; with one
// that is taken the launch fails at phase 1 and says which.
func TestMetricsEndpoint(t *testing.T) {
	t.Parallel()
	n, last, _ := start(t, node.Config{DataDir: t.TempDir(), MetricsAddr: "127.0.0.1:0"})
	addr := last.Addresses["metrics"]
	if addr == "" || last.Failed != 0 {
		t.Fatalf("%+v", last)
	}
	eventually(t, "the ledger is shown", func() bool {
		resp, err := http.Get("http://" + addr + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		text := string(body)
		return strings.Contains(text, `nexus_gate_verdicts_total{gate="17"`) && !strings.Contains(text, "nexus_ledger_entries 0\n")
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	other, last, _ := start(t, node.Config{DataDir: t.TempDir(), MetricsAddr: ln.Addr().String()})
	if last.Status != wire.StatusFailed || other.Hello().Addresses["metrics"] != "" {
		t.Errorf("a taken address: %+v", last)
	}
	if err := n.Stop(); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", addr); err == nil {
		_ = conn.Close()
		t.Error("the endpoint outlives its node")
	}
}

// An outsider with the key that `nexus ledger head` prints mirrors the log of a running node, and finds it grown, with nothing
// changed, after the node has gone on.
func TestPublishedLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, last, _ := start(t, node.Config{DataDir: dir, LogHTTPAddr: "127.0.0.1:0"})
	addr := last.Addresses["log_http"]
	if addr == "" || last.Failed != 0 {
		t.Fatalf("%+v", last)
	}
	var told wire.Head
	if err := client(t, dir).Get(t.Context(), "/v1/head", nil, &told); err != nil {
		t.Fatal(err)
	}
	c, err := tilelogtest.New("http://"+addr, told.Key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	old, err := c.Verify(told.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	r, err := n.Engine().Act(t.Context(), state.KindAuditFinding, nexus.ID{}, state.AuditFinding{Code: "test", Observed: "growth", Required: "growth"})
	if err != nil || !r.Allowed {
		t.Fatalf("%+v: %v", r, err)
	}
	h, err := c.Head()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := c.Entries(h)
	if err != nil || int64(len(entries)) != h.N || h.N == 0 {
		t.Fatalf("%d entries of %d: %v", len(entries), h.N, err)
	}
	if err := c.Included(h, h.N-1, entries[h.N-1]); err != nil {
		t.Error(err)
	}
	if err := c.Extends(old, h); err != nil || h.N <= old.N {
		t.Errorf("from %d to %d: %v", old.N, h.N, err)
	}
	if err := n.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := c.Head(); err == nil {
		t.Error("the endpoint outlives its node")
	}
}

// A port that another process holds is one failure, its own, which names the holder; what needs it is skipped and says so.
func TestATakenPortFailsOnce(t *testing.T) {
	t.Parallel()
	holder := exec.Command(os.Args[0], "-test.run=^TestHoldAPort$")
	holder.Env = append(os.Environ(), "NEXUS_TEST_HOLD_PORT=1")
	stdin, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stdin.Close() // ends it
		_ = holder.Wait()
	}()
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	n, last, _ := start(t, node.Config{DataDir: t.TempDir(), MetricsAddr: strings.TrimSpace(addr)})
	if last.Status != wire.StatusFailed {
		t.Errorf("the launch: %+v", last)
	}
	var failed []string
	for _, c := range n.Results()[0].Checks {
		if c.Status == wire.StatusFailed {
			failed = append(failed, c.Name+": "+c.Detail)
		}
		if c.Name == "metrics" && (c.Status != wire.StatusSkipped || c.Detail != "needs port metrics") {
			t.Errorf("what needs the port: %+v", c)
		}
	}
	if len(failed) != 1 || !strings.HasPrefix(failed[0], "port metrics: ") || !strings.Contains(failed[0], fmt.Sprintf("(pid %d)", holder.Process.Pid)) {
		t.Errorf("failed are %q", failed)
	}
}

// TestHoldAPort is the other process of TestATakenPortFailsOnce; alone it checks that a port can be had.
func TestHoldAPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if os.Getenv("NEXUS_TEST_HOLD_PORT") != "" {
		fmt.Println(l.Addr())
		_, _ = os.Stdin.Read(make([]byte, 1))
	}
}
