package node

import (
	"testing"
	"time"
)

// TestRefusalsPressSoOften: so many pictures of any second do not wait for their turn; the next ones do.
func TestRefusalsPressSoOften(t *testing.T) {
	t.Parallel()
	var p pressing
	begin := time.Unix(1_800_000_000, 0)
	for second := range 3 {
		at := begin.Add(time.Duration(second) * time.Second)
		for n := range pressMost + 5 {
			if got, want := p.may(at.Add(time.Duration(n)*time.Millisecond)), n < pressMost; got != want {
				t.Fatalf("second %d, refusal %d: %v, want %v", second, n, got, want)
			}
		}
	}
}

// TestAPictureWithARefusalIsToldOf: a picture that shows another one closes what its watchers wait for, any other does not.
func TestAPictureWithARefusalIsToldOf(t *testing.T) {
	t.Parallel()
	var n Node
	n.view.init()
	next := func(denied uint64) {
		o := *n.view.picture()
		o.DecisionsDenied = denied
		n.view.replace(&o)
	}
	for _, c := range []struct {
		denied uint64
		told   bool
	}{{0, false}, {1, true}, {1, false}, {3, true}} {
		pressed, changed := n.Pressed(), n.Changed()
		next(c.denied)
		if told := closed(pressed); told != c.told || !closed(changed) {
			t.Errorf("a picture of %d refusals: pressed %v, want %v; changed %v", c.denied, told, c.told, closed(changed))
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
