package session

import "time"

// Measured is one edge with the round trip to it.
type Measured struct {
	Address string
	RTT     time.Duration // 0: not reached
}

// Hysteresis of the choice of an edge: a move must gain more than both, so that noise moves nobody.
const (
	nearerPercent = 20
	nearerBy      = 5 * time.Millisecond
)

// Nearest gives the edge to be at: the present one unless another one's round trip is shorter by more than 20 % and more than 5 ms. A
// present edge that is not among the measured, or was not reached, is left for the nearest. Empty: none was reached.
func Nearest(present string, edges []Measured) string {
	best, here := Measured{}, time.Duration(0)
	for _, e := range edges {
		if e.RTT <= 0 {
			continue
		}
		if e.Address == present {
			here = e.RTT
		}
		if best.Address == "" || e.RTT < best.RTT {
			best = e
		}
	}
	if here > 0 && (here-best.RTT <= nearerBy || best.RTT*100 >= here*(100-nearerPercent)) {
		return present
	}
	return best.Address
}
