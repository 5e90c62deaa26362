package wire

import (
	"math"
	"strconv"
)

// What a check's limit is to its value.
const (
	BoundMost  = "at_most"  // the value must not be above it
	BoundLeast = "at_least" // the value must not be below it
	BoundEqual = "equal"    // the value must be that
)

// Figure words a check's value and limit for people: "0.389 ms, at most 2000", "20000 files, at least 1024", "17 of 17 gates", sizes in
// units of 1024 bytes. Empty for a check without a number.
func (c *Check) Figure() string {
	if c.Value == nil {
		return ""
	}
	say := func(v float64) string { return quantity(v, c.Unit) }
	if c.Limit == nil {
		return say(*c.Value)
	}
	words := ", limit "
	switch c.Bound {
	case BoundEqual:
		return withUnit(plainNumber(*c.Value)+" of "+plainNumber(*c.Limit), c.Unit)
	case BoundMost:
		words = ", at most "
	case BoundLeast:
		words = ", at least "
	}
	if c.Unit == unitBytes {
		return say(*c.Value) + words + say(*c.Limit)
	}
	return say(*c.Value) + words + plainNumber(*c.Limit)
}

// unitBytes is the unit that people read in multiples.
const unitBytes = "bytes"

// quantity is a number with its unit.
func quantity(v float64, unit string) string {
	if unit != unitBytes || math.Abs(v) < 1024 {
		return withUnit(plainNumber(v), unit)
	}
	units := [...]string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	v, at := v/1024, 0
	for math.Abs(v) >= 1024 && at < len(units)-1 {
		v, at = v/1024, at+1
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " " + units[at]
}

func withUnit(text, unit string) string {
	if unit == "" {
		return text
	}
	return text + " " + unit
}

// plainNumber prints a measured value without an exponent, to three digits behind the point.
func plainNumber(v float64) string { return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64) }
