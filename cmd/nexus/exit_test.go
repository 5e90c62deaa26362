package main

import "testing"

// A step says how much is here already when it begins; what is no step says nothing.
func TestPercentText(t *testing.T) {
	t.Parallel()
	for step, want := range map[string]string{"1/20": "   0 %", "3/20": "  10 %", "20/20": "  95 %", "0/20": "", "21/20": "", "3/0": "", "": "", "x": ""} {
		if got := percentText(step, ""); got != want {
			t.Errorf("%q is %q, want %q", step, got, want)
		}
	}
	for said, want := range map[string]string{"45": "  45 %", "100": " 100 %", "x": "  10 %", "101": "  10 %", "-1": "  10 %"} { // the node knows better
		if got := percentText("3/20", said); got != want {
			t.Errorf("with %q it is %q, want %q", said, got, want)
		}
	}
}
