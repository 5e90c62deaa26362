package control

import (
	"fmt"
	"net/http"
	stdslices "slices"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// serviceRecord answers GET /v1/slices/record?unit=&month=YYYY-MM: the service-level record of the units the caller sees. Units
// that were never measured and have no breach are left out unless asked for by name.
func (s *Server) serviceRecord(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	word, month := r.URL.Query().Get("unit"), r.URL.Query().Get("month")
	out := wire.ServiceRecord{Units: []wire.ServiceUnit{}}
	sincePost := map[string]wire.MinuteCounts{}
	for _, row := range s.node.Slices() {
		sincePost[row.Unit] = row.MinutesSincePost
	}
	var err error
	s.engine().View(func(st *state.State) {
		var only *state.Unit
		if word != "" {
			u, ok := st.FindUnit(word)
			if !ok || !s.sees(who, st, u) {
				err = nexus.Errf("slices record", nexus.CodeNotFound, fmt.Sprintf("unit %q", word), "list units with nexus imvu list", "no such unit")
				return
			}
			only = u
		}
		for _, u := range st.SortedUnits() {
			if only != nil && u != only || only == nil && (u.Kind == nexus.KindProbe || !s.sees(who, st, u)) {
				continue
			}
			months, open := st.ServiceLevel(u.ID)
			shorts, short := st.ShortWindows(u.ID)
			last := sincePost[u.ID.String()]
			if only == nil && len(months)+len(shorts) == 0 && !open.Open && !short.Open && last == (wire.MinuteCounts{}) {
				continue
			}
			unit := serviceUnit(u, months, open, month)
			unit.SincePost = last
			addShort(&unit, shorts, short, month)
			out.Units = append(out.Units, unit)
		}
	})
	return out, err
}

// recordOf gives the running month's record of a slice's unit, nil while the state has no such unit.
func (s *Server) recordOf(r *wire.SliceRow) (out *wire.ServiceUnit) {
	e := s.engine()
	if e == nil {
		return nil
	}
	month := time.Now().UTC().Format("2006-01")
	e.View(func(st *state.State) {
		u, ok := st.FindUnit(r.Unit)
		if !ok {
			return
		}
		months, open := st.ServiceLevel(u.ID)
		shorts, short := st.ShortWindows(u.ID)
		unit := serviceUnit(u, months, open, month)
		unit.SincePost = r.MinutesSincePost
		addShort(&unit, shorts, short, month)
		out = &unit
	})
	return out
}

func serviceUnit(u *state.Unit, months []state.ServiceMonth, open state.SliceBreach, only string) wire.ServiceUnit {
	ms := func(micros int64) float64 { return float64(micros) / 1000 }
	out := wire.ServiceUnit{Unit: u.Label, Name: u.Name, BudgetMs: ms(u.Slice.BudgetMicros), GuaranteedBps: uint64(u.Slice.GuaranteedBps),
		Months: []wire.ServiceMonth{}}
	for _, m := range months {
		row := wire.ServiceMonth{Month: state.MonthText(m.Month), Kept: m.Kept, Broken: m.Broken, Void: m.Void,
			Breaches: m.Breaches, WorstP99Ms: ms(m.WorstP99)}
		if ppm, ok := m.AttainmentPpm(); ok {
			percent := float64(ppm) / 10_000
			row.Attainment = &percent
		}
		if only == "" || only == row.Month {
			out.Months = append(out.Months, row)
		}
	}
	if open.Open {
		out.Breach = &wire.ServiceBreach{Since: utc(open.SinceMs), BudgetMs: ms(open.Budget), P99Ms: ms(open.AddedP99),
			BaselineP99Ms: ms(open.BaselineP99), Samples: open.Samples, Missed: open.Missed}
	}
	return out
}

// addShort adds what came of the guaranteed rate. A month may have windows and no minutes: those are posted later.
func addShort(u *wire.ServiceUnit, months []state.ShortMonth, open state.SliceShort, only string) {
	for _, m := range months {
		word := state.MonthText(m.Month)
		if only != "" && only != word {
			continue
		}
		at := stdslices.IndexFunc(u.Months, func(row wire.ServiceMonth) bool { return row.Month >= word })
		if at < 0 {
			at = len(u.Months)
		}
		if at == len(u.Months) || u.Months[at].Month != word {
			u.Months = stdslices.Insert(u.Months, at, wire.ServiceMonth{Month: word})
		}
		worst := float64(m.WorstPpm) / 10_000
		u.Months[at].ShortBreaches, u.Months[at].ShortWindows, u.Months[at].WorstPercent = m.Breaches, m.Windows, &worst
	}
	if open.Open {
		u.Short = &wire.ServiceShort{Since: utc(open.SinceMs), GuaranteedBps: open.GuaranteedBps, Windows: open.Windows, Short: open.Short,
			WorstPercent: float64(open.WorstPpm) / 10_000}
	}
}
