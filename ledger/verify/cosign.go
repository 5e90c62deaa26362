package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// cosignatureType is the type byte of an Ed25519 cosignature, version 1 (c2sp.org/tlog-cosignature).
const cosignatureType = 4

// WitnessKey is the key of an outside witness: it cosigns checkpoints with Ed25519, version 1 (c2sp.org/tlog-cosignature).
type WitnessKey struct {
	Name   string // a URL without its scheme by custom; UTF-8 without spaces and plus signs
	Public nexus.PublicKey
}

// ParseWitnessKey reads a verifier key of type 4, "name+hash+base64", as a witness publishes it. Error: nexus.CodeMalformed.
func ParseWitnessKey(vkey string) (WitnessKey, error) {
	bad := func(format string, args ...any) (WitnessKey, error) {
		return WitnessKey{}, nexus.Errf("witness key", nexus.CodeMalformed, strconv.Quote(vkey),
			"give the verifier key that the witness publishes: name+hash+base64, of type 4 (cosignature/v1)", format, args...)
	}
	if len(vkey) > 1024 {
		return bad("%d bytes, at most 1024", len(vkey))
	}
	words := strings.SplitN(vkey, "+", 3) // base64 has plus signs of its own
	if len(words) != 3 {
		return bad("not three parts")
	}
	raw, err := strict64(words[2])
	switch {
	case err != nil || len(raw) != 1+len(nexus.PublicKey{}):
		return bad("the last part is not the base64 of a type and an Ed25519 key")
	case raw[0] == 1:
		return bad("a key that signs notes (type 1), not one that cosigns")
	case raw[0] != cosignatureType:
		return bad("type %d, which this version does not know", raw[0])
	}
	k := WitnessKey{Name: words[0], Public: nexus.PublicKey(raw[1:])}
	if err := checkKeyName(k.Name); err != nil {
		return bad("%v", err)
	}
	if k.String() != vkey {
		return bad("the hash inside does not fit it: it was changed or mistyped")
	}
	return k, nil
}

// checkKeyName is the rule of signed notes for names (c2sp.org/signed-note).
func checkKeyName(name string) error {
	if name == "" || !utf8.ValidString(name) || strings.ContainsRune(name, '+') || strings.ContainsFunc(name, unicode.IsSpace) {
		return fmt.Errorf("name %q is empty, or has a space or a plus sign", name)
	}
	return nil
}

// NewWitnessKey names a witness. Error: nexus.CodeMalformed for a name that signed notes do not take.
func NewWitnessKey(name string, public nexus.PublicKey) (WitnessKey, error) {
	if err := checkKeyName(name); err != nil || len(name) > 256 {
		return WitnessKey{}, nexus.Errf("witness key", nexus.CodeMalformed, fmt.Sprintf("name %q", name),
			"a name of at most 256 bytes without spaces and plus signs, such as witness.example.org", "not a name of a key")
	}
	return WitnessKey{Name: name, Public: public}, nil
}

// ID is the key id that stands before a signature of this key.
func (k WitnessKey) ID() uint32 {
	sum := sha256.Sum256(append([]byte(k.Name+"\n"), k.typed()...))
	return binary.BigEndian.Uint32(sum[:])
}

func (k WitnessKey) typed() []byte { return append([]byte{cosignatureType}, k.Public[:]...) }

// String is the verifier key, as ParseWitnessKey reads it.
func (k WitnessKey) String() string {
	return fmt.Sprintf("%s+%08x+%s", k.Name, k.ID(), base64.StdEncoding.EncodeToString(k.typed()))
}

// CosignatureMessage is what a cosigner signs: that at this time, in seconds since 1970, the body of a checkpoint (with its last line
// end, without signatures) is the largest tree that it has seen of this log.
func CosignatureMessage(body string, seconds uint64) []byte {
	return fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", seconds, body)
}

// CosignatureLine is the line of a signed note for a signature over CosignatureMessage, with its line end.
func (k WitnessKey) CosignatureLine(seconds uint64, signature []byte) string {
	raw := binary.BigEndian.AppendUint32(nil, k.ID())
	raw = append(binary.BigEndian.AppendUint64(raw, seconds), signature...)
	return "— " + k.Name + " " + base64.StdEncoding.EncodeToString(raw) + "\n"
}

