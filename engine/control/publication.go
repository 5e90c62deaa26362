package control

import (
	"net/http"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// publicationRoutes are what the platform publishes, and what units used at list prices.
func (s *Server) publicationRoutes() {
	s.handle("GET /v1/published", publicRead, s.published)
	s.handle("GET /v1/published/exits", publicRead, s.publishedExits)
	s.handle("GET /v1/published/prices", publicRead, s.publishedPrices)
	s.handle("GET /v1/used", publicRead, s.used)
}

func (s *Server) published(http.ResponseWriter, *http.Request, caller) (any, error) {
	return PublishedOf(s.engine())
}

// PublishedOf lists what an engine's ledger has published. Error: one of reading the ledger.
func PublishedOf(e *engine.Engine) (wire.Published, error) {
	out := wire.Published{Exits: []wire.PublishedRow{}, Missing: []string{}, Prices: []wire.PriceList{}}
	first, err := e.FirstMonth()
	if err != nil {
		return out, err
	}
	out.First = state.MonthText(first)
	now := e.Now()
	e.View(func(st *state.State) {
		next := first
		for _, p := range st.Published() {
			out.Exits = append(out.Exits, wire.PublishedRow{Month: state.MonthText(p.Month), Size: p.Size, Digest: p.Digest.String(), Decision: p.Index, Entry: p.Entry,
				Time: utc(p.TimeMs)})
			next = state.NextMonth(p.Month)
		}
		out.Missing = append(out.Missing, monthsOver(next, now)...)
		held, _ := st.PricesIn(uint32(now.UTC().Year()*100 + int(now.UTC().Month())))
		for _, l := range st.PriceLists() {
			p := wire.PriceList{Number: l.Number, From: state.MonthText(l.FromMonth), Holds: l.Number == held.Number, Announced: utc(l.AnnouncedMs),
				Currency: l.Currency,
				Digest:   l.Digest().String(), Entry: l.Entry, Decision: l.Index, Lines: []wire.PriceLine{}}
			for _, line := range l.Lines {
				p.Lines = append(p.Lines, wire.PriceLine(line))
			}
			out.Prices = append(out.Prices, p)
		}
	})
	return out, nil
}

// monthsOver lists the months from one on that are over, at most a hundred years of them.
func monthsOver(month uint32, now time.Time) (out []string) {
	for range 1200 {
		end, ok := state.MonthEndMs(month)
		if !ok || now.UnixMilli() < end {
			return out
		}
		out = append(out, state.MonthText(month))
		month = state.NextMonth(month)
	}
	return out
}

func (s *Server) publishedExits(_ http.ResponseWriter, r *http.Request, _ caller) (any, error) {
	month, err := engine.StatementMonth(r.URL.Query().Get("month"))
	if err != nil {
		return nil, err
	}
	file, err := s.engine().PublishedExits(r.Context(), month)
	return wire.PublishedFile{File: file}, err
}

func (s *Server) publishedPrices(_ http.ResponseWriter, r *http.Request, _ caller) (any, error) {
	number, err := uintParam(r, "number", 0)
	if err != nil {
		return nil, err
	}
	file, err := s.engine().PublishedPrices(r.Context(), uint32(min(number, 1<<32-1)))
	return wire.PublishedFile{File: file}, err
}

// used answers GET /v1/used?unit=: of units that the caller may read.
func (s *Server) used(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	var only nexus.ID
	if word := r.URL.Query().Get("unit"); word != "" {
		var err error
		if only, err = s.findFor(who, word); err != nil {
			return nil, err
		}
	}
	out := wire.Used{Units: []wire.UsedMonth{}}
	s.engine().View(func(st *state.State) {
		lists := st.PriceLists()
		for _, u := range st.SortedUnits() {
			m, ok := st.UsageOf(u.ID)
			if ok && (only.IsZero() || u.ID == only) && s.sees(who, st, u) {
				out.Units = append(out.Units, usedRow(u, &m, lists))
			}
		}
	})
	return out, nil
}

func usedRow(u *state.Unit, m *state.UsageMonth, lists []state.PriceList) wire.UsedMonth {
	row := wire.UsedMonth{Unit: u.Label, UnitID: u.ID.String(), Month: state.MonthText(m.Month), Lines: []wire.UsedLine{}, Totals: []wire.Amount{}}
	for _, l := range m.Lines {
		line := wire.UsedLine{Meter: l.Meter, Quantity: l.Quantity, List: l.List}
		if l.List > 0 && int(l.List) <= len(lists) {
			list := &lists[l.List-1]
			if p, ok := list.Line(l.Meter); ok {
				line.Per, line.Price, line.Currency = p.Per, p.Minor, list.Currency
				if amount, fits := p.Amount(l.Quantity); fits {
					line.Amount = &amount
					row.Totals = addAmount(row.Totals, list.Currency, amount)
				}
			}
		}
		row.Lines = append(row.Lines, line)
	}
	return row
}

func addAmount(list []wire.Amount, currency string, minor int64) []wire.Amount {
	for i := range list {
		if list[i].Currency == currency {
			if sum, ok := nexus.AddMinor(list[i].Minor, minor); ok {
				list[i].Minor = sum
			}
			return list
		}
	}
	return append(list, wire.Amount{Currency: currency, Minor: minor})
}
