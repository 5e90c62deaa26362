// Package wizard asks a creator, one question a screen, for what a new IMVU or mini-platform needs, shows what all 17
// gates say to it, creates it and prints its card.
//
// Promises: going back loses nothing; the draft is kept in a file after each answer and taken up again; each answer is
// checked when it is given, not while it is typed; the split is shown and cannot be edited; nothing is created before
// the review is accepted; the accessible form asks the same in plain lines. Steps follow one pattern, listed in steps.
//
// It imports the root package, engine/control/wire, tui/theme and the Charm libraries; it writes no file but the draft.
package wizard
