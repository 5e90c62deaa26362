package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// read asks once and gives status and body.
func (c *crowd) read(s nexus.Signer, path string, in any) (int, []byte) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	resp, err := c.ask(ctx, s, path, in)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, raw
}

// into asks and decodes an answer that must be there.
func into[T any](c *crowd, s nexus.Signer, path string) (out T) {
	c.t.Helper()
	code, raw := c.read(s, path, nil)
	if code != http.StatusOK {
		c.t.Fatalf("%s: %d %s", path, code, raw)
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		c.t.Fatalf("%s: %v in %s", path, err, raw)
	}
	return out
}

// sell posts events of eve's unit.
func (c *crowd) sell(name string, events int, minor int64) {
	c.t.Helper()
	post := state.RevenuePost{Source: state.OperatorSource}
	for i := range events {
		post.Events = append(post.Events, state.RevenueEvent{Unit: c.unit, EventID: fmt.Sprint(name, i), Kind: "sale", Currency: "USD", Minor: minor, TimeMs: 1})
	}
	c.must(c.keys.Operator, state.KindRevenuePost, nexus.ID{}, post)
}

// The figures of an earlier ledger are shown to those who may see the present ones, and to nobody else: owner and operators, no other creator,
// no key that the cluster does not know.
func TestEarlierFiguresAreShownToThoseWhoMay(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	mallory := signer(2)
	c.must(c.keys.Operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Other", OwnerName: "mallory", OwnerKey: mallory.Public()})
	c.sell("a", 2, 100)
	then := c.eng.Store().Size()
	c.sell("b", 1, 40)
	for _, s := range []nexus.Signer{c.eve, c.keys.Operator} {
		m := into[wire.Money](c, s, fmt.Sprintf("/v1/money?at=%d", then))
		if len(m.Rows) != 1 || m.Rows[0].All.Gross != 200 || m.Rows[0].Payable != 110 || m.At == nil || m.At.Size != then || len(m.Totals) != 1 {
			t.Errorf("%s: %+v", s.Public().Short(), m)
		}
		tally := into[wire.Tally](c, s, fmt.Sprintf("/v1/tally?at=%d", then))
		if len(tally.Units) != 1 || tally.Units[0].Gross != 200 || tally.At == nil || tally.At.Root != m.At.Root {
			t.Errorf("%s: %+v", s.Public().Short(), tally)
		}
		if now := into[wire.Money](c, s, "/v1/money"); now.At != nil || now.Rows[0].All.Gross != 240 {
			t.Errorf("now: %+v", now)
		}
	}
	for _, path := range []string{"/v1/money?at=%d&unit=", "/v1/tally?at=%d&unit="} {
		if code, raw := c.read(mallory, fmt.Sprintf(path, then)+c.unit.String(), nil); code != http.StatusForbidden || !strings.Contains(string(raw), "gate 16") {
			t.Errorf("another creator asks %s of a unit: %d %s", path, code, raw)
		}
	}
	for _, path := range []string{"/v1/money?at=%d", "/v1/money?at=%d&probes=1"} {
		if m := into[wire.Money](c, mallory, fmt.Sprintf(path, then)); len(m.Rows) != 0 || len(m.Totals) != 0 {
			t.Errorf("another creator reads %s: %+v", path, m)
		}
	}
	if tally := into[wire.Tally](c, mallory, fmt.Sprintf("/v1/tally?at=%d", then)); len(tally.Units) != 0 || len(tally.Totals) != 0 {
		t.Errorf("another creator reads the tally: %+v", tally)
	}
	for _, path := range []string{"/v1/money?at=", "/v1/tally?at="} {
		if code, raw := c.read(signer(99), path+fmt.Sprint(then), nil); code != http.StatusForbidden {
			t.Errorf("an unknown key reads %s: %d %s", path, code, raw)
		}
		for at, word := range map[string]string{fmt.Sprint(then - 1): fmt.Sprintf("and %d entries", then), fmt.Sprint(then + 1000): "nexus ledger head",
			"2999-01-01T00:00:00Z": "a time that is over", "0": "number of entries", "-1": "number of entries", "x": "number of entries"} {
			var ans struct{ Error *wire.Problem }
			code, raw := c.read(c.eve, path+at, nil)
			if err := json.Unmarshal(raw, &ans); err != nil || code != http.StatusBadRequest || ans.Error == nil || !strings.Contains(ans.Error.Hint, word) {
				t.Errorf("%s%s: %d %s, wanted a hint of %q", path, at, code, raw, word)
			}
		}
	}
}

// Verify, Audit and Suites last as long as the test wants.
func (c *crowd) Verify(ctx context.Context) (wire.VerifyReport, error) {
	return wire.VerifyReport{}, c.works(ctx)
}

func (c *crowd) Audit(ctx context.Context, _ string) (wire.AuditReport, error) {
	return wire.AuditReport{}, c.works(ctx)
}

func (c *crowd) Suites(ctx context.Context, _ []string) (wire.Suites, error) {
	return wire.Suites{}, c.works(ctx)
}

// Whatever checks the whole, asked for by whichever request, runs in one set of places.
func TestChecksAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	first, second, third := c.keys.Operator, c.operator(11), c.operator(12)
	verify, audit, suites := "/v1/verify", "/v1/audit", "/v1/suites"
	// An owner who has her own unit checked takes a place among the long reads and none of these.
	own := audit + "?unit=" + c.unit.String()
	ends := []context.CancelFunc{c.hold(c.eve, own, struct{}{}), c.hold(c.eve, own, struct{}{})}
	c.refused(c.eve, own, struct{}{}, http.StatusTooManyRequests, "at most 2 of one identity")
	ends = append(ends, c.hold(first, verify, struct{}{}), c.hold(first, audit, struct{}{}))
	for _, path := range []string{verify, audit, suites} {
		c.refused(first, path, wire.SuiteRequest{}, http.StatusTooManyRequests, "checks of the whole", "at most 2 of one identity")
	}
	ends = append(ends, c.hold(second, suites, wire.SuiteRequest{}), c.hold(second, verify, struct{}{}))
	for _, path := range []string{verify, audit, suites} {
		c.refused(third, path, wire.SuiteRequest{}, http.StatusServiceUnavailable, "at most 4 at once on this node")
	}
	for _, end := range ends {
		end()
	}
	c.until("all have ended", func() bool { return c.running.Load() == 0 })
	for _, path := range []string{verify, audit, suites} {
		c.hold(third, path, wire.SuiteRequest{})()
		c.until("it has ended", func() bool { return c.running.Load() == 0 })
	}
}

