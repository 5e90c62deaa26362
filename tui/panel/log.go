package panel

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// LogLine is one line of the node's log, taken apart.
type LogLine struct {
	Time      time.Time
	Level     string // as written: DEBUG, INFO, WARN, ERROR; empty when the line has none
	Component string
	Text      string // message and attributes
}

// LogLevels are the least levels that the level key steps through.
func LogLevels() []string { return []string{"debug", "info", "warning", "error"} }

// ParseLogLine reads a line; one that is not JSON is shown as it is.
func ParseLogLine(line string) LogLine {
	var fields map[string]any
	numbers := json.NewDecoder(strings.NewReader(line))
	numbers.UseNumber() // as they are written: 1901853, not 1.901853e+06
	if numbers.Decode(&fields) != nil {
		return LogLine{Text: line}
	}
	word := func(key string) string {
		v, ok := fields[key]
		delete(fields, key)
		if !ok {
			return ""
		}
		return fmt.Sprint(v)
	}
	out := LogLine{Level: word("level"), Component: word("component")}
	out.Time, _ = time.Parse(time.RFC3339Nano, word("time"))
	parts := []string{word("msg")}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%s=%v", name, fields[name]))
	}
	out.Text = strings.Join(parts, " ")
	return out
}

// Rank orders levels: 0 debug, 1 info, 2 warning, 3 error. A line without a level counts as info.
func (l *LogLine) Rank() int {
	switch strings.ToUpper(l.Level) {
	case "DEBUG":
		return 0
	case "WARN", "WARNING":
		return 2
	case "ERROR":
		return 3
	}
	return 1
}

// Search is what a filter and a search see of a line.
func (l *LogLine) Search() string { return l.Level + " " + l.Component + " " + l.Text }

// LogInput is all that the log's drawing sees. Lines are oldest first, those that passed level and filter.
type LogInput struct {
	Theme           *theme.Theme
	Width, Height   int
	Lines           []*LogLine
	Cursor          int // position in Lines
	Found           func(*LogLine) bool
	Follow, Wrap    bool
	Level           int
	Search          string // as typed
	Matches, New    int
	Dropped, Hidden int // lines gone from memory; lines below the level
	Skipped         bool
	Paused          bool
	Problem         string
}

// DrawLog draws the log with the cursor's line in view: a rule, then lines.
func DrawLog(in LogInput) []string {
	s := newSheet(Input{Theme: in.Theme, Width: in.Width, Height: in.Height, Focus: true, Full: true, Filter: in.Search})
	right, style := "follow", theme.Good
	switch {
	case in.Paused:
		right, style = fmt.Sprintf("PAUSED, %d new", in.New), theme.Warn
	case !in.Follow:
		right, style = fmt.Sprintf("line %d of %d, f follows", in.Cursor+1, len(in.Lines)), theme.Info
	}
	words := "level " + LogLevels()[in.Level] + "+"
	if in.Search != "" {
		words += fmt.Sprintf(", %s", plural(in.Matches, "match"))
	}
	if in.Hidden > 0 {
		words += fmt.Sprintf(", %d below it", in.Hidden)
	}
	if in.Dropped > 0 {
		words += fmt.Sprintf(", %d dropped here (nexus logs has all)", in.Dropped)
	} else if in.Skipped {
		words += ", begins near the end (nexus logs has all)"
	}
	s.title(-1, "Log", words, right, style)
	if in.Problem != "" {
		s.next().Space(3).Add(theme.Bad, theme.Clean(in.Problem))
		s.end()
	}
	if len(in.Lines) == 0 && in.Problem == "" {
		s.next().Space(3).Add(theme.Faint, "no line of this level yet; i shows lower levels")
		s.end()
	}
	rows := logRows(in, s.left())
	for _, r := range rows {
		logRow(in, s.next(), r)
		s.end()
	}
	return s.done()
}

// logPiece is one screen line of a log line.
type logPiece struct {
	line  *LogLine
	text  string
	first bool
	at    bool // the cursor's
}

// logHead is the room for time, level and component, in cells.
const logHead = 13 + 6 + 11

// logRows picks the lines that fill the room with the cursor's at its end, so that a followed log has its newest at the bottom.
func logRows(in LogInput, room int) []logPiece {
	var out []logPiece
	end := min(in.Cursor, len(in.Lines)-1)
	if end < room-1 { // the beginning of the log: fill downward as far as it goes
		end = min(room-1, len(in.Lines)-1)
	}
	for i := end; i >= 0 && len(out) < room; i-- {
		pieces := logPieces(in, i)
		for k := len(pieces) - 1; k >= 0 && len(out) < room; k-- {
			out = append(out, pieces[k])
		}
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

func logPieces(in LogInput, i int) []logPiece {
	line := in.Lines[i]
	text := theme.Clean(line.Text)
	head := logHead
	switch {
	case in.Width < 60: // the text below its time, over the whole width
		head = 1
		text = logMark(line) + text
	case in.Width < 80:
		head = 9 + 6
	}
	if !in.Wrap {
		return []logPiece{{line, text, true, i == in.Cursor}}
	}
	var out []logPiece
	for k, piece := range theme.Hard(text, max(in.Width-head-3, 8)) {
		out = append(out, logPiece{line, piece, k == 0, i == in.Cursor})
	}
	if len(out) == 0 {
		out = append(out, logPiece{line, "", true, i == in.Cursor})
	}
	return out
}

// logMark is what stands before a line on a narrow screen: hour and minute, and the first letter of the level.
func logMark(line *LogLine) string {
	mark := ""
	if !line.Time.IsZero() {
		mark = line.Time.UTC().Format("15:04 ")
	}
	if line.Level != "" {
		mark += strings.ToUpper(string([]rune(line.Level)[:1])) + " "
	}
	return theme.Clean(mark)
}

func logRow(in LogInput, l *theme.Line, r logPiece) {
	style := [...]theme.Style{theme.Faint, theme.Plain, theme.Warn, theme.Bad}[r.line.Rank()]
	cursor := " "
	if r.at {
		cursor = in.Theme.Symbols.Cursor
	}
	l.Add(theme.Accent, " "+cursor)
	if in.Width < 60 {
		if in.Found != nil && in.Found(r.line) {
			style = theme.Accent
		}
		if l.Space(1); !r.first {
			l.Space(1)
		}
		l.Add(style, r.text)
		return
	}
	clock, component := "15:04:05.000", 11
	if in.Width < 80 {
		clock, component = "15:04:05", 0
	}
	at, level, name := "", "", ""
	if r.first {
		level, name = r.line.Level, r.line.Component
		if !r.line.Time.IsZero() {
			at = r.line.Time.UTC().Format(clock)
		}
	}
	l.Cell(theme.Faint, at, len(clock)+1).Cell(style, level, 6)
	if component > 0 {
		l.Cell(theme.Faint, theme.Clean(name), component-1).Space(1)
	}
	if in.Found != nil && in.Found(r.line) {
		style = theme.Accent
	}
	l.Add(style, r.text)
}
