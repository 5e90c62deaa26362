package personal

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

var (
	cluster = nexus.ID{1}
	unit    = nexus.ID{2}
)

func testKey(subject byte, number uint32) *Key {
	k := &Key{Subject: nexus.PublicKey{subject}, Number: number}
	for i := range k.Secret {
		k.Secret[i] = subject + byte(i)*7 + byte(number)
	}
	return k
}

func seal(t testing.TB, k *Key, text string, same bool) Token {
	t.Helper()
	random := rand.Reader
	if same {
		random = nil
	}
	token, err := Seal(k, cluster, unit, FieldReason, text, random)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestWhatIsSealedOpens(t *testing.T) {
	k := testKey(1, 0)
	for _, n := range []int{0, 1, 30, 31, 32, 33, 63, 64, 2048} {
		text := strings.Repeat("é"+"\x80\x00", n)[:n]
		token := seal(t, k, text, n%2 == 0)
		again, err := Parse(token.String())
		if err != nil {
			t.Fatal(err)
		}
		got, err := k.Open(&again, cluster)
		if err != nil || got != text {
			t.Fatalf("%d bytes: got %q, %v", n, got, err)
		}
		if got, err := OpenMessage(k.MessageKey(&again, cluster), &again, cluster); err != nil || got != text {
			t.Fatalf("%d bytes by the key of the message: %q, %v", n, got, err)
		}
		if again.TextMax() < n || again.TextMax() > n+padTo {
			t.Errorf("%d bytes: at most %d are told", n, again.TextMax())
		}
		if n > 3 && (strings.Contains(token.String(), text) || bytes.Contains(nexus.Encode(token), []byte(text))) {
			t.Errorf("%d bytes stand in the token as they are", n)
		}
	}
	if a, b := seal(t, k, "short", false), seal(t, k, "rather longer than it", false); len(a.Sealed) != len(b.Sealed) {
		t.Error("the length of a short text shows")
	}
}

func TestSameTextSameTokenOnlyWhenAsked(t *testing.T) {
	k := testKey(1, 0)
	if a, b := seal(t, k, "newsletter", true), seal(t, k, "newsletter", true); a.String() != b.String() {
		t.Error("the machine could not recognise what it has to")
	}
	if a, b := seal(t, k, "newsletter", false), seal(t, k, "newsletter", false); a.String() == b.String() {
		t.Error("two salts are the same")
	}
	if a, b := seal(t, k, "newsletter", true), seal(t, k, "newsletters", true); a.Salt == b.Salt {
		t.Error("one salt for two texts: the key of a message serves twice")
	}
	if a, b := seal(t, k, "newsletter", true), seal(t, testKey(2, 0), "newsletter", true); a.Salt == b.Salt || bytes.Equal(a.Sealed, b.Sealed) {
		t.Error("two people's tokens for one text are alike")
	}
}

// A text opens for its person, number, unit, field and cluster, and nowhere else.
func TestMovedTextsDoNotOpen(t *testing.T) {
	k := testKey(1, 3)
	for what, change := range map[string]func(*Token){
		"subject": func(x *Token) { x.Header.Subject[5]++ },
		"number":  func(x *Token) { x.Header.Number++ },
		"key":     func(x *Token) { x.Header.KeyID[0]++ },
		"unit":    func(x *Token) { x.Header.Unit[0]++ },
		"field":   func(x *Token) { x.Header.Field = FieldDestination },
		"salt":    func(x *Token) { x.Salt[15]++ },
		"text":    func(x *Token) { x.Sealed[3]++ },
		"tag":     func(x *Token) { x.Sealed[len(x.Sealed)-1]++ },
	} {
		token := seal(t, k, "words", false)
		change(&token)
		if got, err := k.Open(&token, cluster); nexus.CodeOf(err) != nexus.CodeCorrupt {
			t.Errorf("another %s: %q, %v", what, got, err)
		}
		// Also for whoever relabels the key with it.
		relabelled := *k
		relabelled.Subject, relabelled.Number = token.Header.Subject, token.Header.Number
		if got, err := relabelled.Open(&token, cluster); err == nil {
			t.Errorf("another %s, the key relabelled: %q", what, got)
		}
	}
	token := seal(t, k, "words", false)
	if got, err := k.Open(&token, nexus.ID{9}); err == nil {
		t.Errorf("in another cluster: %q", got)
	}
	message := k.MessageKey(&token, cluster)
	other := seal(t, k, "other words", false)
	if got, err := OpenMessage(message, &other, cluster); err == nil {
		t.Errorf("the key of one message opens another: %q", got)
	}
}

func TestReplace(t *testing.T) {
	k := testKey(1, 0)
	a, b := seal(t, k, "first", false), seal(t, k, strings.Repeat("long ", 80), false)
	words := func(x *Token) string {
		s, err := k.Open(x, cluster)
		if err != nil {
			return "?"
		}
		return strings.TrimSpace(s[:min(len(s), 9)])
	}
	cut := b.String()[:200]
	for _, c := range []struct{ in, want string }{
		{"nothing", "nothing"},
		{a.String(), "first"},
		{`to "` + a.String() + `", and ` + b.String() + ".", `to "first", and long long.`},
		{"so: " + cut, "so: " + CutWords},
		{"so: " + cut + "...", "so: " + CutWords},
		{"so: " + cut + "...\"}", "so: " + CutWords + "\"}"},
		{"{personal:1:no}, " + a.String(), "{personal:1:no}, first"},
		{"{personal:1:", CutWords},
		{"{personal:1:! " + a.String(), "{personal:1:! first"},
	} {
		if got := Replace(c.in, words); got != c.want {
			t.Errorf("%q becomes %q, not %q", c.in, got, c.want)
		}
	}
	if got := Hide("to " + a.String()); got != "to "+Hidden {
		t.Errorf("hidden: %q", got)
	}
}

// Whatever is read as a token is written the same way again, and a text around tokens comes through whole.
func FuzzParse(f *testing.F) {
	k := testKey(1, 0)
	f.Add(seal(f, k, "words", true).String())
	f.Add("{personal:1:}")
	f.Add("x {personal:1:AAAA} {personal:1:")
	f.Fuzz(func(t *testing.T, s string) {
		if token, err := Parse(s); err == nil {
			if token.String() != s {
				t.Fatalf("%q is written as %q", s, token)
			}
			if _, err := k.Open(&token, cluster); err == nil && s != seal(t, k, "words", true).String() {
				t.Fatalf("%q opens", s)
			}
		}
		if got := Replace(s, func(x *Token) string { return x.String() }); got != s && !strings.HasSuffix(got, CutWords) && !strings.Contains(got, CutWords) {
			t.Fatalf("%q becomes %q", s, got)
		}
	})
}
