package tui

import (
	"context"
	"io"

	tea "github.com/charmbracelet/bubbletea"
)

// guided hands the terminal to the guide and takes it back. It satisfies tea.ExecCommand; Bubble Tea calls it from one goroutine
// while the console neither draws nor reads, and pictures wait.
type guided struct {
	ctx           context.Context
	run           Guide
	in            io.Reader
	out           io.Writer
	width, height int
	writer        *frameWriter
	said          string
}

// SetStdin implements tea.ExecCommand.
func (g *guided) SetStdin(r io.Reader) { g.in = r }

// SetStdout implements tea.ExecCommand.
func (g *guided) SetStdout(w io.Writer) { g.out = w }

// SetStderr implements tea.ExecCommand; the guide says nothing there.
func (g *guided) SetStderr(io.Writer) {}

// Run implements tea.ExecCommand.
func (g *guided) Run() error {
	g.writer.partial.Store(true)
	defer g.writer.partial.Store(false)
	var err error
	g.said, err = g.run(g.ctx, g.in, g.out, g.width, g.height)
	return err
}

// guide opens the guided creation; without one the palette with the command line begun.
func (m *model) guide() tea.Cmd {
	if m.options.Guide == nil {
		return m.openPalette("imvu create --name ")
	}
	g := &guided{ctx: m.ctx, run: m.options.Guide, width: m.width, height: m.height, writer: m.writer}
	return tea.Exec(g, func(err error) tea.Msg { return actMsg{done: g.said, err: err} })
}
