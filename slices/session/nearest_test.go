package session

import (
	"testing"
	"time"
)

func TestNearestMovesOnlyForAGain(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		name    string
		present string
		edges   []Measured
		want    string
	}{
		{"none reached", "a", []Measured{{"a", 0}, {"b", 0}}, ""},
		{"first choice", "", []Measured{{"a", 30 * ms}, {"b", 20 * ms}}, "b"},
		{"present is best", "a", []Measured{{"a", 10 * ms}, {"b", 20 * ms}}, "a"},
		{"more than 20 % but less than 5 ms", "a", []Measured{{"a", 6 * ms}, {"b", 2 * ms}}, "a"},
		{"exactly 5 ms", "a", []Measured{{"a", 15 * ms}, {"b", 10 * ms}}, "a"},
		{"more than 5 ms but less than 20 %", "a", []Measured{{"a", 100 * ms}, {"b", 85 * ms}}, "a"},
		{"exactly 20 %", "a", []Measured{{"a", 100 * ms}, {"b", 80 * ms}}, "a"},
		{"both", "a", []Measured{{"a", 100 * ms}, {"b", 70 * ms}}, "b"},
		{"present is dead", "a", []Measured{{"a", 0}, {"b", 70 * ms}}, "b"},
		{"present is unknown", "x", []Measured{{"a", 30 * ms}, {"b", 70 * ms}}, "a"},
		{"equal", "b", []Measured{{"a", 30 * ms}, {"b", 30 * ms}}, "b"},
	} {
		if got := Nearest(c.present, c.edges); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
