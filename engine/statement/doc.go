// Package statement makes a unit's monthly statement from the unit's entries (SPEC section 1: an invoice is a document made from the
// ledger): the fold, its canonical digest, and its forms as text and CSV; package page beside it draws the PDF.
//
// It is pure: the same entries and closed months give the same document, byte for byte, on every machine, so a statement is never
// stored. Its figures are integers in minor units. It must not import the engine, consensus or a store.
package statement
