package engine_test

import "crypto/ed25519"

func newKey(seed []byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(seed) }
