package wire

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// raw are the figures in the texts of notices and proposals: the ledger's texts are exact and never change, so units for people are
// put in where they are shown.
var raw = regexp.MustCompile(`\b([0-9]{1,19}) (bytes|milli-cores|bit/s)`)

// Human gives a text of a notice or a proposal with figures as people say them: 4 GiB for 4294967296 bytes, 2.5 cores for 2500
// milli-cores, 10 Mbit/s for 10000000 bit/s. Nothing is rounded: a size that no unit divides keeps its number in brackets. What is
// signed, compared or read by programs is the text itself.
func Human(text string) string {
	if !strings.Contains(text, " b") && !strings.Contains(text, " milli") {
		return text
	}
	return raw.ReplaceAllStringFunc(text, func(found string) string {
		digits, unit, _ := strings.Cut(found, " ")
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil {
			return found
		}
		switch unit {
		case "bytes":
			return humanBytes(n, found)
		case "milli-cores":
			word := "cores"
			if n == 1000 {
				word = "core"
			}
			return trimmed(n/1000, n%1000, 3) + " " + word
		}
		return humanRate(n, found)
	})
}

// trimmed writes whole and a fraction of so many decimal places without zeros at its end.
func trimmed(whole, fraction uint64, places int) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%d.%0*d", whole, places, fraction), "0"), ".")
}

func humanBytes(n uint64, exact string) string {
	names := [...]string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	if n < 1024 {
		return exact
	}
	u := 0
	for v := n; v >= 1024 && u < len(names)-1; v >>= 10 {
		u++
	}
	step := uint64(1) << (10 * u)
	if n%(step/1024*64) == 0 { // sixteenths are exact in four places
		return trimmed(n/step, n%step/(step/1024*64)*625, 4) + " " + names[u]
	}
	return fmt.Sprintf("%.1f %s (%s)", math.Floor(float64(n)/float64(step)*10)/10, names[u], exact)
}

func humanRate(n uint64, exact string) string {
	for _, u := range []struct {
		step uint64
		name string
	}{{1e9, "Gbit/s"}, {1e6, "Mbit/s"}, {1e3, "kbit/s"}} {
		if n >= u.step && n%(u.step/1000) == 0 {
			return trimmed(n/u.step, n%u.step/(u.step/1000), 3) + " " + u.name
		}
	}
	return exact
}
