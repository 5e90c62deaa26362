package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// SidecarSuffix is appended to a key file's path to name its sidecar.
const SidecarSuffix = ".sum"

// ErrPassphrase is in the chain of the error for a key file that is encrypted when no passphrase, or a wrong one, was
// given. A caller on a terminal may ask and call LoadKeyPassphrase.
var ErrPassphrase = errors.New("passphrase needed")

// Key is an identity whose private key is in memory. It is a nexus.Signer; safe for concurrent use.
type Key struct {
	nexus.KeySigner
	Path    string // where it was read from or written to
	Comment string // of the sidecar; empty for a key made elsewhere
}

// sidecar is the sealed record beside a key file: what the file held when it was made.
type sidecar struct {
	Version   uint8 // 1
	KeySHA256 nexus.Hash
	KeyLen    uint64
	Public    nexus.PublicKey
	Comment   string
	CreatedMs int64
}

// GenerateKey makes an Ed25519 key and writes it to path as an OpenSSH private key with its sidecar, both mode 0600.
// The directory is made when missing (0700). An existing key is never overwritten: that is CodeConflict.
//
// Order: the key is staged, the sidecar is put in place, the key is renamed. A crash before the rename leaves a staged
// key that RecoverKeys completes or removes; after it, both files.
func GenerateKey(path, comment string) (*Key, error) {
	const op = "generate key"
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, &nexus.Error{Op: op, Code: nexus.CodeInternal, Subject: path, Cause: err}
	}
	return writeKey(op, path, comment, private)
}

// ImportKey writes a key that is in memory already (an OpenSSH key of the user, a recovery key) as GenerateKey would.
func ImportKey(path, comment string, k nexus.KeySigner) (*Key, error) {
	return writeKey("import key", path, comment, ed25519.PrivateKey(k))
}

func writeKey(op, path, comment string, private ed25519.PrivateKey) (*Key, error) {
	if strings.ContainsAny(comment, "\n\r\x00") || len(comment) > 256 {
		return nil, nexus.Errf(op, nexus.CodeMalformed, fmt.Sprintf("comment %q", comment), "use one line",
			"at most 256 bytes without line breaks")
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return nil, &nexus.Error{Op: op, Code: nexus.CodeInternal, Subject: path, Cause: err}
	}
	if err := makeDir(op, filepath.Dir(path)); err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(block)
	err = withDirLock(op, filepath.Dir(path), func() error { return placeKey(op, path, comment, text, private) })
	if err != nil {
		return nil, err
	}
	return &Key{KeySigner: nexus.KeySigner(private), Path: path, Comment: comment}, nil
}

// placeKey runs under the directory lock.
func placeKey(op, path, comment string, text []byte, private ed25519.PrivateKey) error {
	if exists(path) {
		return nexus.Errf(op, nexus.CodeConflict, path, "choose another name, or move the old key away", "exists already")
	}
	side := sidecar{Version: 1, KeySHA256: sha256.Sum256(text), KeyLen: uint64(len(text)),
		Public: nexus.KeySigner(private).Public(), Comment: comment, CreatedMs: time.Now().UnixMilli()}
	staged, err := stageFile(op, path, text)
	if err != nil {
		return err
	}
	if err := writeAtomic(op, path+SidecarSuffix, seal(sidecarMagic, nexus.Encode(side))); err != nil {
		_ = os.Remove(staged)
		return err
	}
	if err := os.Rename(staged, path); err != nil {
		_ = os.Remove(staged)
		return fileError(op, path, err)
	}
	return syncDir(op, filepath.Dir(path))
}

// LoadKey reads a key of the data directory. It is accepted only when the SHA-256 in the sidecar, the public key
// derived from the seed and the public key in the sidecar all agree, and only its owner may read it (DESIGN section 3).
//
// Errors: CodeNotFound; CodeUnfit (mode, owner); CodeCorrupt names the damaged file; CodeMalformed (not Ed25519).
func LoadKey(path string) (*Key, error) {
	const op = "load key"
	text, err := readPrivate(op, path)
	if err != nil {
		return nil, err
	}
	side, err := readSidecar(op, path)
	if err != nil {
		return nil, err
	}
	return acceptKey(op, path, text, side)
}

// acceptKey compares the three witnesses of a key: digest, derived public key, recorded public key.
func acceptKey(op, path string, text []byte, side sidecar) (*Key, error) {
	restore := "restore it from a backup: nexus identity backup --restore"
	if sum := sha256.Sum256(text); sum != side.KeySHA256 || uint64(len(text)) != side.KeyLen {
		return nil, corrupt(op, path, restore,
			fmt.Errorf("SHA-256 is %x..., the sidecar recorded %x... when the key was made",
				sum[:4], side.KeySHA256[:4]))
	}
	private, err := parsePrivate(op, path, text, nil)
	if err != nil {
		return nil, err
	}
	if derived := nexus.KeySigner(private).Public(); derived != side.Public {
		return nil, corrupt(op, path, restore, fmt.Errorf("its public key is %s, the sidecar says %s", derived, side.Public))
	}
	return &Key{KeySigner: nexus.KeySigner(private), Path: path, Comment: side.Comment}, nil
}

