package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/creack/pty"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// What consoles are hard to use on: very many units, a slow line, a window that is dragged about.
const (
	unitsMany     = 20_000
	scrolled      = 100 // rows
	linkBytes     = 20_000
	linkTrip      = 150 * time.Millisecond // there and back
	stormSizes    = 200
	stormEvery    = 10 * time.Millisecond
	linkBacklog   = time.Second // after which a screen must be the present one
	residentUnits = 1 << 10     // of /proc/PID/status
)

// many gives the picture of a node with n units, each with a tally, and the lists that it carries the beginnings of.
func many(o *wire.Overview, n int) (*wire.Overview, []wire.UnitRow, []wire.TallyRow) {
	units, tallies := make([]wire.UnitRow, 0, n), make([]wire.TallyRow, 0, n)
	for i := range n {
		id, label, name := nexus.DeriveID("bench", fmt.Append(nil, i)).String(), fmt.Sprintf("IMVU-%03d", i+1), fmt.Sprintf("Film %05d", i)
		units = append(units, wire.UnitRow{ID: id, Label: label, Name: name, Kind: "imvu", OwnerName: fmt.Sprintf("owner-%d", i%997), Status: "active",
			Domain: fmt.Sprintf("film-%05d.nexus.localhost", i), Rule: "55/45", Jurisdiction: "US-CCPA", Dormant: true})
		gross := int64(100 * (i + 1))
		tallies = append(tallies, wire.TallyRow{Unit: label, UnitID: id, Label: label, Name: name, Kind: "imvu", Rule: "55/45", Currency: "USD",
			Gross: gross, Creator: gross / 100 * 55, Platform: gross / 100 * 45, Events: 1})
	}
	own := *o
	own.Units, own.UnitsTotal = units[:min(n, wire.UnitRowsMax)], n
	own.Tallies, own.TalliesTotal = tallies[:min(n, wire.TallyRowsMax)], n
	own.Cut, own.Alerts = n > wire.UnitRowsMax, nil
	own.Totals = []wire.TotalRow{{Rule: "55/45", Currency: "USD", Units: n, Gross: int64(n) * int64(n+1) * 50}}
	own.Totals[0].Creator = own.Totals[0].Gross / 100 * 55
	own.Totals[0].Platform = own.Totals[0].Gross - own.Totals[0].Creator
	return &own, units, tallies
}

