package node_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/node"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

func creatorKey(n byte) nexus.KeySigner {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return nexus.KeySigner(ed25519.NewKeyFromSeed(seed))
}

// act signs and does an action as c's identity and wants it to take effect.
func act(t *testing.T, c *control.Client, kind string, unit nexus.ID, body any) nexus.Receipt {
	t.Helper()
	a, err := engine.NewAction(c.Signer(), c.Cluster(), kind, unit, body, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Do(context.Background(), a)
	if err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	return r
}

// creator issues an identity by its own key, makes it a unit, and gives its client.
func creator(t *testing.T, dir string, n byte) (*control.Client, state.UnitCreated) {
	t.Helper()
	f, err := control.ReadNodeFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	key := creatorKey(n)
	act(t, client(t, dir), state.KindIdentityIssue, nexus.ID{},
		state.IdentityIssue{Name: fmt.Sprintf("creator-%d", n), Key: key.Public(), Role: uint8(gates.RoleCreator)})
	c := control.NewClient(f.Addresses["api"], f.Cluster, key)
	t.Cleanup(c.Close)
	var made state.UnitCreated
	if err := nexus.Decode(act(t, c, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: fmt.Sprintf("Unit %d", n)}).Result, &made); err != nil {
		t.Fatal(err)
	}
	return c, made
}

// TestReadsShowOnesOwn: a creator sees own slices, decisions and alerts, and nothing of another's.
func TestReadsShowOnesOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, _, _ := start(t, node.Config{DataDir: dir})
	one, mine := creator(t, dir, 1)
	_, other := creator(t, dir, 2)
	eventually(t, "both units are served", func() bool { return len(n.Slices()) >= 4 })
	var slices wire.Slices
	if err := one.Get(context.Background(), "/v1/slices", nil, &slices); err != nil || len(slices.Slices) != 1 || slices.Slices[0].Unit != mine.ID.String() {
		t.Errorf("slices of a creator: %v %+v", err, slices)
	}
	sale := state.RevenueEvent{Unit: other.ID, EventID: "a", Kind: "sale", Currency: "USD", Minor: 5, TimeMs: 1}
	post := state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{sale}}
	posted := act(t, client(t, dir), state.KindRevenuePost, nexus.ID{}, post)
	var rows wire.Decisions
	if err := one.Get(context.Background(), "/v1/decisions", nil, &rows); err != nil || len(rows.Decisions) == 0 {
		t.Fatalf("decisions of a creator: %v %+v", err, rows)
	}
	for _, row := range rows.Decisions {
		if row.Actor != creatorKey(1).Public().String() && row.Unit != mine.ID.String() {
			t.Errorf("a creator is shown decision %+v", row)
		}
	}
	for _, path := range []string{fmt.Sprintf("/v1/decisions/%d", posted.Index), fmt.Sprintf("/v1/decisions/%d/explain", posted.Index),
		fmt.Sprintf("/v1/entries/%d", posted.FirstEntry), fmt.Sprintf("/v1/proof?entry=%d", posted.FirstEntry)} {
		if err := one.Get(context.Background(), path, nil, nil); nexus.CodeOf(err) != nexus.CodeRefused {
			t.Errorf("%s for a creator: %v", path, err)
		}
		if err := client(t, dir).Get(context.Background(), path, nil, nil); err != nil {
			t.Errorf("%s for the operator: %v", path, err)
		}
	}
	for _, path := range []string{"/v1/verify", "/v1/audit", "/v1/suites", "/v1/invite", "/v1/phases/1/rerun"} {
		if err := one.Post(context.Background(), path, struct{}{}, nil); nexus.CodeOf(err) != nexus.CodeRefused {
			t.Errorf("%s for a creator: %v", path, err)
		}
	}
}

