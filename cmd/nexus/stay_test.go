package main

import (
	stdslices "slices"
	"strings"
	"testing"
)

// The way back from an announced exit is known, so that the console does not say that there is none.
func TestStayWords(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"imvu exit --imvu-id IMVU-001 --announce": "imvu exit --imvu-id IMVU-001 --cancel",
		"platform exit --platform-id=PLAT-003":    "platform exit --platform-id PLAT-003 --cancel",
		"imvu exit --imvu-id IMVU-001 --cancel":   "",
		"imvu exit --imvu-id":                     "",
		"imvu exit-status --imvu-id IMVU-001":     "",
		"imvu scale IMVU-001 --cpu 2":             "",
	} {
		if got := stayWords(strings.Fields(line)); !stdslices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
