package wire_test

import (
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// A figure says which way its limit goes: 20000 of 1024 files reads like a fault.
func TestFigureSaysWhichWayTheLimitGoes(t *testing.T) {
	at := func(v float64) *float64 { return &v }
	for want, c := range map[string]wire.Check{
		"":                              {Unit: "ms", Bound: wire.BoundMost},
		"0.389 ms, at most 2000":        {Value: at(0.38900001), Limit: at(2000), Unit: "ms", Bound: wire.BoundMost},
		"20000 files, at least 1024":    {Value: at(20000), Limit: at(1024), Unit: "files", Bound: wire.BoundLeast},
		"17 of 17 gates":                {Value: at(17), Limit: at(17), Unit: "gates", Bound: wire.BoundEqual},
		"67.9 GiB, at least 1.0 GiB":    {Value: at(72875110400), Limit: at(1 << 30), Unit: "bytes", Bound: wire.BoundLeast},
		"35 bytes, at most 107 bytes":   {Value: at(35), Limit: at(107), Unit: "bytes", Bound: wire.BoundMost},
		"3 hosts, limit 2":              {Value: at(3), Limit: at(2), Unit: "hosts"}, // of a version that did not say
		"7":                             {Value: at(7)},
		"17179869184.0 GiB, at least 2": {Value: at(1 << 64), Unit: "none", Limit: at(2), Bound: wire.BoundLeast},
	} {
		if c.Unit == "none" { // the largest unit takes what is left
			c.Unit, want = "bytes", "16.0 EiB, at least 2 bytes"
		}
		if got := c.Figure(); got != want {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
	}
}
