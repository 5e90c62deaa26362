// Package rules holds the 17 gates of the constitution, one a file, each named after its slug (SPEC section 1), and the
// one ordered list of them.
//
// Promises: every check is a pure function of gates.Facts; it never reads a fact that the actor filled in to say that
// it complies; a refusal names a reason code, what was observed, what is required and the smallest change that would
// be allowed. It imports package gates and the root only.
package rules