// manyUnits measures the view of twenty thousand units: opening it, until all are there, scrolling, filtering, and what the process holds then.
func (m *measure) manyUnits(ctx context.Context) ([]figure, error) {
	still, err := m.node.Overview(ctx)
	if err != nil {
		return nil, err
	}
	o, units, tallies := many(still, unitsMany)
	s, err := serveRecorded(m.o.Dir, o)
	if err != nil {
		return nil, err
	}
	defer s.close()
	s.hold(units, tallies)
	t, _, err := m.console(ctx, small(), s.path)
	if err != nil {
		return nil, err
	}
	defer t.close("q")
	if err := pause(ctx, warmUp); err != nil {
		return nil, err
	}
	all := strconv.Itoa(unitsMany/1000) + ",000"
	open, err := t.until(ctx, "6", "the units", shows("6 Units", all+" in all"))
	if err != nil {
		return nil, err
	}
	pressed := time.Now().Add(-open)
	at, err := t.await(ctx, frameMost, "the whole list", shows(all+" dormant"))
	if err != nil {
		return nil, err
	}
	var rows, keys []time.Duration
	for i := range scrolled {
		d, err := t.until(ctx, "j", "the next row", shows(fmt.Sprintf("▸ IMVU-%03d ", i+2)))
		if err != nil {
			return nil, err
		}
		rows = append(rows, d)
	}
	if _, err := t.until(ctx, "/", "the filter line", shows("/_")); err != nil {
		return nil, err
	}
	for i, text := 0, "film 1999"; i < len(text); i++ {
		d, err := t.until(ctx, text[i:i+1], "the letter", shows("/"+text[:i+1]+"_"))
		if err != nil {
			return nil, err
		}
		keys = append(keys, d)
	}
	if _, err := t.await(ctx, glyphMost, "ten rows", shows("(10 shown)")); err != nil {
		return nil, err
	}
	held, err := resident(t.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	row, key := milliseconds(rows), milliseconds(keys)
	detail := fmt.Sprintf("%s units, 80x24, recorded picture", all)
	return []figure{{name: "20,000 units: key to view", unit: "ms", value: float64(open.Microseconds()) / 1000, limit: limit(200), detail: detail},
		{name: "20,000 units: key to the whole list", unit: "ms", value: float64(at.Sub(pressed).Microseconds()) / 1000, detail: detail},
		{name: "20,000 units: scrolling, key to glyph, p99", unit: "ms", value: quantile(row, 99), limit: limit(60), detail: fmt.Sprintf("%d rows", len(row))},
		{name: "20,000 units: filtering, key to glyph, p99", unit: "ms", value: quantile(key, 99), limit: limit(60), detail: fmt.Sprintf("%d letters", len(key))},
		{name: "20,000 units: memory of the console", unit: "MB", value: held / 1e6, detail: "resident"}}, nil
}

// until presses a key and waits until the screen holds something; it gives how long that took.
func (t *terminal) until(ctx context.Context, key, what string, holds func(string) bool) (time.Duration, error) {
	sent := time.Now()
	if err := t.press(key); err != nil {
		return 0, err
	}
	at, err := t.await(ctx, frameMost, what, holds)
	return at.Sub(sent), err
}

// resident is the memory of a process that is in the machine's, in bytes.
func resident(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB"), 64)
			return kib * residentUnits, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status names no resident memory", pid)
}

// slowLink measures the overview of the node under load over a line that carries so many bytes a second, each half a trip late: how long a
// key takes to show, and how long after the load's end the last figure does. Nothing may be queued up by then.
func (m *measure) slowLink(ctx context.Context) ([]figure, error) {
	if _, err := m.tallied(ctx); err != nil {
		return nil, err
	}
	t, _, err := m.console(ctx, small(), "")
	if err != nil {
		return nil, err
	}
	defer t.close("\x1b")
	t.slow(linkBytes, linkTrip/2)
	load := m.startLoad(ctx)
	defer load.stop()
	if err := pause(ctx, warmUp); err != nil {
		return nil, err
	}
	if _, err := t.until(ctx, "/", "the filter line", shows("/_")); err != nil {
		return nil, err
	}
	var list []time.Duration
	before, from := t.count(), time.Now()
	for typed := ""; time.Since(from) < m.o.Duration; {
		key := "\x7f"
		if typed = typed[:max(len(typed)-1, 0)]; len(list)%2 == 0 {
			typed, key = typed+"z", "z"
		}
		d, err := t.until(ctx, key, "the key", shows("/"+typed+"_"))
		if err != nil {
			return nil, err
		}
		list = append(list, d)
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
	rate := float64(t.count()-before) / time.Since(from).Seconds()
	if err := t.press("\x1b"); err != nil {
		return nil, err
	}
	detail, err := load.end()
	if err != nil {
		return nil, err
	}
	ended := time.Now()
	o, err := m.tallied(ctx)
	if err != nil {
		return nil, err
	}
	at, err := t.await(ctx, frameMost, "the last figure", shows(grossText(o)))
	if err != nil {
		return nil, err
	}
	ms, detail := milliseconds(list), fmt.Sprintf("%d keys, 20 KB/s, 150 ms there and back, 80x24, %s", len(list), detail)
	return []figure{{name: "slow link, key to glyph under load, p50", unit: "ms", value: quantile(ms, 50), detail: detail},
		{name: "slow link, key to glyph under load, p99", unit: "ms", value: quantile(ms, 99), limit: limit(500), detail: detail},
		{name: "slow link, bytes", unit: "bytes/s", value: rate, limit: limit(linkBytes), detail: detail},
		{name: "slow link, behind when the load ends", unit: "ms", value: float64(max(at.Sub(ended), 0).Microseconds()) / 1000,
			limit: limit(float64(linkBacklog.Milliseconds())), detail: detail}}, nil
}

// tallied makes an event durable and gives a picture that has it: a frame of the console is complete when a tally is in it.
func (m *measure) tallied(ctx context.Context) (*wire.Overview, error) {
	if err := m.node.Mark(ctx); err != nil {
		return nil, err
	}
	gross, err := m.node.Marked(ctx)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(settleMost); ; {
		o, err := m.node.Overview(ctx)
		if err != nil {
			return nil, err
		}
		for i := range o.Tallies {
			if t := &o.Tallies[i]; t.Unit == MarkUnit && t.Currency == MarkCurrency && t.Gross >= gross {
				return o, nil
			}
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("no picture has the event after %v", settleMost)
		}
		if err := pause(ctx, pictureEvery); err != nil {
			return nil, err
		}
	}
}

// grossText is the gross of all units under 55/45 as the splits panel shows it.
func grossText(o *wire.Overview) string {
	for _, t := range o.Totals {
		if t.Currency == MarkCurrency && t.Rule == "55/45" {
			return nexus.Money{Minor: t.Gross, Currency: t.Currency}.Decimal()
		}
	}
	return "4 Splits"
}

// resizes measures a window that is dragged about: its last screen must be the one that a console of that size begins with.
func (m *measure) resizes(ctx context.Context) ([]figure, error) {
	still, err := m.tallied(ctx)
	if err != nil {
		return nil, err
	}
	s, err := serveRecorded(m.o.Dir, still)
	if err != nil {
		return nil, err
	}
	defer s.close()
	t, _, err := m.console(ctx, wide(), s.path)
	if err != nil {
		return nil, err
	}
	defer t.close("q")
	if err := m.settleInMinute(ctx, settleMost+stormSizes*stormEvery); err != nil {
		return nil, err
	}
	cpu, err := cpuTime(t.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	before, from := t.count(), time.Now()
	for i := range stormSizes {
		z := size{40 + i*37%161, 8 + i*11%53}
		if i == stormSizes-1 {
			z = wide()
		}
		if err := t.resize(z); err != nil {
			return nil, err
		}
		if err := pause(ctx, stormEvery); err != nil {
			return nil, err
		}
	}
	took, sent := time.Since(from), t.count()-before
	after, err := cpuTime(t.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	fresh, _, err := m.console(ctx, wide(), s.path)
	if err != nil {
		return nil, err
	}
	want, _, _ := fresh.look()
	fresh.close("q")
	differ := 0.0
	if _, err := t.await(ctx, settleMost, "the screen of a new console", func(screen string) bool { return screen == want }); err != nil {
		differ = 1
	}
	detail := fmt.Sprintf("%d sizes in %.1f s", stormSizes, took.Seconds())
	return []figure{{name: "resize storm, last screens unlike a new one", value: differ, limit: limit(0), detail: detail},
		{name: "resize storm, CPU", unit: "% core", value: 100 * (after - cpu).Seconds() / took.Seconds(), detail: detail},
		{name: "resize storm", unit: "bytes/s", value: float64(sent) / took.Seconds(), detail: detail}}, nil
}

// resize gives the terminal another size, the program's side and the parsed one.
func (t *terminal) resize(z size) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.vt.Resize(z.columns, z.rows)
	return pty.Setsize(t.master, &pty.Winsize{Cols: uint16(z.columns), Rows: uint16(z.rows)})
}
