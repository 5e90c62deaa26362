// Package verify is the independent checker of the ledger: it recomputes, from stored bytes and with code of its own,
// seals, canonical form, salts, commitments, the RFC 6962 root, unit chains, log time, double entry, the cumulative
// split of every revenue entry, indexes, tiles and the checkpoint.
//
// It promises: streaming, memory bounded by the number of units and currencies and by Options.FindingsMax; it never
// panics on what it reads and never stops at the first finding when it can go on. It shares no code with what writes
// the ledger: it must not import ledger, ledger/badgerstore, ledger/merkle, ledger/split, gates, slices, cluster or
// engine. It imports the root package for ids, keys and errors only, and golang.org/x/mod/sumdb/note for signed
// notes.
//
// What it proves, exactly (SPEC section 6): that the stored bytes are one unbroken history under the rules. That it is
// the same history as somebody saw before needs Options.Pinned, kept outside the data directory.
package verify
