package panel

import (
	"fmt"
	"strconv"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// sliceRecord says how the slice kept its latency budget: the minutes of this month that stand in the ledger, then those that were judged and are not
// posted yet, as `nexus slices record` does. rec is nil until the node said it, and from a node older than this.
func (p *Page) sliceRecord(waiting wire.MinuteCounts, rec *wire.ServiceUnit) {
	if rec == nil {
		if waiting != (wire.MinuteCounts{}) {
			p.Field("not posted", minutesWords(waiting), theme.Plain)
		}
		return
	}
	waiting = rec.SincePost // of the same moment as what is posted
	posted, breaches := wire.MinuteCounts{}, ""
	month := "this month"
	for _, m := range rec.Months { // of which there is one
		posted, month = wire.MinuteCounts{Kept: m.Kept, Broken: m.Broken, Void: m.Void}, m.Month
		if n := m.Breaches + m.ShortBreaches; n > 0 {
			breaches = ", " + pluralOf(n, "breach", "breaches")
		}
	}
	all := wire.MinuteCounts{Kept: posted.Kept + waiting.Kept, Broken: posted.Broken + waiting.Broken, Void: posted.Void + waiting.Void}
	none := wire.MinuteCounts{}
	switch {
	case all == none:
		p.Field("record, min", "no minute of "+month+" was judged yet: one is, when probes measured in it"+breaches, theme.Faint)
		return
	case posted == none:
		p.Field("record, min", month+": nothing posted yet, which is done once an hour"+breaches, theme.Faint)
	default:
		attained, style := attainment(posted)
		if attained != "" {
			attained += "; "
		}
		p.Field("record, min", month+": "+attained+minutesWords(posted)+breaches, style)
	}
	if waiting == none {
		p.Field("not posted", "nothing: all that was judged is in the record", theme.Faint)
		return
	}
	words, style := minutesWords(waiting), theme.Plain
	if attained, s := attainment(all); attained != "" {
		words, style = words+"; with them "+attained, s
	}
	p.Field("not posted", words, style)
}

// minutesWords counts judged minutes.
func minutesWords(c wire.MinuteCounts) string {
	return fmt.Sprintf("%s kept, %s broken, %s void", count(c.Kept), count(c.Broken), count(c.Void))
}

// attainment is the share of kept minutes, rounded down as the record does, so that 100 is all of them; "" where every
// minute was void.
func attainment(c wire.MinuteCounts) (string, theme.Style) {
	judged := c.Kept + c.Broken
	if judged == 0 {
		return "", theme.Faint
	}
	style := theme.Good
	if c.Broken > 0 {
		style = theme.Warn
	}
	return strconv.FormatFloat(float64(c.Kept*1_000_000/judged)/10_000, 'f', 4, 64) + " %", style
}

func pluralOf(n uint64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + more
}
