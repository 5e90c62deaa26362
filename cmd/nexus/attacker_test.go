package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	stdslices "slices"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// rawRequest sends a request that no client of ours would send, and gives the answer's code word.
func rawRequest(ts *testscript.TestScript, dir, method, path, auth string, body []byte) (int, nexus.Code) {
	file, err := control.ReadNodeFile(ts.MkAbs(dir))
	ts.Check(err)
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", file.Addresses["api"])
		}}}
	req, err := http.NewRequest(method, "http://node"+path, bytes.NewReader(body))
	ts.Check(err)
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	resp, err := client.Do(req)
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	var ans struct {
		Error *wire.Problem `json:"error"`
	}
	if json.Unmarshal(text, &ans) == nil && ans.Error != nil {
		return resp.StatusCode, ans.Error.Code
	}
	return resp.StatusCode, ""
}

// cmdUnsigned demands that an unsigned request is refused: unsigned DIR PATH.
func cmdUnsigned(ts *testscript.TestScript, _ bool, args []string) {
	for _, auth := range []string{"", "Nexus ", "Nexus !!", "Nexus AAAA", "Bearer operator", "Nexus " + base64.StdEncoding.EncodeToString(make([]byte, 200))} {
		if status, code := rawRequest(ts, args[0], http.MethodGet, args[1], auth, nil); status != http.StatusForbidden || code != nexus.CodeRefused {
			ts.Fatalf("%s with %q: status %d, code %q", args[1], auth, status, code)
		}
	}
}

// cmdForged demands that a forged action is refused and changes nothing: forged DIR HOW. The request around it is signed by
// the operator, as if a client had been taken over.
func cmdForged(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	operator, err := identity.LoadKey(identity.KeyPath(dir, identity.OperatorName))
	ts.Check(err)
	node, err := control.ReadNodeFile(dir)
	ts.Check(err)
	attacker := nexus.KeySigner(bytes.Clone(operator.KeySigner))
	attacker[0] ^= 1 // another private key under the operator's public one: its signatures verify for nobody
	cluster, signer, target := node.Cluster, nexus.Signer(operator), "/v1/actions"
	switch args[1] {
	case "wrong-key":
		signer = attacker
	case "other-cluster":
		cluster[0] ^= 1
	case "other-target":
		target = "/v1/verify"
	}
	a, err := engine.NewAction(signer, cluster, state.KindUnitSuspend, nexus.ID{}, state.UnitReason{Reason: "forged"}, time.Now())
	ts.Check(err)
	if args[1] == "changed-body" {
		a.Body = nexus.Encode(state.UnitReason{Reason: "changed after it was signed"})
	}
	body, err := json.Marshal(wire.ActionRequest{Action: nexus.Encode(a)})
	ts.Check(err)
	q := nexus.Query{Cluster: node.Cluster, Method: http.MethodPost, Target: target, Actor: operator.Public(), TimeMs: time.Now().UnixMilli()}
	q.Signature, err = operator.Sign(q.SigningBytes())
	ts.Check(err)
	auth := "Nexus " + base64.StdEncoding.EncodeToString(nexus.Encode(q))
	if status, code := rawRequest(ts, args[0], http.MethodPost, "/v1/actions", auth, body); status != http.StatusForbidden || code != nexus.CodeRefused {
		ts.Fatalf("%s: status %d, code %q", args[1], status, code)
	}
}

// cmdReaches reaches into another's unit with actions that no command of ours would send, and demands that no answer tells what the unit holds:
// reaches DIR WHO UNIT, where the unit has 2000 milli-cores and a latency budget of 10000 us.
func cmdReaches(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	key, err := identity.LoadKey(identity.KeyPath(dir, args[1]))
	ts.Check(err)
	file, err := control.ReadNodeFile(dir)
	ts.Check(err)
	unit, err := nexus.ParseID(args[2])
	ts.Check(err)
	c := control.NewClient(file.Addresses["api"], file.Cluster, key)
	defer c.Close()
	ctx := context.Background()
	for kind, body := range map[string]any{state.KindUnitScale: state.UnitScale{CPUMilli: 1999, MemoryBytes: 1, StorageBytes: 1, Processes: 1},
		state.KindSliceSet: state.SliceSet{Class: "bulk"}} {
		a, err := engine.NewAction(key, file.Cluster, kind, unit, body, time.Now())
		ts.Check(err)
		verdicts, err := c.Try(ctx, a)
		ts.Check(err)
		r, err := c.Do(ctx, a)
		if err == nil || r.Allowed || r.Index == 0 {
			ts.Fatalf("%s on another's unit: %+v, %v", kind, r, err)
		}
		var ex wire.Explanation
		at := "/v1/decisions/" + strconv.FormatUint(r.Index, 10)
		ts.Check(c.Get(ctx, at+"/explain", nil, &ex))
		for _, vs := range [][]wire.Verdict{verdicts, ex.Verdicts} {
			if len(vs) != wire.GateCount {
				ts.Fatalf("%s: %d verdicts", kind, len(vs))
			}
			for _, v := range vs {
				judgesReach := v.Gate == 1 || v.Gate == 2 || v.Gate == 16
				if judgesReach == (v.Verdict == wire.VerdictWithheld) {
					ts.Fatalf("%s: gate %d tells %s: %s", kind, v.Gate, v.Verdict, v.Observed)
				}
			}
		}
		if ex.Facts != "" || stdslices.Contains(ex.Gates, 15) {
			ts.Fatalf("%s: told %v and the facts %s", kind, ex.Gates, ex.Facts)
		}
		var page, by wire.Decisions
		ts.Check(c.Get(ctx, "/v1/decisions", url.Values{"limit": {"1"}}, &page))
		if len(page.Decisions) != 1 || stdslices.ContainsFunc(page.Decisions[0].Gates, func(g int) bool { return g != 1 && g != 2 && g != 16 }) {
			ts.Fatalf("%s: listed as %+v", kind, page.Decisions)
		}
		ts.Check(c.Get(ctx, "/v1/decisions", url.Values{"gate": {"15"}, "verdict": {"deny"}}, &by))
		var o wire.Overview
		ts.Check(c.Get(ctx, "/v1/overview", nil, &o))
		if len(by.Decisions) != 0 || len(o.Decisions) == 0 || stdslices.Contains(o.Decisions[0].Gates, 15) {
			ts.Fatalf("%s: by gate 15 %+v, overview %+v", kind, by.Decisions, o.Decisions)
		}
	}
	var g wire.Gates
	ts.Check(c.Get(ctx, "/v1/gates", nil, &g))
	for _, row := range g.Gates {
		if row.LastReason != "" {
			ts.Fatalf("gate %d tells the last refusal to anybody: %s", row.Gate, row.LastReason)
		}
	}
}
