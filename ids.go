package nexus

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// ID is a 128-bit identifier of a unit, an action or a cluster, printed as 32 hexadecimal digits.
type ID [16]byte

// String gives 32 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether the id is unset.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText accepts exactly 32 hexadecimal digits.
func (id *ID) UnmarshalText(b []byte) error { return unhex("id", id[:], b) }

// unhex fills dst from exactly as many digits as it holds, and leaves it alone on failure.
func unhex(what string, dst, b []byte) error {
	raw, err := hex.DecodeString(string(b))
	if err != nil || len(raw) != len(dst) {
		return Errf("parse "+what, CodeMalformed, fmt.Sprintf("%s %q", what, b),
			fmt.Sprintf("%d hexadecimal digits", 2*len(dst)), "not of that form")
	}
	copy(dst, raw)
	return nil
}

// ParseID reads 32 hexadecimal digits.
func ParseID(s string) (ID, error) {
	var id ID
	err := id.UnmarshalText([]byte(s))
	return id, err
}

// DeriveID hashes the parts, each with its length before it, into an id (SPEC section 5: a unit's id is the hash of
// genesis and creating action).
func DeriveID(domain string, parts ...[]byte) ID {
	h := sha256.New()
	h.Write(AppendCanonical(nil, domain))
	for _, p := range parts {
		h.Write(AppendCanonical(nil, p))
	}
	var id ID
	copy(id[:], h.Sum(nil))
	return id
}

// PublicKey is an Ed25519 public key: an identity. Printed as standard base64 of its 32 bytes.
type PublicKey [32]byte

// String gives the base64 form.
func (k PublicKey) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

// Short gives the first 8 hexadecimal digits of the key's SHA-256, for logs and narrow columns.
func (k PublicKey) Short() string { s := sha256.Sum256(k[:]); return hex.EncodeToString(s[:4]) }

// IsZero reports whether the key is unset.
func (k PublicKey) IsZero() bool { return k == PublicKey{} }

// Verify reports whether sig is k's signature over msg.
func (k PublicKey) Verify(msg, sig []byte) bool {
	return len(sig) == ed25519.SignatureSize && ed25519.Verify(k[:], msg, sig)
}

// MarshalText implements encoding.TextMarshaler.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the base64 form.
func (k *PublicKey) UnmarshalText(b []byte) error {
	// Strict, and of the one length: otherwise stray bits or line breaks would give one key several texts.
	raw, err := base64.StdEncoding.Strict().DecodeString(string(b))
	if err != nil || len(raw) != len(k) || len(b) != base64.StdEncoding.EncodedLen(len(k)) {
		return Errf("parse key", CodeMalformed, fmt.Sprintf("public key %q", b), "base64 of 32 bytes",
			"not an Ed25519 public key")
	}
	copy(k[:], raw)
	return nil
}

// Hash is a SHA-256 digest.
type Hash [32]byte

// String gives lower-case hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether the digest is unset.
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText accepts exactly 64 hexadecimal digits.
func (h *Hash) UnmarshalText(b []byte) error { return unhex("hash", h[:], b) }

// UnitKind says what a unit of account is; the split rule follows from it and from nothing else (SPEC section 1).
type UnitKind uint8

// The kinds. Values are stored: never renumber.
const (
	KindIMVU     UnitKind = 1 // independent modular virtual unit, 55/45
	KindPlatform UnitKind = 2 // mini-platform, 80/20
	KindChannel  UnitKind = 3 // one creator's channel on a mini-platform, 80/20
	KindProbe    UnitKind = 4 // made by a suite, currency XTS only; carries its own rule field
)

var unitKindNames = [...]string{KindIMVU: "imvu", KindPlatform: "platform", KindChannel: "channel", KindProbe: "probe"}

// String gives the word used in CLI and JSON.
func (k UnitKind) String() string {
	if int(k) < len(unitKindNames) && unitKindNames[k] != "" {
		return unitKindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// MaxSlugBytes bounds a slug, so that a suffix against clashes still fits one DNS label of 63 bytes.
const MaxSlugBytes = 40

// folds writes accented Latin letters as the plain letters they are filed under: the first of each word stands for the rest.
var folds = func() *strings.Replacer {
	pairs := []string{"ß", "ss", "æ", "ae", "œ", "oe", "þ", "th"}
	for _, word := range strings.Fields("aàáâãäåāăą cçćĉċč dðďđ eèéêëēĕėęě gĝğġģ hĥħ iìíîïĩīĭįı jĵ kķ " +
		"lĺļľł nñńņň oòóôõöøōŏő rŕŗř sśŝşš tţťŧ uùúûüũūŭůűų wŵ yýÿŷ zźżž") {
		for _, letter := range word[1:] {
			pairs = append(pairs, string(letter), word[:1])
		}
	}
	return strings.NewReplacer(pairs...)
}()

// Slug makes a DNS label from a display name: lower-case ASCII letters, digits, single hyphens, at most MaxSlugBytes.
// Accents are folded (é is e); other scripts are dropped, so the result may be empty; the caller then falls back to the unit's label.
func Slug(name string) string {
	var b strings.Builder
	hyphen := false
	for _, r := range folds.Replace(strings.ToLower(name)) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			hyphen = true
			continue
		}
		separator := "-"
		if !hyphen || b.Len() == 0 {
			separator = ""
		}
		if b.Len()+len(separator)+1 > MaxSlugBytes {
			break // before the hyphen, so that it never stands last
		}
		b.WriteString(separator)
		b.WriteRune(r)
		hyphen = false
	}
	return b.String()
}
