package node_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/node"
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
