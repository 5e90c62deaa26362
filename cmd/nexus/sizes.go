package main

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// sizePattern is a decimal number and a unit.
var sizePattern = regexp.MustCompile(`^([0-9]{1,30}(?:\.[0-9]{1,9})?)\s*([A-Za-z]*(?:/s)?)$`)

// parseBytes reads a size: bare numbers are GB as the platform counts them (2^30 bytes, like GiB), and MiB, GB, TiB and so
// on are what they are everywhere else.
func parseBytes(flag, text string) (int64, error) {
	return parseScaled(flag, text, "a number of GB, or with a unit such as 512MiB", map[string]int64{
		"": 1 << 30, "b": 1, "k": 1 << 10, "kib": 1 << 10, "kb": 1000, "m": 1 << 20, "mib": 1 << 20, "mb": 1_000_000,
		"g": 1 << 30, "gib": 1 << 30, "gb": 1_000_000_000, "t": 1 << 40, "tib": 1 << 40, "tb": 1_000_000_000_000})
}

// parseCores reads a number of cores such as 4, 0.5 or 500m, in thousandths.
func parseCores(flag, text string) (int64, error) {
	return parseScaled(flag, text, "a number of cores such as 4 or 0.5", map[string]int64{"": 1000, "m": 1})
}

// parseBits reads a rate in bits per second such as 10M or 1.5Gbit.
func parseBits(flag, text string) (int64, error) {
	return parseScaled(flag, text, "bits, not bytes, per second such as 10M or 1G", map[string]int64{"": 1, "bit": 1, "bit/s": 1,
		"k": 1e3, "kbit": 1e3, "kbit/s": 1e3, "m": 1e6, "mbit": 1e6, "mbit/s": 1e6, "g": 1e9, "gbit": 1e9, "gbit/s": 1e9})
}

// parseScaled multiplies exactly; a result that is not a whole number is refused, not rounded.
func parseScaled(flag, text, hint string, units map[string]int64) (int64, error) {
	bad := func(why string) (int64, error) {
		return 0, nexus.Errf("", nexus.CodeUsage, fmt.Sprintf("--%s %q", flag, text), hint, "%s", why)
	}
	m := sizePattern.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil && strings.HasPrefix(strings.TrimSpace(text), "-") {
		return bad("must be above 0")
	}
	if m == nil {
		return bad("not a size")
	}
	scale, ok := units[strings.ToLower(m[2])]
	if !ok {
		return bad("unknown unit " + m[2])
	}
	value, ok := new(big.Rat).SetString(m[1])
	if !ok {
		return bad("not a number")
	}
	value.Mul(value, new(big.Rat).SetInt64(scale))
	if !value.IsInt() {
		return bad("finer than the smallest step")
	}
	if !value.Num().IsInt64() {
		return bad("too large")
	}
	if n := value.Num().Int64(); n > 0 {
		return n, nil
	}
	return bad("must be above 0")
}
