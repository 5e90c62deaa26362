package personal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Field says what a sealed text is. Values are stored: never renumber.
type Field uint8

// The fields.
const (
	FieldDestination Field = 1 // where a payout goes
	FieldReference   Field = 2 // the payment provider's, of a payout
	FieldReason      Field = 3 // words of a dispute, an answer or a payout that failed
	FieldPurpose     Field = 4 // of a consent
	FieldUse         Field = 5 // what a consent was used for
)

// SecretLen is the length of a person's key, and of the key of one message, in bytes.
const SecretLen = 32

const (
	tokenBegin = "{personal:1:"
	tokenEnd   = "}"
	padTo      = 32      // bytes: the length of a sealed text tells no more than this
	tokenMax   = 8 << 10 // bytes of base64 in a token; longer ones are none

	sealDomain    = "nexus-personal-v1\n"
	messageDomain = "nexus-personal-message-v1\n"
	saltDomain    = "nexus-personal-salt-v1\n"
	keyIDDomain   = "nexus-personal-key-v1\n"
)

// Header is what a sealed text says of itself. It is readable by everybody and covered by the seal.
type Header struct {
	Subject nexus.PublicKey // whose text it is
	Number  uint32          // of the person's key: how many erasures came before it
	KeyID   [4]byte         // Key.ID of the key
	Unit    nexus.ID        // the text is about
	Field   Field
}

// Token is a sealed text.
type Token struct {
	Header Header
	Salt   [16]byte
	Sealed []byte // AES-256-GCM, nonce of zeros (the key serves once), over the padded text
}

// Key is one person's key. Number counts the erasures before it.
type Key struct {
	Subject nexus.PublicKey
	Number  uint32
	Secret  [SecretLen]byte
}

// ID tells two keys of one person and number apart, after a store was lost. It says nothing about the key.
func (k *Key) ID() (id [4]byte) {
	copy(id[:], k.mac(keyIDDomain, nil))
	return id
}

func (k *Key) mac(domain string, data []byte) []byte {
	h := hmac.New(sha256.New, k.Secret[:])
	h.Write([]byte(domain))
	h.Write(data)
	return h.Sum(nil)
}

// MessageKey is the key of one token: it opens that token and no other.
func (k *Key) MessageKey(t *Token, cluster nexus.ID) (out [SecretLen]byte) {
	copy(out[:], k.mac(messageDomain, t.bound(cluster)))
	return out
}

// bound are the bytes that the seal binds the text to.
func (t *Token) bound(cluster nexus.ID) []byte {
	return nexus.AppendCanonical([]byte(sealDomain), struct {
		Cluster nexus.ID
		Header  Header
		Salt    [16]byte
	}{cluster, t.Header, t.Salt})
}

// Seal seals a text under a person's key. The salt comes from random; with nil it follows from key, header and text, so that the same
// text gives the same token: for what the machine must recognise again. Only who has the key can then tell what it says.
func Seal(k *Key, cluster, unit nexus.ID, field Field, text string, random io.Reader) (Token, error) {
	t := Token{Header: Header{Subject: k.Subject, Number: k.Number, KeyID: k.ID(), Unit: unit, Field: field}}
	if random == nil {
		copy(t.Salt[:], k.mac(saltDomain, nexus.AppendCanonical(t.bound(cluster), text)))
	} else if _, err := io.ReadFull(random, t.Salt[:]); err != nil {
		return t, fmt.Errorf("salt: %w", err)
	}
	aead, err := messageCipher(k.MessageKey(&t, cluster))
	if err != nil {
		return t, err
	}
	padded := make([]byte, (len(text)/padTo+1)*padTo)
	copy(padded, text)
	padded[len(text)] = 0x80
	t.Sealed = aead.Seal(nil, make([]byte, aead.NonceSize()), padded, t.bound(cluster))
	return t, nil
}

// Open gives the text of a token sealed under k in this cluster. Error: nexus.CodeCorrupt when it is of another key, person, cluster,
// unit or field, or was changed.
func (k *Key) Open(t *Token, cluster nexus.ID) (string, error) {
	id := k.ID()
	if t.Header.Subject != k.Subject || t.Header.Number != k.Number || subtle.ConstantTimeCompare(id[:], t.Header.KeyID[:]) != 1 {
		return "", notOpened(t, errors.New("sealed under another key"))
	}
	return OpenMessage(k.MessageKey(t, cluster), t, cluster)
}

