package identity

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"path/filepath"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func FuzzParseGenesis(f *testing.F) {
	_, g := devCluster(f)
	f.Add(g.MarshalFile())
	f.Add(seal(genesisMagic, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		// The digest would stop nearly every input, so the content is tried under a fitting seal too.
		for _, file := range [][]byte{b, seal(genesisMagic, b)} {
			g, err := ParseGenesis(file)
			if err != nil {
				continue
			}
			if !bytes.Equal(g.MarshalFile(), file) {
				t.Fatal("two files hold one genesis")
			}
			_ = g.Verify()
		}
	})
}

func FuzzParseSidecar(f *testing.F) {
	f.Add(nexus.Encode(sidecar{Version: 1, Comment: "c", KeyLen: 399}))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, file := range [][]byte{b, seal(sidecarMagic, b)} {
			side, d := parseSidecar(file)
			if d == nil && !bytes.Equal(seal(sidecarMagic, nexus.Encode(side)), file) {
				t.Fatal("two files hold one sidecar")
			}
		}
	})
}

func FuzzParsePrivate(f *testing.F) {
	path := filepath.Join(f.TempDir(), "k")
	must[*Key](f)(GenerateKey(path, "seed"))
	block, _ := pem.Decode(readFile(f, path))
	f.Add(block.Bytes)
	f.Add([]byte("openssh-key-v1\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text := pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: b})
		private, err := parsePrivate("fuzz", "k", text, nil)
		if err != nil {
			if nexus.CodeOf(err) == nexus.CodeInternal {
				t.Fatalf("untyped error: %v", err)
			}
			return
		}
		key := nexus.KeySigner(private)
		if sig, err := key.Sign(b); err != nil || !key.Public().Verify(b, sig) {
			t.Fatal("an accepted key does not sign for its own identity")
		}
	})
}

func FuzzParsePublic(f *testing.F) {
	f.Add(AuthorizedLine(nexus.PublicKey{1}, "me"))
	f.Add(nexus.PublicKey{1}.String())
	f.Add("ssh-ed25519 AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		key, err := ParsePublic(s)
		if err != nil {
			return
		}
		if again, err := ParsePublic(AuthorizedLine(key, "")); err != nil || again != key || key.IsZero() {
			t.Fatalf("%q gives %v, printed and read %v, %v", s, key, again, err)
		}
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add(noteOf(7, "a"))
	f.Add("o\n1\n\n\n")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCheckpoint(s)
		if err == nil && (c.Text != s || c.Origin == "") {
			t.Fatalf("%q gives %+v", s, c)
		}
	})
}

func FuzzRecoveryWords(f *testing.F) {
	key := must[RecoveryKey](f)(NewRecoveryKey())
	f.Add(key.Secret())
	f.Add("lusab-babad")
	f.Fuzz(func(t *testing.T, s string) {
		if b, err := decodeWords(s); err == nil {
			if again, err := decodeWords(encodeWords(b)); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("%q gives %x, printed and read %x, %v", s, b, again, err)
			}
		}
		if key, err := ParseRecoveryKey(s); err == nil {
			if again, err := ParseRecoveryKey(key.Secret()); err != nil || again.Public() != key.Public() {
				t.Fatal("the key's own words give another key")
			}
		}
	})
}

func FuzzReadArchive(f *testing.F) {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	if err := tw.WriteHeader(&tar.Header{Name: "keys/a", Mode: 0o600, Size: 1}); err != nil {
		f.Fatal(err)
	}
	if _, err := tw.Write([]byte("x")); err != nil {
		f.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		files, err := readArchive(bytes.NewReader(b))
		if err != nil {
			return
		}
		for _, file := range files {
			if !filepath.IsLocal(filepath.FromSlash(file.name)) || len(file.data) > fileMax {
				t.Fatalf("accepted %q of %d bytes", file.name, len(file.data))
			}
		}
	})
}

func FuzzCheckFiles(f *testing.F) {
	dir, g := devCluster(f)
	f.Add(g.MarshalFile(), readFile(f, KeyPath(dir, NodeName)), readFile(f, KeyPath(dir, NodeName)+SidecarSuffix))
	f.Fuzz(func(t *testing.T, genesis, key, side []byte) {
		d := t.TempDir()
		writeFile(t, filepath.Join(d, GenesisFile), genesis)
		writeFile(t, KeyPath(d, NodeName), key)
		writeFile(t, KeyPath(d, NodeName)+SidecarSuffix, side)
		// Genesis is damaged, or it is whole and its platform key is missing: no input makes this directory whole.
		if len(CheckFiles(d)) == 0 {
			t.Fatal("no finding")
		}
	})
}
