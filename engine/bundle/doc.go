// Package bundle is exit and import: it writes the folder with which a unit leaves, checks one, and takes one in (docs/exit.md, SPEC
// section 5). A bundle is plain files under one checkpoint, listed in a manifest that the node signs; ledger/verify has the format and the
// checks that need a public key alone.
//
// Promises: what Write sends was made under one checkpoint; Receive leaves a verified folder in place or nothing that could be taken for
// one, whenever it is killed; nothing here acts on the state. It must not import the node or the command line.
package bundle
