package main

import (
	"encoding/json"
	"fmt"
	"io"
	stdslices "slices"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// print writes a result to stdout: as JSON when asked for, else by the function.
func (a *app) print(v any, text func(w io.Writer) error) error {
	if !a.conf.json() {
		return text(a.out)
	}
	return printJSON(a.out, v)
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// table prints columns that are aligned on a terminal, where some characters take two cells and some none.
// A column whose name in head begins with > is aligned to the right. On a page that says how wide it is (Columns() int, in cells) the rows of
// a wider table are folded.
type table struct {
	head []string
	rows [][]string
	none string // printed to nobody when there are rows
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) error {
	if len(t.rows) == 0 && t.none != "" {
		_, err := fmt.Fprintln(w, t.none)
		return err
	}
	width := make([]int, len(t.head))
	head := make([]string, len(t.head))
	right := make([]bool, len(t.head))
	for i, h := range t.head {
		head[i], right[i] = strings.TrimPrefix(h, ">"), strings.HasPrefix(h, ">")
		width[i] = len(head[i])
	}
	for _, row := range t.rows {
		for i := range row {
			row[i] = oneLine(row[i])
			width[i] = max(width[i], theme.Width(row[i]))
		}
	}
	starts := []int{0}
	if page, ok := w.(interface{ Columns() int }); ok {
		starts = folds(width, page.Columns())
	}
	for _, row := range append([][]string{head}, t.rows...) {
		var b strings.Builder
		for i, cell := range row {
			if i > 0 && stdslices.Contains(starts, i) {
				text := strings.TrimRight(b.String(), " ")
				b.Reset()
				b.WriteString(text + "\n" + strings.Repeat(" ", foldIndent))
			}
			gap := strings.Repeat(" ", width[i]-theme.Width(cell))
			if right[i] {
				b.WriteString(gap + cell)
			} else {
				b.WriteString(cell + gap)
			}
			b.WriteString("  ")
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// foldIndent is how far the further lines of a row that was folded stand in, in cells.
const foldIndent = 4

// folds gives the columns with which the lines of a row begin, so that each line fits into so many cells, if its one column does; headings and
// rows are broken at the same places and stay one under the other. Without a limit, or if all fits, a row is one line.
func folds(width []int, cells int) []int {
	starts, used := []int{0}, 0
	for i, w := range width {
		if cells > 0 && i > starts[len(starts)-1] && used+w > cells {
			starts, used = append(starts, i), foldIndent
		}
		used += w + 2
	}
	return starts
}

// oneLine makes a cell of a text from outside: no line breaks, no escapes; a dash for nothing.
func oneLine(s string) string {
	if s == "" {
		return "-"
	}
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(clean(s))
}

// pairs prints a list of names with values, one a line.
func pairs(w io.Writer, list ...string) error {
	width := 0
	for i := 0; i < len(list); i += 2 {
		width = max(width, len(list[i]))
	}
	for i := 0; i < len(list); i += 2 {
		if list[i+1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-*s  %s\n", width, list[i], clean(list[i+1])); err != nil {
			return err
		}
	}
	return nil
}

func money(minor int64, currency string) string {
	return nexus.Money{Minor: minor, Currency: currency}.Decimal()
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func milliseconds(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f", *v)
}

// bytesText prints a size in the unit people gave it in.
func bytesText(n uint64) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d B", n)
}

// sayRest says that a list is only the newest part of what there is, and how the rest is seen.
func (a *app) sayRest(shown, total int) {
	if total > shown {
		a.say("the newest %d of %d; --unit and --status show the rest", shown, total)
	}
}
