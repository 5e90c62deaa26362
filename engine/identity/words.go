package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Words are proquints (arXiv:0901.4016): 16 bits are one pronounceable word of five letters, consonant and vowel in
// turn. They survive a telephone and a sheet of paper, need no word list, and decode to the same bits.
const (
	consonants = "bdfghjklmnprstvz"
	vowels     = "aiou"
)

// fingerprintWords words of 16 bits make the fingerprint that people compare: 128 bits, so that nobody finds another
// key with the same words.
const fingerprintWords = 8

// Words gives the words of a key's fingerprint: the first 128 bits of the SHA-256 of its 32 bytes.
func Words(k nexus.PublicKey) string {
	sum := sha256.Sum256(k[:])
	return encodeWords(sum[:2*fingerprintWords])
}

// RecoveryKey is a key kept on paper. Registered when an identity is created, it may rotate a lost key after a public
// wait of 72 hours; it never moves money (SPEC section 3).
type RecoveryKey struct {
	nexus.KeySigner
}

const recoveryDomain = "nexus-recovery-v1\n"

// recoveryChecksumLen bytes after the seed find a mistyped word (one in 2^32 gets by).
const recoveryChecksumLen = 4

// NewRecoveryKey makes one. It is written nowhere: show Secret once, and keep Public.
func NewRecoveryKey() (RecoveryKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return RecoveryKey{}, &nexus.Error{Op: "new recovery key", Code: nexus.CodeInternal, Cause: err}
	}
	return RecoveryKey{nexus.KeySigner(private)}, nil
}

// Secret gives the private key as 18 words, the last two a checksum. Whoever has them has the key.
func (k RecoveryKey) Secret() string {
	seed := ed25519.PrivateKey(k.KeySigner).Seed()
	return encodeWords(append(seed, recoveryChecksum(seed)...))
}

func recoveryChecksum(seed []byte) []byte {
	sum := sha256.Sum256(append([]byte(recoveryDomain), seed...))
	return sum[:recoveryChecksumLen]
}

// ParseRecoveryKey reads the words of Secret; spaces, hyphens, line breaks and capitals do not matter. No error text
// repeats the words.
func ParseRecoveryKey(words string) (RecoveryKey, error) {
	bad := func(format string, args ...any) (RecoveryKey, error) {
		return RecoveryKey{}, nexus.Errf("read recovery key", nexus.CodeMalformed, "recovery words",
			"18 words of five letters, as they were shown when the key was made", format, args...)
	}
	b, err := decodeWords(words)
	if err != nil {
		return bad("%v", err)
	}
	if want := ed25519.SeedSize + recoveryChecksumLen; len(b) != want {
		return bad("%d words, %d are wanted", len(b)/2, want/2)
	}
	seed := b[:ed25519.SeedSize]
	if string(recoveryChecksum(seed)) != string(b[ed25519.SeedSize:]) {
		return bad("the checksum does not fit: a word is wrong or two are swapped")
	}
	return RecoveryKey{nexus.KeySigner(ed25519.NewKeyFromSeed(seed))}, nil
}

func encodeWords(b []byte) string {
	var out strings.Builder
	for i := 0; i+1 < len(b); i += 2 {
		if i > 0 {
			out.WriteByte('-')
		}
		v := uint16(b[i])<<8 | uint16(b[i+1])
		out.WriteByte(consonants[v>>12])
		out.WriteByte(vowels[v>>10&3])
		out.WriteByte(consonants[v>>6&15])
		out.WriteByte(vowels[v>>4&3])
		out.WriteByte(consonants[v&15])
	}
	return out.String()
}

func decodeWords(s string) ([]byte, error) {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return strings.ContainsRune(" -\t\r\n", r) })
	out := make([]byte, 0, 2*len(words))
	for n, w := range words {
		if len(w) != 5 {
			return nil, fmt.Errorf("word %d has %d letters, not five", n+1, len(w))
		}
		v := 0
		for i := range 5 {
			alphabet := consonants
			if i%2 == 1 {
				alphabet = vowels
			}
			at := strings.IndexByte(alphabet, w[i])
			if at < 0 {
				return nil, fmt.Errorf("word %d has a letter that such words do not have", n+1)
			}
			v = v*len(alphabet) + at
		}
		out = append(out, byte(v>>8), byte(v))
	}
	return out, nil
}
