package sshd

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// hostKey reads the host's key, or makes it. It must be readable by its owner only: who has it can pose as this node.
func hostKey(path string) (gossh.Signer, error) {
	bad := func(hint string, err error) (gossh.Signer, error) {
		return nil, nexus.Errf("ssh host key", nexus.CodeUnfit, path, hint, "%w", err)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := makeHostKey(path); err != nil {
			return bad("mend the data directory's permissions", err)
		}
	case err != nil:
		return bad("mend the data directory's permissions", err)
	case info.Mode().Perm()&0o077 != 0:
		return bad("chmod 600 "+path, fmt.Errorf("mode %04o: others may read it", info.Mode().Perm()))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return bad("mend the data directory's permissions", err)
	}
	key, err := gossh.ParsePrivateKey(text)
	if err != nil {
		return bad("bring the key back from a backup; without it clients warn of a changed host", err)
	}
	if key.PublicKey().Type() != gossh.KeyAlgoED25519 {
		return bad("remove it: a new one is made, and clients are told of the change", fmt.Errorf("a key of type %s", key.PublicKey().Type()))
	}
	return key, nil
}

// makeHostKey writes a new key under another name first: a crash leaves a whole key or none.
func makeHostKey(path string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := gossh.MarshalPrivateKey(key, "nexus ssh console")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".host-key-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(pem.EncodeToMemory(block))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error says more
	}
	return err
}

// identityKey gives the Ed25519 key of an SSH key; false for other kinds and for certificates.
func identityKey(k gossh.PublicKey) (nexus.PublicKey, bool) {
	c, ok := k.(gossh.CryptoPublicKey)
	if !ok || k.Type() != gossh.KeyAlgoED25519 {
		return nexus.PublicKey{}, false
	}
	raw, ok := c.CryptoPublicKey().(ed25519.PublicKey)
	if !ok || len(raw) != ed25519.PublicKeySize {
		return nexus.PublicKey{}, false
	}
	key := nexus.PublicKey(raw)
	return key, !key.IsZero()
}

// safeType is the name of a key type, as a client wrote it, made fit to print.
func safeType(name string) string {
	name = printable(name)
	return name[:min(len(name), 64)]
}

// printable keeps control bytes of others out of logs and answers.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return '\uFFFD'
	}, s)
}
