package bundle_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// The owner leaves with the words that the ledger has sealed, and only with those that are still there: what a person had erased is gone
// from a bundle made later.
func TestWordsLeaveWithTheUnit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	unit, _ := r.populate()
	read := func() (sealed, words []string) {
		t.Helper()
		got := r.bundle(unit)
		dir := got.Dir
		raw, err := os.ReadFile(filepath.Join(dir, "words.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadFile(filepath.Join(dir, "consents.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			var l struct{ Sealed, Words string }
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatal(err)
			}
			sealed, words = append(sealed, l.Sealed), append(words, l.Words)
		}
		if len(sealed) == 0 || !strings.Contains(string(entries), sealed[0]) || strings.Contains(string(entries), "newsletter") {
			t.Fatalf("sealed %q, consents %s", sealed, entries)
		}
		return sealed, words
	}
	if _, words := read(); words[0] != "newsletter" || words[1] != "acct_1" {
		t.Fatalf("words: %q", words)
	}
	r.must(key(7), state.KindIdentityErase, nexus.ID{}, state.IdentityErase{Subject: key(7).Public()})
	if _, words := read(); strings.Contains(strings.Join(words, ","), "newsletter") || !strings.Contains(words[0], "erased") || words[1] != "acct_1" {
		t.Errorf("after the erasure: %q", words)
	}
}
