package identity

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// ParsePublic reads a public key in any of the forms people have: an authorized_keys line ("ssh-ed25519 AAAA... me"),
// the content of a .pub file, or the base64 of the 32 bytes that this program prints. It opens no file.
func ParsePublic(text string) (nexus.PublicKey, error) {
	const op = "read public key"
	text = strings.TrimSpace(text)
	bad := func(cause error) (nexus.PublicKey, error) {
		shown := text
		if len(shown) > 80 {
			shown = shown[:80] + "..."
		}
		return nexus.PublicKey{}, &nexus.Error{Op: op, Code: nexus.CodeMalformed, Cause: cause,
			Subject: fmt.Sprintf("key %q", shown),
			Hint:    "give an ssh-ed25519 line, a .pub file, or base64 of 32 bytes"}
	}
	var key nexus.PublicKey
	if !strings.ContainsAny(text, " \t") && key.UnmarshalText([]byte(text)) == nil {
		return checkPoint(key, bad)
	}
	parsed, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return bad(err)
	}
	if len(options) > 0 || len(strings.TrimSpace(string(rest))) > 0 {
		return bad(errors.New("one key without options is wanted"))
	}
	if key, err = fromSSH(parsed); err != nil {
		return bad(err)
	}
	return checkPoint(key, bad)
}

// checkPoint refuses the zero key: it is the unset value everywhere else, so it must never be an identity.
func checkPoint(k nexus.PublicKey, bad func(error) (nexus.PublicKey, error)) (nexus.PublicKey, error) {
	if k.IsZero() {
		return bad(errors.New("all zero"))
	}
	return k, nil
}

// LoadPublic is ParsePublic for a key or the path of a file that holds one: a .pub file, or a file of one base64 line.
func LoadPublic(spec string) (nexus.PublicKey, error) {
	const op = "read public key"
	if key, err := ParsePublic(spec); err == nil || strings.ContainsAny(spec, " \t\n") {
		return key, err
	}
	f, err := os.Open(spec)
	if err != nil {
		e := fileError(op, spec, err).(*nexus.Error)
		e.Hint = "give an ssh-ed25519 line, a .pub file, or base64 of 32 bytes"
		return nexus.PublicKey{}, e
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nexus.PublicKey{}, nexus.Errf(op, nexus.CodeMalformed, spec, "give a .pub file", "not a regular file")
	}
	b, err := readBounded(op, spec, f)
	if err != nil {
		return nexus.PublicKey{}, err
	}
	if strings.Contains(string(b), "PRIVATE KEY") {
		return nexus.PublicKey{}, nexus.Errf(op, nexus.CodeUsage, spec, "give the .pub file beside it",
			"this is a private key; a public key is wanted")
	}
	return ParsePublic(string(b))
}

// AuthorizedLine prints a key as OpenSSH does: "ssh-ed25519 AAAA... comment".
func AuthorizedLine(k nexus.PublicKey, comment string) string {
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(toSSH(k))))
	if comment != "" {
		line += " " + comment
	}
	return line
}

// Fingerprint prints a key as `ssh-keygen -l` does: "SHA256:...".
func Fingerprint(k nexus.PublicKey) string { return ssh.FingerprintSHA256(toSSH(k)) }

func toSSH(k nexus.PublicKey) ssh.PublicKey {
	pub, err := ssh.NewPublicKey(ed25519.PublicKey(k[:]))
	if err != nil {
		panic(err) // 32 bytes are always accepted, so only a broken library comes here
	}
	return pub
}

func fromSSH(pub ssh.PublicKey) (nexus.PublicKey, error) {
	if pub.Type() != ssh.KeyAlgoED25519 {
		return nexus.PublicKey{}, fmt.Errorf("a key of type %s; identities are ssh-ed25519", pub.Type())
	}
	crypto, ok := pub.(ssh.CryptoPublicKey)
	if !ok {
		return nexus.PublicKey{}, errors.New("a certificate; give the plain key")
	}
	raw, ok := crypto.CryptoPublicKey().(ed25519.PublicKey)
	if !ok || len(raw) != ed25519.PublicKeySize {
		return nexus.PublicKey{}, errors.New("not an Ed25519 key")
	}
	return nexus.PublicKey(raw), nil
}
