// Package proof is the checker of session mobility: a program behind the gateway and a client in front of it count every message both
// ways, with a rolling hash over what was sent and what came (SPEC section 4: nothing lost, repeated or reordered).
//
// Tests, `nexus bench session` and the live suite use the same code, so that a figure and a verdict mean the same thing everywhere.
// A message is 16 bytes: its number and, as a second witness, a mix of number and seed that a wrong number does not have. The package
// imports the root and slices/session/... of this module.
package proof
