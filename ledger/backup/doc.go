// Package backup is the form of a ledger's backup: a directory of parts, each holding the records since the part before,
// under a checkpoint that the node signed (docs/operate/backup.md).
//
// Promises: every byte of a part is covered by its SHA-256, and each part names the one before by its SHA-256, so a flipped
// bit, a cut file, a missing part in between and a part of another backup are errors that name the file. That the newest
// part is missing cannot be seen from the rest: it is an older backup, which only a checkpoint seen elsewhere tells.
//
// It holds no key and no state: a restore applies the records again (engine.Restore). It must not import engine.
package backup
