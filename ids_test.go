package nexus_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func TestSlug(t *testing.T) {
	t.Parallel()
	forty := strings.Repeat("a", 40)
	for name, want := range map[string]string{
		"TestProject":                "testproject",
		"20th Century Fox":           "20th-century-fox",
		"  --Sony/Columbia (US) -- ": "sony-columbia-us",
		"Amélie & Friends":           "amelie-friends",
		"日本":                         "",
		"":                           "",
		"a":                          "a",
		"-":                          "",
		forty:                        forty,
		forty + "b":                  forty,
		forty + " b":                 forty,
		forty[:39] + " b":            forty[:39],
		forty[:38] + " b":            forty[:38] + "-b",
		forty[:38] + " bc":           forty[:38] + "-b",
		forty[:39] + "é日本日本日本日本日本日本z":     forty[:39] + "e",
		strings.Repeat("é", 100) + "late": strings.Repeat("e", 40),
	} {
		if got := nexus.Slug(name); got != want {
			t.Errorf("Slug(%q) = %q, want %q", name, got, want)
		}
	}
}

func FuzzSlug(f *testing.F) {
	f.Add(strings.Repeat("a", 39) + " b")
	f.Add("Ünïted – Artists")
	label := regexp.MustCompile(`^([a-z0-9]+(-[a-z0-9]+)*)?$`)
	f.Fuzz(func(t *testing.T, name string) {
		slug := nexus.Slug(name)
		if len(slug) > nexus.MaxSlugBytes || !label.MatchString(slug) {
			t.Fatalf("Slug(%q) = %q is no DNS label of at most 40 bytes", name, slug)
		}
		if again := nexus.Slug(slug); again != slug {
			t.Fatalf("Slug is not stable: %q, then %q", slug, again)
		}
	})
}

func TestParsingIDs(t *testing.T) {
	t.Parallel()
	const text = "000102030405060708090a0b0c0d0e0f"
	id, err := nexus.ParseID(text)
	if err != nil || id.String() != text || id.IsZero() {
		t.Errorf("got %s, %v", id, err)
	}
	if upper, err := nexus.ParseID(strings.ToUpper(text)); err != nil || upper != id {
		t.Errorf("upper case: got %s, %v", upper, err)
	}
	for _, bad := range []string{"", text[:31], text + "0", text[:30] + "zz", " " + text[1:], "IMVU-001"} {
		if got, err := nexus.ParseID(bad); nexus.CodeOf(err) != nexus.CodeMalformed || !got.IsZero() {
			t.Errorf("%q gives %s, %v", bad, got, err)
		}
	}
}

func TestTextFormsInJSON(t *testing.T) {
	t.Parallel()
	type words struct {
		ID   nexus.ID
		Key  nexus.PublicKey
		Hash nexus.Hash
	}
	want := words{nexus.ID{1}, nexus.PublicKey{2}, nexus.Hash{3}}
	encoded, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got words
	if err := json.Unmarshal(encoded, &got); err != nil || got != want {
		t.Errorf("%s reads as %+v, %v", encoded, got, err)
	}
	if want.Hash.IsZero() || want.Key.IsZero() || !(nexus.Hash{}).IsZero() || !(nexus.PublicKey{}).IsZero() {
		t.Error("IsZero is wrong")
	}
	if err := got.Hash.UnmarshalText([]byte("03")); nexus.CodeOf(err) != nexus.CodeMalformed || got.Hash != want.Hash {
		t.Errorf("a short hash gives %s, %v", got.Hash, err)
	}
}

// One key has one text: otherwise two registry entries could name the same identity.
func TestPublicKeyHasOneText(t *testing.T) {
	t.Parallel()
	key := testSigner('k').Public()
	text := key.String()
	var got nexus.PublicKey
	if err := got.UnmarshalText([]byte(text)); err != nil || got != key || len(key.Short()) != 8 {
		t.Fatalf("got %s (%s), %v", got, key.Short(), err)
	}
	strayBit := []byte(text)
	strayBit[42]++ // the last letter carries two bits that must be zero
	for _, bad := range []string{"", text[:43], text + "=", text[:20] + "\n" + text[20:], string(strayBit), "ssh"} {
		before := got
		if err := got.UnmarshalText([]byte(bad)); nexus.CodeOf(err) != nexus.CodeMalformed || got != before {
			t.Errorf("%q gives %s, %v", bad, got, err)
		}
	}
}

func TestUnitKinds(t *testing.T) {
	t.Parallel()
	for kind, want := range map[nexus.UnitKind]string{nexus.KindIMVU: "imvu", nexus.KindPlatform: "platform",
		nexus.KindChannel: "channel", nexus.KindProbe: "probe", 0: "kind(0)", 5: "kind(5)", 255: "kind(255)"} {
		if kind.String() != want {
			t.Errorf("kind %d prints as %q, want %q", uint8(kind), kind, want)
		}
	}
}

// FuzzTexts: what is read as an id, a hash or a key is written the same way (hexadecimal in lower case), and a refusal leaves
// the value alone.
func FuzzTexts(f *testing.F) {
	f.Add(strings.Repeat("0a", 16))
	f.Add(strings.Repeat("F0", 32))
	f.Add(nexus.PublicKey{1, 2, 3}.String())
	f.Add(nexus.PublicKey{}.String() + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := nexus.ParseID(text); err == nil && id.String() != strings.ToLower(text) || err != nil && !id.IsZero() {
			t.Errorf("id %q: %s, %v", text, id, err)
		}
		var h nexus.Hash
		if err := h.UnmarshalText([]byte(text)); err == nil && h.String() != strings.ToLower(text) || err != nil && !h.IsZero() {
			t.Errorf("hash %q: %s, %v", text, h, err)
		}
		var k nexus.PublicKey
		if err := k.UnmarshalText([]byte(text)); err == nil && k.String() != text || err != nil && !k.IsZero() {
			t.Errorf("key %q: %s, %v", text, k, err)
		}
	})
}
