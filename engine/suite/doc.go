// Package suite holds the live suites (SPEC section 6): they act on the stack as it stands, through the same door as
// everybody else, and say with numbers what they saw.
//
// Promises: real accounts are never touched; every unit made is of kind probe in the test currency and is retired at
// the end, also after a failure, while its entries stay; a check is recorded as passed only when the thing was looked
// at; a suite that this version does not have is named as skipped with the reason and counts no checks. What a suite
// compares with is recomputed with code of its own.
//
// Pattern: one file per suite, one ordered list in order.go. It must not import a fabric other than the edge's, and no
// user interface.
package suite
