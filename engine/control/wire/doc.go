// Package wire holds the plain data types of the local API: what the node's control socket answers, what the console
// draws and what the command line prints as JSON. It has no behaviour beyond naming things and small look-ups.
//
// Promises: JSON keys are stable snake_case and consumers ignore keys they do not know; money is an integer in the
// currency's minor unit beside its ISO 4217 code; times are RFC 3339 in UTC; durations carry their unit in the name; a
// measurement that was not taken is null and never 0. A value handed to a reader is never changed afterwards.
//
// It imports the standard library and the root package only, so that the console can use it without the engine.
package wire
