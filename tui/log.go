package tui

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
)

// Limits and pace of the log.
const (
	logLinesMax  = 5000
	logTimeout   = 45 * time.Second // of one request: the node itself waits for lines
	logRetry     = 2 * time.Second
	refreshEvery = time.Second
)

// logState is the node's log as this console has it. Only the program's goroutine touches it.
type logState struct {
	asking  bool // a request is under way
	next    int64
	lines   []*panel.LogLine
	pending []*panel.LogLine // came while paused
	dropped int
	skipped bool
	problem string

	cursor  int // position among the lines shown
	follow  bool
	wrap    bool
	level   int
	version uint64 // of what is shown
	shown   []*panel.LogLine
	hidden  int
	built   uint64 // version that shown is of
}

// moveTo puts the cursor somewhere among n lines; at the last one the log is followed.
func (s *logState) moveTo(pos, n int) {
	s.cursor = max(min(pos, n-1), 0)
	s.follow = s.cursor == n-1
}

// take adds lines that came.
func (s *logState) take(lines []string, paused bool) {
	for _, text := range lines {
		l := panel.ParseLogLine(text)
		if paused {
			s.pending = append(s.pending, &l)
			continue
		}
		s.lines = append(s.lines, &l)
	}
	s.trim()
	s.version++
}

// trim keeps the newest lines and counts the others; paused lines count too, so memory stays bounded.
func (s *logState) trim() {
	if n := len(s.pending) - logLinesMax; n > 0 {
		s.pending, s.dropped = append([]*panel.LogLine(nil), s.pending[n:]...), s.dropped+n
	}
	if n := len(s.lines) - logLinesMax; n > 0 {
		s.lines, s.dropped = append([]*panel.LogLine(nil), s.lines[n:]...), s.dropped+n
		s.cursor = max(s.cursor-n, 0)
	}
}

// release shows what came during a pause.
func (s *logState) release() {
	s.lines, s.pending = append(s.lines, s.pending...), nil
	s.trim()
	s.version++
}

// logLines are the lines at or above the level, kept until something changes. With follow the cursor stays at the newest.
func (m *model) logLines() []*panel.LogLine {
	s := &m.log
	if s.built != s.version || s.shown == nil {
		s.shown, s.hidden, s.built = make([]*panel.LogLine, 0, len(s.lines)), 0, s.version
		for _, l := range s.lines {
			if l.Rank() < s.level {
				s.hidden++
				continue
			}
			s.shown = append(s.shown, l)
		}
	}
	if s.follow {
		s.cursor = max(len(s.shown)-1, 0)
	}
	s.cursor = max(min(s.cursor, len(s.shown)-1), 0)
	return s.shown
}

// openLog starts reading the log if nobody does.
func (m *model) openLog() tea.Cmd {
	if m.log.asking {
		return nil
	}
	m.log.asking = true
	return m.askLog(0)
}

// askLog asks for the lines after those that are here.
func (m *model) askLog(after time.Duration) tea.Cmd {
	session, backend, from := m.ctx, m.options.Backend, m.log.next
	return func() tea.Msg {
		if !sleep(session, after) {
			return nil
		}
		ctx, cancel := context.WithTimeout(session, logTimeout)
		defer cancel()
		page, err := backend.Log(ctx, from)
		return logMsg{page: page, err: err}
	}
}

// logged takes lines in and asks on, as long as the log is looked at.
func (m *model) logged(msg logMsg) tea.Cmd {
	s := &m.log
	wait := time.Duration(0)
	if msg.err != nil {
		s.problem, wait = describe(msg.err), logRetry
		s.version++
	} else {
		s.problem, s.next = "", msg.page.Next
		s.skipped = s.skipped || msg.page.Skipped > 0
		if len(msg.page.Lines) > 0 {
			s.take(msg.page.Lines, m.paused)
		}
	}
	if m.view != keymap.LogNumber {
		s.asking = false
		return nil
	}
	return m.askLog(wait)
}

// drawLog draws the log on the whole body.
func (m *model) drawLog(height int) []string {
	lines, s := m.logLines(), &m.log
	in := panel.LogInput{Theme: m.theme(), Width: m.width, Height: height, Lines: lines, Cursor: s.cursor, Follow: s.follow, Wrap: s.wrap, Level: s.level,
		Dropped: s.dropped, Hidden: s.hidden, Skipped: s.skipped, Paused: m.paused, New: len(s.pending), Problem: s.problem}
	if m.found != nil {
		in.Search = m.found.Text
		in.Found = func(l *panel.LogLine) bool { return m.found.Keep(l.Search()) }
		for _, l := range lines {
			if in.Found(l) {
				in.Matches++
			}
		}
	}
	return panel.DrawLog(in)
}
