// Package state is the deterministic machine: one command in, one decision with its effect and its ledger entries out.
//
// Promises: Apply is a function of the state, the index and the command's bytes. It reads no clock, does no I/O but
// looking up replicated keys through Lookup, uses no floats and never depends on the order of a map. Every replica, every
// restart and every replay therefore gets the same bytes. The 17 gates decide here, at the command's index, from facts
// that this package takes from the state and from evidence a node signed (DESIGN.md section 1).
//
// It must not import a fabric, the control API or anything with a clock. Concurrency: a State has one owner; the engine
// serialises Apply and lets readers in between.
package state
