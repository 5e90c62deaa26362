//go:build unix

package identity

import (
	"bytes"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func TestGenerateAndLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys", "ada")
	made := must[*Key](t)(GenerateKey(path, "ada lovelace"))
	loaded := must[*Key](t)(LoadKey(path))
	if loaded.Public() != made.Public() || loaded.Comment != "ada lovelace" {
		t.Fatalf("loaded %v %q, made %v", loaded.Public(), loaded.Comment, made.Public())
	}
	sig := must[[]byte](t)(loaded.Sign([]byte("hello")))
	if !made.Public().Verify([]byte("hello"), sig) {
		t.Fatal("the loaded key's signature does not verify")
	}
	for _, p := range []string{path, path + SidecarSuffix} {
		info := must[os.FileInfo](t)(os.Stat(p))
		if info.Mode() != 0o600 {
			t.Errorf("%s has mode %v", p, info.Mode())
		}
	}
	// OpenSSH reads our file and sees the same identity.
	line := sshKeygen(t, "-y", "-f", path)
	if pub := must[nexus.PublicKey](t)(ParsePublic(line)); pub != made.Public() {
		t.Errorf("ssh-keygen says %s", line)
	}
	if fp := sshKeygen(t, "-l", "-f", path); !strings.Contains(fp, Fingerprint(made.Public())) {
		t.Errorf("ssh-keygen -l says %s, we say %s", fp, Fingerprint(made.Public()))
	}
	_, err := GenerateKey(path, "")
	wantCode(t, err, nexus.CodeConflict, path)
	if again := must[*Key](t)(LoadKey(path)); again.Public() != made.Public() {
		t.Fatal("the refused call changed the key")
	}
	_, err = GenerateKey(path+"2", "two\nlines")
	wantCode(t, err, nexus.CodeMalformed)
}

func TestForeignKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain, locked, rsa := filepath.Join(dir, "id_ed25519"), filepath.Join(dir, "locked"), filepath.Join(dir, "id_rsa")
	sshKeygen(t, "-q", "-t", "ed25519", "-N", "", "-C", "me@host", "-f", plain)
	sshKeygen(t, "-q", "-t", "ed25519", "-N", "correct horse", "-f", locked)
	sshKeygen(t, "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", rsa)

	key := must[*Key](t)(LoadForeignKey(plain))
	if pub := must[nexus.PublicKey](t)(LoadPublic(plain + ".pub")); pub != key.Public() {
		t.Fatal("the .pub file gives another key")
	}
	_, err := LoadKey(plain)
	wantCode(t, err, nexus.CodeCorrupt, plain+SidecarSuffix)

	_, err = LoadForeignKey(locked)
	wantCode(t, err, nexus.CodeMalformed, locked, "ssh-add")
	if !errors.Is(err, ErrPassphrase) {
		t.Errorf("%v does not say that a passphrase is needed", err)
	}
	if _, err = LoadKeyPassphrase(locked, []byte("wrong")); !errors.Is(err, ErrPassphrase) {
		t.Errorf("wrong passphrase: %v", err)
	}
	unlocked := must[*Key](t)(LoadKeyPassphrase(locked, []byte("correct horse")))
	if pub := must[nexus.PublicKey](t)(LoadPublic(locked + ".pub")); pub != unlocked.Public() {
		t.Error("the unlocked key is another one")
	}
	_, err = LoadForeignKey(rsa)
	wantCode(t, err, nexus.CodeMalformed, "rsa", "ed25519")
	_, err = LoadPublic(rsa + ".pub")
	wantCode(t, err, nexus.CodeMalformed, "ssh-rsa")
	_, err = LoadPublic(plain)
	wantCode(t, err, nexus.CodeUsage, "private key")
	_, err = LoadForeignKey(plain + ".pub")
	wantCode(t, err, nexus.CodeUnfit, "chmod 600") // ssh-keygen writes .pub readable by all
	if err := os.Chmod(plain+".pub", 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = LoadForeignKey(plain + ".pub")
	wantCode(t, err, nexus.CodeMalformed, "not an OpenSSH private key")

	// A .pub file of another key beside the private key is a contradiction.
	writeFile(t, plain+".pub", readFile(t, locked+".pub"))
	_, err = LoadForeignKey(plain)
	wantCode(t, err, nexus.CodeCorrupt, plain+".pub")
}

func TestKeyFileRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "k")
	must[*Key](t)(GenerateKey(path, ""))
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o606, 0o610} {
		for _, p := range []string{path, path + SidecarSuffix} {
			if err := os.Chmod(p, mode); err != nil {
				t.Fatal(err)
			}
			_, err := LoadKey(path)
			wantCode(t, err, nexus.CodeUnfit, p, "chmod 600")
			if err := os.Chmod(p, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, err := LoadKey(filepath.Join(dir, "none"))
	if nexus.CodeOf(err) != nexus.CodeNotFound {
		t.Errorf("missing file: %v", err)
	}
	_, err = LoadKey(dir)
	wantCode(t, err, nexus.CodeMalformed, "regular")
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = LoadForeignKey(fifo) // must not wait for a writer
	wantCode(t, err, nexus.CodeMalformed, "regular")
	writeFile(t, filepath.Join(dir, "big"), make([]byte, fileMax+1))
	_, err = LoadForeignKey(filepath.Join(dir, "big"))
	wantCode(t, err, nexus.CodeMalformed, "larger")
	if err := os.Remove(path + SidecarSuffix); err != nil {
		t.Fatal(err)
	}
	_, err = LoadKey(path)
	wantCode(t, err, nexus.CodeCorrupt, path+SidecarSuffix, "missing")
}

// TestEveryBitOfAKey flips each bit of key and sidecar in memory and one bit of each byte on the disk: none may pass,
// and the damaged file is the one named.
func TestEveryBitOfAKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "k")
	must[*Key](t)(GenerateKey(path, "a comment"))
	keyText, sideBytes := readFile(t, path), readFile(t, path+SidecarSuffix)
	side, d := parseSidecar(sideBytes)
	if d != nil {
		t.Fatal(d)
	}
	forEachBit(keyText, func(i, bit int, broken []byte) {
		if _, err := acceptKey("test", path, broken, side); nexus.CodeOf(err) != nexus.CodeCorrupt {
			t.Fatalf("key byte %d bit %d: %v", i, bit, err)
		}
	})
	forEachBit(sideBytes, func(i, bit int, broken []byte) {
		if _, d := parseSidecar(broken); d == nil {
			t.Fatalf("sidecar byte %d bit %d passes", i, bit)
		}
	})
	for _, file := range []string{path, path + SidecarSuffix} {
		whole := readFile(t, file)
		for i := range whole {
			broken := bytes.Clone(whole)
			broken[i] ^= 1 << (i % 8)
			writeFile(t, file, broken)
			_, err := LoadKey(path)
			var e *nexus.Error
			if !errors.As(err, &e) || e.Code != nexus.CodeCorrupt || e.Subject != file {
				t.Fatalf("%s: byte %d: %v", file, i, err)
			}
		}
		for _, n := range []int{0, 1, len(whole) / 2, len(whole) - 1} {
			writeFile(t, file, whole[:n])
			_, err := LoadKey(path)
			wantCode(t, err, nexus.CodeCorrupt, file)
		}
		writeFile(t, file, append(bytes.Clone(whole), '\n'))
		_, err := LoadKey(path)
		wantCode(t, err, nexus.CodeCorrupt, file)
		writeFile(t, file, whole)
	}
	must[*Key](t)(LoadKey(path))
}

// forEachBit calls fn with b once for each bit of it, that bit flipped.
func forEachBit(b []byte, fn func(i, bit int, broken []byte)) {
	broken := bytes.Clone(b)
	for i := range b {
		for bit := range 8 {
			broken[i] ^= 1 << bit
			fn(i, bit, broken)
			broken[i] ^= 1 << bit
		}
	}
}

// TestForeignFlipsNeverChangeIdentity: without a sidecar a flip may pass (the comment), but never as another identity.
func TestForeignFlipsNeverChangeIdentity(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "id")
	sshKeygen(t, "-q", "-t", "ed25519", "-N", "", "-f", path)
	whole := readFile(t, path)
	want := must[*Key](t)(LoadForeignKey(path)).Public()
	block, _ := pem.Decode(whole)
	for i := range block.Bytes {
		for bit := range 8 {
			broken := bytes.Clone(block.Bytes)
			broken[i] ^= 1 << bit
			text := pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: broken})
			private, err := parsePrivate("test", path, text, nil)
			if err == nil && nexus.KeySigner(private).Public() != want {
				t.Fatalf("byte %d bit %d gives another identity", i, bit)
			}
		}
	}
}

func TestOneOfManyMakesTheKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "k")
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, err := GenerateKey(path, "")
			if err == nil {
				won.Add(1)
			} else if nexus.CodeOf(err) != nexus.CodeConflict {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d callers made the key", won.Load())
	}
	must[*Key](t)(LoadKey(path))
	if entries := must[[]os.DirEntry](t)(os.ReadDir(filepath.Dir(path))); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestRecoverKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "k")
	made := must[*Key](t)(GenerateKey(path, "c"))
	// A crash between sidecar and rename: the key is still a temporary.
	temp := filepath.Join(dir, ".k.123.tmp")
	if err := os.Rename(path, temp); err != nil {
		t.Fatal(err)
	}
	// A crash while the temporary was written, of this and another key.
	writeFile(t, filepath.Join(dir, ".k.9.tmp"), []byte("half"))
	writeFile(t, filepath.Join(dir, ".other.1.tmp"), nil)
	if did := must[[]string](t)(RecoverKeys(dir)); len(did) != 3 {
		t.Errorf("did %v", did)
	}
	if got := must[*Key](t)(LoadKey(path)); got.Public() != made.Public() {
		t.Error("another key")
	}
	if entries := must[[]os.DirEntry](t)(os.ReadDir(dir)); len(entries) != 2 {
		t.Errorf("left: %v", entries)
	}
	if did := must[[]string](t)(RecoverKeys(dir)); len(did) != 0 {
		t.Errorf("again did %v", did)
	}
	if did := must[[]string](t)(RecoverKeys(filepath.Join(dir, "none"))); did != nil {
		t.Errorf("missing directory: %v", did)
	}
}

func TestParsePublicForms(t *testing.T) {
	t.Parallel()
	key := must[*Key](t)(GenerateKey(filepath.Join(t.TempDir(), "k"), ""))
	pub := key.Public()
	for _, form := range []string{pub.String(), " " + pub.String() + "\n", AuthorizedLine(pub, ""),
		AuthorizedLine(pub, "me at home") + "\n"} {
		if got := must[nexus.PublicKey](t)(ParsePublic(form)); got != pub {
			t.Errorf("%q gives %v", form, got)
		}
	}
	for _, form := range []string{"", "x", "ssh-ed25519", "ssh-ed25519 AAAA", nexus.PublicKey{}.String(),
		"no-pty " + AuthorizedLine(pub, ""), AuthorizedLine(pub, "") + "\n" + AuthorizedLine(pub, "")} {
		_, err := ParsePublic(form)
		wantCode(t, err, nexus.CodeMalformed)
	}
	_, err := LoadPublic(filepath.Join(t.TempDir(), "none.pub"))
	wantCode(t, err, nexus.CodeNotFound)
}