func readSidecar(op, keyPath string) (sidecar, error) {
	path := keyPath + SidecarSuffix
	b, err := readPrivate(op, path)
	if nexus.CodeOf(err) == nexus.CodeNotFound {
		return sidecar{}, corrupt(op, path, "restore it from a backup, or import the key: nexus identity import "+keyPath,
			errors.New("sidecar is missing, so the key cannot be checked"))
	}
	if err != nil {
		return sidecar{}, err
	}
	side, d := parseSidecar(b)
	if d != nil {
		return sidecar{}, corrupt(op, path, "restore it from a backup", d)
	}
	return side, nil
}

func parseSidecar(b []byte) (sidecar, *damage) {
	payload, d := unseal(sidecarMagic, b)
	if d != nil {
		return sidecar{}, d
	}
	var side sidecar
	if err := nexus.Decode(payload, &side); err != nil {
		return sidecar{}, &damage{sealHeaderLen, err.Error()}
	}
	if side.Version != 1 {
		return sidecar{}, &damage{sealHeaderLen, fmt.Sprintf("sidecar version %d; this program reads 1", side.Version)}
	}
	return side, nil
}

// LoadForeignKey reads an OpenSSH key made elsewhere (~/.ssh/id_ed25519). It has no sidecar of ours; the public key
// inside the file must be the one that the seed gives, and a sidecar or a .pub file that lies beside it must agree.
func LoadForeignKey(path string) (*Key, error) { return loadForeign(path, nil) }

// LoadKeyPassphrase is LoadForeignKey for a key file under a passphrase.
func LoadKeyPassphrase(path string, passphrase []byte) (*Key, error) {
	return loadForeign(path, passphrase)
}

func loadForeign(path string, passphrase []byte) (*Key, error) {
	const op = "load key"
	if passphrase == nil && exists(path+SidecarSuffix) {
		return LoadKey(path)
	}
	text, err := readPrivate(op, path)
	if err != nil {
		return nil, err
	}
	private, err := parsePrivate(op, path, text, passphrase)
	if err != nil {
		return nil, err
	}
	key := &Key{KeySigner: nexus.KeySigner(private), Path: path}
	if pubPath := path + ".pub"; exists(pubPath) {
		pub, err := LoadPublic(pubPath)
		if err != nil {
			return nil, err
		}
		if pub != key.Public() {
			return nil, corrupt(op, pubPath, "write it anew: ssh-keygen -y -f "+path+" > "+pubPath,
				fmt.Errorf("public key is %s, the private key gives %s", pub, key.Public()))
		}
	}
	return key, nil
}

// parsePrivate reads an OpenSSH Ed25519 key. x/crypto does not compare the seed with the public keys that the file
// repeats three times, so a third of single-bit flips would pass as another identity; here all must agree.
func parsePrivate(op, path string, text, passphrase []byte) (ed25519.PrivateKey, error) {
	malformed := func(hint string, cause error) error {
		return &nexus.Error{Op: op, Code: nexus.CodeMalformed, Subject: path, Cause: cause, Hint: hint}
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "OPENSSH PRIVATE KEY" {
		return nil, malformed("make one: nexus identity new, or ssh-keygen -t ed25519",
			errors.New("not an OpenSSH private key"))
	}
	var raw any
	var err error
	if passphrase == nil {
		raw, err = ssh.ParseRawPrivateKey(text)
	} else {
		raw, err = ssh.ParseRawPrivateKeyWithPassphrase(text, passphrase)
	}
	var missing *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &missing):
		return nil, malformed("ssh-add "+path+", then use --identity agent:FINGERPRINT",
			fmt.Errorf("%w: the key file is encrypted", ErrPassphrase))
	case err != nil && passphrase != nil:
		return nil, malformed("check the passphrase", fmt.Errorf("%w: %w", ErrPassphrase, err))
	case err != nil:
		return nil, malformed("restore it from a backup", err)
	}
	private, ok := raw.(*ed25519.PrivateKey)
	if !ok {
		return nil, malformed("identities are Ed25519: ssh-keygen -t ed25519",
			fmt.Errorf("a key of type %s", keyTypeName(raw)))
	}
	derived := ed25519.NewKeyFromSeed(private.Seed())
	outer, err := outerPublic(block.Bytes)
	if err != nil {
		return nil, malformed("restore it from a backup", err)
	}
	if !bytes.Equal(derived, *private) || !bytes.Equal(outer, derived[32:]) {
		return nil, corrupt(op, path, "restore it from a backup", errors.New("the public key in the file is not the seed's"))
	}
	return derived, nil
}

// outerPublic gives the Ed25519 key of the unencrypted head of an openssh-key-v1 block.
func outerPublic(b []byte) ([]byte, error) {
	const magic = "openssh-key-v1\x00"
	if len(b) < len(magic) || string(b[:len(magic)]) != magic {
		return nil, errors.New("not openssh-key-v1")
	}
	var head struct {
		CipherName, KdfName, KdfOpts string
		NumKeys                      uint32
		PubKey                       []byte
		Rest                         []byte `ssh:"rest"`
	}
	if err := ssh.Unmarshal(b[len(magic):], &head); err != nil {
		return nil, err
	}
	pub, err := ssh.ParsePublicKey(head.PubKey)
	if err != nil {
		return nil, err
	}
	key, err := fromSSH(pub)
	return key[:], err
}

// keyTypeName names a parsed private key for people: "rsa", "ecdsa".
func keyTypeName(raw any) string {
	name := strings.TrimPrefix(fmt.Sprintf("%T", raw), "*")
	name, _, _ = strings.Cut(name, ".")
	return name
}