// TestStopIsDoneOnce: the bytes of a stop stand in the ledger; sent again after a restart they stop nothing.
func TestStopIsDoneOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, err := node.Start(node.Config{DataDir: dir, Version: "test", Only: []int{2}})
	if err != nil {
		t.Fatal(err)
	}
	n.Launch(context.Background())
	c := client(t, dir)
	a, err := engine.NewAction(c.Signer(), c.Cluster(), state.KindNodeStop, nexus.ID{}, struct{}{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	<-n.StopAsked()
	for range 2 { // the second waits for the first
		if err := n.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	again, _, _ := start(t, node.Config{DataDir: dir, Only: []int{2}})
	if r, err := client(t, dir).Do(context.Background(), a); err != nil || !r.Repeated {
		t.Fatalf("%+v %v", r, err)
	}
	select {
	case <-again.StopAsked():
		t.Error("a stop of yesterday stops the node today")
	default:
	}
}

// TestFailedStartLeavesNothing: neither the socket nor the lock is held after Start has failed.
func TestFailedStartLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	block := filepath.Join(dir, control.NodeFileName+".tmp") // the node file, written last, cannot be written
	if err := os.MkdirAll(filepath.Join(block, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Start(node.Config{DataDir: dir}); err == nil {
		t.Fatal("started without its node file")
	}
	if c, err := net.Dial("unix", control.SocketPath(dir, "")); err == nil {
		t.Errorf("the socket still answers: %v", c.Close())
	}
	if err := os.RemoveAll(block); err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(node.Config{DataDir: dir})
	if err != nil {
		t.Fatalf("the directory is still held: %v", err)
	}
	if err := n.Stop(); err != nil {
		t.Error(err)
	}
}

// TestOneRunOfPhasesAtATime: a rerun beside a running one would start things twice.
func TestOneRunOfPhasesAtATime(t *testing.T) {
	t.Parallel()
	n, _, _ := start(t, node.Config{DataDir: t.TempDir(), Only: []int{2}})
	if err := n.RerunPhase(context.Background(), 2); err != nil {
		t.Fatal(err)
	}
	if err := n.RerunPhase(context.Background(), 2); nexus.CodeOf(err) != nexus.CodeConflict {
		t.Errorf("a second rerun at once: %v", err)
	}
	eventually(t, "another rerun is taken after the first", func() bool { return n.RerunPhase(context.Background(), 11) == nil })
}

// TestDataDirectoryIsNeverServed: a folder that shares files with keys and ledger is no backend.
func TestDataDirectoryIsNeverServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, _, _ := start(t, node.Config{DataDir: dir, Only: []int{3}})
	c, unit := creator(t, dir, 3)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "genesis.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	status := func(path string) int {
		req, err := http.NewRequest(http.MethodGet, "http://"+n.EdgeAddr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = unit.Domain
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	act(t, c, state.KindRouteSet, unit.ID, state.RouteSet{Host: unit.Domain, Backend: "dir:" + folder})
	eventually(t, "a folder of its own is served", func() bool { return status("/genesis.json") == http.StatusOK })
	act(t, c, state.KindRouteSet, unit.ID, state.RouteSet{Host: unit.Domain, Backend: "dir:" + dir})
	eventually(t, "the new route is in force", func() bool { return status("/genesis.json") == http.StatusServiceUnavailable })
	for _, f := range files {
		if code := status("/" + f.Name()); code != http.StatusServiceUnavailable {
			t.Errorf("%s of the data directory: %d", f.Name(), code)
		}
	}
}

// TestSignatureCoversTheBody: a signed request with another body is forged.
func TestSignatureCoversTheBody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, _, _ = start(t, node.Config{DataDir: dir, Only: []int{2}})
	c := client(t, dir)
	f, err := control.ReadNodeFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	socket := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", f.Addresses["api"])
	}}}
	defer socket.CloseIdleConnections()
	q := nexus.Query{Cluster: c.Cluster(), Method: http.MethodPost, Target: "/v1/audit", Actor: c.Signer().Public(), TimeMs: time.Now().UnixMilli()}
	if q.Signature, err = c.Signer().Sign(q.SigningBytes()); err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]int{"": http.StatusOK, "{}": http.StatusForbidden} {
		req, err := http.NewRequest(http.MethodPost, "http://node/v1/audit", bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Nexus "+base64.StdEncoding.EncodeToString(nexus.Encode(q)))
		resp, err := socket.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("body %q: %s %s", body, resp.Status, text)
		}
	}
}
