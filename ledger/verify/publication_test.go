package verify_test

import (
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// FuzzCheckPublication: no bytes make the checker panic, and none pass that no key signed.
func FuzzCheckPublication(f *testing.F) {
	f.Add([]byte(`{"format":"nexus-publication-v1","what":"exits","document":{"version":1},"signature":"","proof":{"format":"nexus-proof-v1"}}` + "\n"))
	f.Add([]byte(`{"format":"nexus-publication-v1","what":"prices","document":{},"signature":"x\n\n— y z\n","proof":{}}` + "\n"))
	b := newBook(4)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := verify.CheckPublication(raw, b.options()); err == nil {
			t.Errorf("%q passes", raw)
		}
	})
}
