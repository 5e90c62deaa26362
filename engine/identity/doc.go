// Package identity keeps the keys: OpenSSH key files and their sidecars, signatures through an ssh-agent, genesis, the
// recovery key, encrypted backups, and the checkpoints that a client pins outside the data directory (SPEC section 3,
// DESIGN section 3).
//
// It promises that no private key is used whose stored bytes, derived public key and recorded public key disagree;
// that every file it makes is complete or absent, mode 0600; and that a damaged byte in a key, a sidecar or genesis is
// found with the file named. It decides nothing about what an identity may do: that is the replicated state's.
//
// It imports the root package, golang.org/x/crypto/ssh and filippo.io/age, and must not import ledger, gates, slices,
// cluster or any other engine package. It reads no environment variable: paths and sockets are given by the caller.
package identity
