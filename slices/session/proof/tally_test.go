package proof

import "testing"

// TestTheCounterSeesEveryFault: the checker that says "0 lost, 0 repeated, 0 reordered" must be able to say otherwise.
func TestTheCounterSeesEveryFault(t *testing.T) {
	flipped := message(2)
	flipped[15] ^= 1
	for name, c := range map[string]struct {
		stream [][]byte
		want   Tally
		clean  bool
	}{
		"clean":     {[][]byte{message(0), message(1), message(2)}, Tally{Messages: 3}, true},
		"lost":      {[][]byte{message(0), message(2)}, Tally{Messages: 2, Lost: 1}, false},
		"repeated":  {[][]byte{message(0), message(1), message(1), message(2)}, Tally{Messages: 4, Repeated: 1}, false},
		"reordered": {[][]byte{message(0), message(2), message(1)}, Tally{Messages: 3, Reordered: 1}, false},
		"damaged":   {[][]byte{message(0), message(1), flipped}, Tally{Messages: 3, Damaged: 1}, false},
		"cut":       {[][]byte{message(0), message(1)}, Tally{Messages: 2}, false},
		"short":     {[][]byte{message(0), message(1), message(2)[:8]}, Tally{Messages: 3, Damaged: 1}, false},
	} {
		count := newCounter()
		for _, b := range c.stream {
			count.take(b)
		}
		got := count.result()
		c.want.Hash = got.Hash
		if got != c.want || got.Clean(3) != c.clean {
			t.Errorf("%s: got %+v, clean %v; want %+v, clean %v", name, got, got.Clean(3), c.want, c.clean)
		}
	}
}
