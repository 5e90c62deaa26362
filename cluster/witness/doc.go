// Package witness is cosigning by outside parties, both ways, as C2SP tlog-witness (c2sp.org/tlog-witness) and tlog-cosignature
// (c2sp.org/tlog-cosignature) have it. A Witness keeps, of each log that it was told of, the newest checkpoint that it cosigned, and
// cosigns another only with a proof that the log has only grown. A Feeder is the log's side: it hands new checkpoints to witnesses and
// keeps their cosignatures.
//
// It promises: a Witness has a checkpoint on disk before it gives its cosignature away, never cosigns two histories of one log, and
// keeps the proof when a log's key signed two. A Feeder never makes the log wait, and believes no cosignature that it did not check.
// Of the house it imports the root package, ledger/merkle for proofs and ledger/verify for cosignatures; it must not import ledger:
// it judges logs of any origin.
package witness
