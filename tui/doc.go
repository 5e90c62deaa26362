// Package tui is the operators' and creators' console: one Bubble Tea model over a stream of immutable snapshots.
//
// The road of a picture: Backend.Watch hands over an Overview, the pacer keeps the newest and wakes the program at most
// ten times a second (four on a slow link), Update compares its sections with the ones before, View joins the cached
// lines of the panels, and one frame writer counts what goes out. Keys pass the pacer by. Nothing ticks while nothing
// changes. Every act goes through Backend, so through the gates; the console has no private path.
//
// Promises: View is pure and exactly as high as the terminal, no line is wider; a lost node leaves the last picture,
// greyed; a lost terminal ends Run; tenant text never reaches the terminal unescaped.
//
// It imports the root package, tui/* and engine/control/wire only: never the engine, and neither files nor environment.
package tui
