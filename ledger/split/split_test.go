package split

import (
	"fmt"
	"math"
	"math/big"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"pgregory.net/rapid"
)

// TestSpecExamples are the examples of SPEC section 1.
func TestSpecExamples(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule    Rule
		gross   int64
		creator int64
	}{
		{IMVU, 1_000_000, 550_000}, // USD 10,000.00 -> 5,500.00 / 4,500.00
		{Platform, 500_000, 400_000},
		{IMVU, 1, 1}, {IMVU, 2, 2}, {IMVU, 3, 2}, // three events of USD 0.01
		{IMVU, 0, 0}, {IMVU, -1, 0}, {IMVU, -2, -1}, {IMVU, -100, -55}, {Platform, -1, 0}, {Platform, -5, -4},
		{Platform, math.MaxInt64, 7378697629483820646}, {Platform, math.MinInt64, -7378697629483820646},
	} {
		if got := CreatorTotal(c.gross, c.rule); got != c.creator {
			t.Errorf("%s of %d: %d, want %d", c.rule, c.gross, got, c.creator)
		}
	}
	var gross int64
	var deltas []string
	for range 3 {
		creator, platform, err := Post(gross, 1, IMVU)
		if err != nil {
			t.Fatal(err)
		}
		deltas = append(deltas, fmt.Sprint(creator, platform))
		gross++
	}
	if fmt.Sprint(deltas) != "[1 0 1 0 0 1]" {
		t.Errorf("three cents are posted as %v", deltas)
	}
}

func rules() *rapid.Generator[Rule] { return rapid.SampledFrom([]Rule{IMVU, Platform}) }

// exact is ceil(gross*rule/100) with big numbers.
func exact(gross int64, rule Rule) int64 {
	n := new(big.Int).Mul(big.NewInt(gross), big.NewInt(int64(rule)))
	n.Add(n, big.NewInt(99))
	return n.Div(n, big.NewInt(100)).Int64() // Div rounds toward minus infinity for a positive divisor
}

func TestCreatorTotalIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		gross, rule := rapid.Int64().Draw(t, "gross"), rules().Draw(t, "rule")
		if got, want := CreatorTotal(gross, rule), exact(gross, rule); got != want {
			t.Fatalf("%s of %d: %d, want %d", rule, gross, got, want)
		}
	})
}

// TestCumulative: whatever the events and their order, the totals depend on the gross alone, the deltas of each event
// sum to it, and the creator is never further than one minor unit from the exact share.
func TestCumulative(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rule := rules().Draw(t, "rule")
		events := rapid.SliceOf(rapid.Int64Range(-1_000_000_000, 1_000_000_000)).Draw(t, "events")
		order := rapid.Permutation(events).Draw(t, "order")
		a, b := replay(t, events, rule), replay(t, order, rule)
		if a != b {
			t.Fatalf("order matters: %+v and %+v", a, b)
		}
		if a != At(a.Gross, rule) {
			t.Fatalf("drifted to %+v, want %+v", a, At(a.Gross, rule))
		}
		drift := 100*a.Creator - int64(rule)*a.Gross
		if drift < 0 || drift >= 100 {
			t.Fatalf("creator %d of gross %d is %d hundredths from the exact share", a.Creator, a.Gross, drift)
		}
	})
}

func replay(t *rapid.T, events []int64, rule Rule) Totals {
	var sum Totals
	for _, amount := range events {
		creator, platform, err := Post(sum.Gross, amount, rule)
		if err != nil || creator+platform != amount {
			t.Fatalf("post %d after %d: %d + %d, %v", amount, sum.Gross, creator, platform, err)
		}
		sum.Gross += amount
		sum.Creator += creator
	}
	return sum
}

// TestRefundUndoes: a refund of the whole amount returns to the totals before.
func TestRefundUndoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rule, before := rules().Draw(t, "rule"), rapid.Int64Range(-1<<61, 1<<61).Draw(t, "before")
		amount := rapid.Int64Range(-1<<61, 1<<61).Draw(t, "amount")
		c1, p1, err1 := Post(before, amount, rule)
		c2, p2, err2 := Post(before+amount, -amount, rule)
		if err1 != nil || err2 != nil || c1+c2 != 0 || p1+p2 != 0 {
			t.Fatalf("%d then back: creator %d %d, platform %d %d", amount, c1, c2, p1, p2)
		}
	})
}

func TestOverflowIsReported(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]int64{{math.MaxInt64, 1}, {math.MinInt64, -1}, {1 << 62, 1 << 62}} {
		if _, _, err := Post(c[0], c[1], IMVU); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("%d + %d: %v", c[0], c[1], err)
		}
	}
	for _, c := range [][2]int64{{math.MaxInt64, math.MinInt64}, {math.MinInt64, math.MaxInt64}, {-1, math.MaxInt64}} {
		creator, platform, err := Post(c[0], c[1], Platform)
		if err != nil || creator+platform != c[1] {
			t.Errorf("%d + %d: %d, %d, %v", c[0], c[1], creator, platform, err)
		}
	}
}

func TestRuleFollowsFromKind(t *testing.T) {
	t.Parallel()
	for kind, want := range map[nexus.UnitKind]Rule{nexus.KindIMVU: 55, nexus.KindPlatform: 80, nexus.KindChannel: 80} {
		if got, ok := ForKind(kind); !ok || got != want {
			t.Errorf("%s: %s", kind, got)
		}
	}
	if _, ok := ForKind(nexus.KindProbe); ok {
		t.Error("a probe has no rule of its own")
	}
}