// OpenMessage is Open with the key of the one token: whoever had a text sealed sees that it is theirs.
func OpenMessage(message [SecretLen]byte, t *Token, cluster nexus.ID) (string, error) {
	aead, err := messageCipher(message)
	if err != nil {
		return "", err
	}
	padded, err := aead.Open(nil, make([]byte, aead.NonceSize()), t.Sealed, t.bound(cluster))
	if err != nil {
		return "", notOpened(t, err)
	}
	end := len(padded) - 1
	for end >= 0 && padded[end] == 0 {
		end--
	}
	if end < 0 || padded[end] != 0x80 {
		return "", notOpened(t, errors.New("without its end"))
	}
	return string(padded[:end]), nil
}

func notOpened(t *Token, cause error) error {
	return nexus.Errf("open personal text", nexus.CodeCorrupt, "text of "+t.Header.Subject.Short(), "", "%w", cause)
}

func messageCipher(key [SecretLen]byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// TextMax is an upper bound of the sealed text's length in bytes, known without the key.
func (t *Token) TextMax() int { return max(0, len(t.Sealed)-16-1) }

// String is the form in which a token stands in a text: letters, digits, and braces around them.
func (t Token) String() string {
	return tokenBegin + base64.RawURLEncoding.EncodeToString(nexus.Encode(t)) + tokenEnd
}

// Parse reads a text that is one token and nothing else; there is one spelling of each. Error: nexus.CodeMalformed.
func Parse(s string) (Token, error) {
	inner, ok := strings.CutPrefix(s, tokenBegin)
	if ok {
		inner, ok = strings.CutSuffix(inner, tokenEnd)
	}
	bad := func(why string) (Token, error) {
		return Token{}, nexus.Errf("read personal text", nexus.CodeMalformed, "sealed text", "send what POST /v1/personal/seal answers", "%s", why)
	}
	if !ok || len(inner) > tokenMax {
		return bad("not of that form")
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(inner)
	if err != nil || len(inner) != base64.RawURLEncoding.EncodedLen(len(raw)) {
		return bad("not base64")
	}
	var t Token
	if err := nexus.Decode(raw, &t); err != nil {
		return bad(err.Error())
	}
	if t.Header.Field < FieldDestination || t.Header.Field > FieldUse || len(t.Sealed) <= 16 || (len(t.Sealed)-16)%padTo != 0 {
		return bad("unknown field, or of no whole length")
	}
	return t, nil
}

// Sealed reports whether a text is one token.
func Sealed(s string) bool {
	_, err := Parse(s)
	return err == nil
}

// Holds reports whether there may be a token somewhere in a text. It is cheap.
func Holds(s string) bool { return strings.Contains(s, tokenBegin) }

// CutWords stands for a token that a bound on the text around it cut short.
const CutWords = "(personal words, cut short here)"

// Hidden stands for a token where nobody is asked who may read it.
const Hidden = "(personal)"

// Replace puts what words gives for it in the place of every token in a text. A token that was cut off at the end of the text becomes
// CutWords; whatever else only begins like one is left as it is.
func Replace(text string, words func(*Token) string) string {
	if !Holds(text) {
		return text
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, tokenBegin)
		out.WriteString(before)
		if !found {
			return out.String()
		}
		n := tokenChars(rest)
		t, err := Parse(tokenBegin + rest[:min(n+1, len(rest))])
		switch {
		case err == nil:
			out.WriteString(words(&t))
			text = rest[n+1:]
		case n == len(rest) || strings.HasPrefix(rest[n:], "..."):
			out.WriteString(CutWords)
			text = strings.TrimPrefix(rest[n:], "...")
		default:
			out.WriteString(tokenBegin)
			text = rest
		}
	}
}

// Hide puts Hidden in the place of every token: for what goes to others.
func Hide(text string) string { return Replace(text, func(*Token) string { return Hidden }) }

// tokenChars counts the characters of base64 that a text begins with.
func tokenChars(s string) int {
	n := strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
	if n < 0 {
		return len(s)
	}
	return n
}
