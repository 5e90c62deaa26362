// Package aaterm settles the terminal's background before the console's libraries ask for it.
//
// Bubble Tea v1 queries the terminal for its background colour while packages initialise and waits up to 5 s for an
// answer, in every program that links it, `nexus version` included. Go initialises packages whose needs are met in the
// order of their import paths, and this path sorts before github.com/charmbracelet/bubbletea: so the answer is already
// there when Bubble Tea looks, no byte is written and nothing waits. The name keeps it first among our own packages.
//
// Promise: importing it for its effect is enough, and cmd must do so. It imports lipgloss only, because any further
// import could put its own initialisation after Bubble Tea's. TestSilentTerminal keeps the promise.
package aaterm

import "github.com/charmbracelet/lipgloss"

// Pinned is true once the default renderer has a background. A variable and not an init function, for the house has
// none; dark is only the default of libraries: every style of ours comes from a renderer of the session (tui/theme).
var Pinned = pin()

func pin() bool {
	lipgloss.SetHasDarkBackground(true)
	return true
}
