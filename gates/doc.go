// Package gates is the policy engine: Facts in, 17 verdicts out, one Decision, and the Permit that nothing else can
// make.
//
// Promises: all 17 gates run for every action; a gate is a pure function of Facts; a Permit exists only for a decision
// that allows and that its Minter has seen committed. It must not import ledger, slices, cluster, engine or tui, and it
// does no I/O. The gates themselves stand one a file in gates/rules, listed in gates/rules/order.go.
package gates
