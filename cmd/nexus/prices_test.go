package main

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func TestPricesFileIsReadStrictly(t *testing.T) {
	t.Parallel()
	b, err := parsePrices([]byte(`{"currency":"USD","lines":[{"meter":"edge-bytes-out","per":1000000000,"amount":5}]}`))
	if err != nil || b.Currency != "USD" || len(b.Lines) != 1 || b.Lines[0].Minor != 5 || b.Lines[0].Per != 1_000_000_000 {
		t.Errorf("%+v, %v", b, err)
	}
	for _, bad := range []string{"", "{", `{"currency":"USD","lines":[{"meter":"m","per":1,"amount":0.05}]}`, `{"curency":"USD"}`, `{"currency":"USD"} {}`,
		`{"currency":"USD","lines":[{"meter":"m","per":1,"price":5}]}`} {
		if _, err := parsePrices([]byte(bad)); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// FuzzParsePrices: no bytes panic, and what is taken is a whole document.
func FuzzParsePrices(f *testing.F) {
	f.Add([]byte(`{"currency":"USD","lines":[{"meter":"edge-bytes-out","per":1,"amount":5}]}`))
	f.Add([]byte(`{"lines":[null]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if b, err := parsePrices(raw); err != nil && nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("%+v, %v", b, err)
		}
	})
}

// What an owner is told of a failed exit becomes the step that is published; what is not the exit's fault becomes none.
func TestStepsOfFailedExits(t *testing.T) {
	t.Parallel()
	wrap := func(code nexus.Code, err error) error { return nexus.Errf("write bundle", code, "x", "", "%w", err) }
	for want, list := range map[string][]error{
		state.ExitStepStore: {wrap(nexus.CodeUnavailable, syscall.ENOSPC), fmt.Errorf("x: %w", fs.ErrPermission)},
		state.ExitStepCheck: {wrap(nexus.CodeCorrupt, errors.New("x"))},
		state.ExitStepFetch: {wrap(nexus.CodeUnavailable, errors.New("x")), wrap(nexus.CodeNoNode, errors.New("x")), errors.New("x")},
		"":                  {wrap(nexus.CodeConflict, errors.New("x")), wrap(nexus.CodeRefused, errors.New("x")), wrap(nexus.CodeUsage, errors.New("x"))},
	} {
		for _, err := range list {
			if got := fetchStep(err); got != want {
				t.Errorf("%v: step %q, want %q", err, got, want)
			}
		}
	}
}
