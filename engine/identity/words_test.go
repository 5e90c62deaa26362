package identity

import (
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func TestProquintVectors(t *testing.T) {
	t.Parallel()
	// From the proquint paper, arXiv:0901.4016.
	for words, b := range map[string][]byte{
		"lusab-babad": {127, 0, 0, 1}, "gutih-tugad": {63, 84, 220, 193}, "gutuk-bisog": {63, 118, 7, 35},
		"mudof-sakat": {140, 98, 193, 141}, "haguz-biram": {64, 255, 6, 200}, "mabiv-gibot": {128, 30, 52, 45},
		"natag-lisaf": {147, 67, 119, 2}, "tibup-zujah": {212, 58, 253, 68}, "tobog-higil": {216, 35, 68, 215},
		"todah-vobij": {216, 68, 232, 21}, "sinid-makam": {198, 81, 129, 136}, "budov-kuras": {12, 110, 110, 204},
	} {
		if got := encodeWords(b); got != words {
			t.Errorf("%v gives %s, want %s", b, got, words)
		}
		if got := must[[]byte](t)(decodeWords(words)); string(got) != string(b) {
			t.Errorf("%s gives %v", words, got)
		}
	}
}

func TestRecoveryKey(t *testing.T) {
	t.Parallel()
	key := must[RecoveryKey](t)(NewRecoveryKey())
	secret := key.Secret()
	words := strings.Split(secret, "-")
	if len(words) != 18 {
		t.Fatalf("%d words", len(words))
	}
	for _, form := range []string{secret, strings.ToUpper(secret), strings.Join(words, " \n\t")} {
		if got := must[RecoveryKey](t)(ParseRecoveryKey(form)); got.Public() != key.Public() {
			t.Error("another key came back")
		}
	}
	if n := len(strings.Split(Words(key.Public()), "-")); n != 8 {
		t.Errorf("fingerprint of %d words", n)
	}
	other := must[RecoveryKey](t)(NewRecoveryKey())
	if Words(other.Public()) == Words(key.Public()) {
		t.Error("two keys have one fingerprint")
	}
	for i := range len(words) - 1 {
		swapped := append([]string(nil), words...)
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		if swapped[i] == swapped[i+1] {
			continue
		}
		_, err := ParseRecoveryKey(strings.Join(swapped, " "))
		wantCode(t, err, nexus.CodeMalformed, "checksum")
		if strings.Contains(err.Error(), words[0]) {
			t.Error("the error repeats a secret word")
		}
	}
	for _, bad := range []string{"", "lusab", strings.Join(words[1:], "-"), secret + "-lusab",
		strings.Repeat("aaaaa ", 18)} {
		_, err := ParseRecoveryKey(bad)
		wantCode(t, err, nexus.CodeMalformed)
	}
}
