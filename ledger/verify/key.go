package verify

import (
	"encoding/base64"
	"errors"
	"strings"
)

// ParseKey reads the key of a log's signer: its verifier key, "nexus/<cluster>+<hash>+<key>", which names the cluster too, or the base64
// public key alone. Error: what is wrong with it.
func ParseKey(text string) (Options, error) {
	var o Options
	raw := text
	if name, rest, ok := strings.Cut(text, "+"); ok && strings.HasPrefix(text, "nexus/") {
		_, rest, _ = strings.Cut(rest, "+")
		b, err := base64.StdEncoding.Strict().DecodeString(rest)
		if err != nil || len(b) != 33 || b[0] != 1 || o.Cluster.UnmarshalText([]byte(strings.TrimPrefix(name, "nexus/"))) != nil {
			return o, errors.New("not a key")
		}
		raw = base64.StdEncoding.EncodeToString(b[1:])
	}
	if err := o.Key.UnmarshalText([]byte(raw)); err != nil {
		return o, errors.New("not a key")
	}
	if vkey, err := vkeyOf(o); raw != text && (err != nil || vkey != text) {
		return o, errors.New("the hash inside the key does not fit it: it was changed or mistyped")
	}
	return o, nil
}
