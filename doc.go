// Package nexus holds the words that every room of the house shares: identifiers, the signed Action and its one
// canonical encoding, Money, Event, Receipt and typed errors.
//
// It imports the standard library only and has no behaviour beyond formatting, validation and canonical encoding.
// It must import no other package of this module: root < siblings < engine < cmd (docs/ARCHITECTURE.md).
package nexus