// Cosignature is a cosignature that was checked.
type Cosignature struct {
	Key     WitnessKey
	Seconds uint64 // since 1970: when the witness says that it signed
	Line    string // of the note, with its line end
}

// Cosignatures gives the valid cosignatures that the keys made on a signed note, at most one for each public key, in the order of keys:
// one key under two names counts once. What is not a valid cosignature of one of them is passed over.
func Cosignatures(text string, keys []WitnessKey) []Cosignature {
	at := strings.LastIndex(text, "\n\n") // as golang.org/x/mod/sumdb/note parts body and signatures
	if at < 0 || len(text) > 64<<10 {
		return nil
	}
	body, lines := text[:at+1], strings.SplitAfter(text[at+2:], "\n")
	var out []Cosignature
	counted := map[nexus.PublicKey]bool{}
	for _, k := range keys {
		prefix := "— " + k.Name + " "
		for _, l := range lines {
			word, ok := strings.CutPrefix(l, prefix)
			if !ok || counted[k.Public] {
				continue
			}
			seconds, ok := k.check(body, strings.TrimSuffix(word, "\n"))
			if !ok || !strings.HasSuffix(l, "\n") {
				continue
			}
			counted[k.Public] = true
			out = append(out, Cosignature{Key: k, Seconds: seconds, Line: l})
		}
	}
	return out
}

// check judges the last word of a signature line.
func (k WitnessKey) check(body, word string) (seconds uint64, ok bool) {
	raw, err := strict64(word)
	if err != nil || len(raw) != 4+8+64 || !bytes.Equal(raw[:4], binary.BigEndian.AppendUint32(nil, k.ID())) {
		return 0, false
	}
	seconds = binary.BigEndian.Uint64(raw[4:])
	return seconds, seconds <= math.MaxInt64 && k.Public.Verify(CosignatureMessage(body, seconds), raw[12:])
}

// CheckWitnesses refuses a set of witness keys in which one public key stands twice, or stands for the log itself, and a quorum that
// they cannot reach. A quorum of 0 is for none. Error: nexus.CodeUsage.
func CheckWitnesses(keys []WitnessKey, log nexus.PublicKey, quorum int) error {
	bad := func(subject, hint, format string, args ...any) error {
		return nexus.Errf("witnesses", nexus.CodeUsage, subject, hint, format, args...)
	}
	seen := map[nexus.PublicKey]string{}
	for _, k := range keys {
		if other, twice := seen[k.Public]; twice {
			return bad("witness "+k.Name, "name each witness once", "has the same key as %s: it is one witness", other)
		}
		if k.Public == log {
			return bad("witness "+k.Name, "name keys of others", "is the key of the log itself: nobody is a witness of their own")
		}
		seen[k.Public] = k.Name
	}
	if quorum < 0 || quorum > len(keys) {
		return bad(fmt.Sprintf("quorum %d", quorum), "ask for at most as many as there are witnesses", "%d witnesses are named", len(keys))
	}
	return nil
}

// cosigned counts o.Witnesses' cosignatures on a note and demands o.Quorum of them.
func cosigned(text string, o *Options) (int, error) {
	if err := CheckWitnesses(o.Witnesses, o.Key, o.Quorum); err != nil {
		return 0, err
	}
	found := Cosignatures(text, o.Witnesses)
	if len(found) >= o.Quorum {
		return len(found), nil
	}
	missing := make([]string, 0, len(o.Witnesses))
	for _, k := range o.Witnesses {
		if !containsKey(found, k.Public) {
			missing = append(missing, k.Name)
		}
	}
	return len(found), fmt.Errorf("checkpoint: cosigned by %d of the %d witnesses, %d are demanded: no valid cosignature of %s",
		len(found), len(o.Witnesses), o.Quorum, strings.Join(missing, ", "))
}

func containsKey(list []Cosignature, key nexus.PublicKey) bool {
	for i := range list {
		if list[i].Key.Public == key {
			return true
		}
	}
	return false
}