// Each long read has places of its kind, tells who finds none, and gives its own back.
func TestLongReadsHavePlaces(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	c.sell("a", 1, 100)
	size, unit, month := c.eng.Store().Size(), c.unit.String(), time.Now().UTC().Format("2006-01")
	operator, other := nexus.Signer(c.keys.Operator), c.operator(11)
	for _, kind := range []struct {
		name   string
		of     *places
		paths  []string
		in     any
		beside string // asks for none of these places
	}{
		{"export", &c.server.exports, []string{"/v1/export", "/v1/export?unit=" + unit}, nil, "/v1/backup"},
		{"backup", &c.server.backups, []string{"/v1/backup", "/v1/backup?from=1"}, nil, "/v1/export"},
		{"read", &c.server.reads, []string{fmt.Sprintf("/v1/money?at=%d", size), fmt.Sprintf("/v1/tally?at=%d", size),
			"/v1/statement?unit=" + unit + "&month=" + month}, nil, "/v1/money"},
		{"what-if", &c.server.reads, []string{"/v1/gates/what-if"}, wire.WhatIfRequest{}, "/v1/tally"},
	} {
		for _, path := range kind.paths {
			if code, raw := c.read(operator, path, kind.in); code >= 500 || code == http.StatusTooManyRequests {
				t.Fatalf("%s: %d %s", path, code, raw)
			}
			c.until("the place is given back", func() bool { kind.of.mu.Lock(); defer kind.of.mu.Unlock(); return len(kind.of.held) == 0 })
			var ends []func()
			take := func(who nexus.Signer) {
				_, end, err := kind.of.take(who.Public())
				if err != nil {
					t.Fatal(err)
				}
				ends = append(ends, end)
			}
			take(operator)
			take(operator)
			c.refused(operator, path, kind.in, http.StatusTooManyRequests, "at most 2 of one identity")
			if code, raw := c.read(operator, kind.beside, nil); code != http.StatusOK {
				t.Errorf("%s while all places of %s are taken: %d %s", kind.beside, kind.name, code, raw)
			}
			take(signer(50))
			take(signer(51))
			c.refused(other, path, kind.in, http.StatusServiceUnavailable, "at most 4 at once on this node")
			for _, end := range ends {
				end()
			}
		}
	}
}

// Who asks for an export or a backup and does not read it gives way to others who wait.
func TestAStalledExportKeepsNoPlace(t *testing.T) {
	t.Parallel()
	for path, of := range map[string]func(*Server) *places{
		"/v1/export": func(s *Server) *places { return &s.exports },
		"/v1/backup": func(s *Server) *places { return &s.backups },
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			c := newCrowd(t)
			for i := range 4 {
				c.sell(fmt.Sprint("batch", i, "-"), 4096, 100)
			}
			p := of(c.server)
			p.all, p.slow, p.stall = 1, 50*time.Millisecond, time.Hour
			resp, err := c.ask(context.Background(), c.keys.Operator, path, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			other, refused := c.operator(11), 0
			var whole []byte
			c.until("the place is given up", func() bool {
				code, raw := c.read(other, path, nil)
				if code == http.StatusServiceUnavailable {
					refused++
				}
				whole = raw
				return code == http.StatusOK
			})
			if refused == 0 {
				t.Error("the first place was no place")
			}
			got, err := io.ReadAll(resp.Body)
			if len(got) >= len(whole) || path == "/v1/export" && err == nil {
				t.Errorf("the first was not cut off: %d of %d bytes, %v", len(got), len(whole), err)
			}
			if !bytes.HasPrefix(whole, got[:min(len(got), 64)]) {
				t.Error("the second got something else")
			}
		})
	}
}
