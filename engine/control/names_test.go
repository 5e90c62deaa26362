package control

import (
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// A stored text that names a key is read with the name of who holds it. A key that nobody here has, and other texts, stay as they are.
func TestKeysInNoticesAreRead(t *testing.T) {
	t.Parallel()
	eva, stranger := nexus.PublicKey{1}, nexus.PublicKey{2}
	st := &state.State{Identities: map[nexus.PublicKey]*state.Identity{eva: {Name: "eva"}}}
	for text, want := range map[string]string{
		"unit.transfer to key " + eva.Short() + " on IMVU-001, by maria": "unit.transfer to eva on IMVU-001, by maria",
		"unit.transfer to key " + stranger.Short():                       "unit.transfer to key " + stranger.Short(),
		"a monkey " + eva.Short():                                        "a monkey " + eva.Short(),
		"key " + eva.Short() + "00":                                      "key " + eva.Short() + "00",
		"IMVU-002 is now suspended: ":                                    "IMVU-002 is now suspended",
		"IMVU-002 is now suspended: late rent":                           "IMVU-002 is now suspended: late rent",
	} {
		if got := noticeRow(&keyNames{st: st}, &state.InboxNotice{Text: text}).Text; got != want {
			t.Errorf("%q is read as %q, want %q", text, got, want)
		}
	}
}

// Two keys whose first digits are the same are neither's name: a name said of the wrong one would be worse than digits.
func TestTwoKeysOfOneShortFormAreNotNamed(t *testing.T) {
	t.Parallel()
	seen := map[string]nexus.PublicKey{}
	for n := uint32(0); n < 1<<20; n++ { // by the birthday bound some 80,000 are enough
		key := nexus.PublicKey{byte(n), byte(n >> 8), byte(n >> 16), 1}
		other, twice := seen[key.Short()]
		if !twice {
			seen[key.Short()] = key
			continue
		}
		st := &state.State{Identities: map[nexus.PublicKey]*state.Identity{key: {Name: "eva"}, other: {Name: "mallory"}}}
		if text := "to key " + key.Short(); (&keyNames{st: st}).in(text) != text {
			t.Errorf("%q is read as %q", text, (&keyNames{st: st}).in(text))
		}
		return
	}
	t.Fatal("no two keys share a short form")
}
