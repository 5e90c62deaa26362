package identity

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

const testPassphrase = "correct horse battery staple"

// lightWork keeps scrypt quick in tests; the product uses age's default.
const lightWork = 10

func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	dir, g := devCluster(t)
	must[*Key](t)(GenerateKey(KeyPath(dir, "ada"), "ada"))
	id := must[*age.X25519Identity](t)(age.GenerateX25519Identity())
	for name, c := range map[string]struct {
		o      BackupOptions
		secret string
	}{
		"passphrase": {BackupOptions{Passphrase: testPassphrase, WorkFactor: lightWork}, testPassphrase},
		"recipient":  {BackupOptions{Recipients: []string{id.Recipient().String()}}, "# made today\n" + id.String() + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var file bytes.Buffer
			if err := Backup(&file, dir, c.o); err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(file.Bytes(), []byte("PRIVATE KEY")) {
				t.Fatal("the backup holds a key in the clear")
			}
			to := filepath.Join(t.TempDir(), "data")
			names := must[[]string](t)(Restore(bytes.NewReader(file.Bytes()), to, c.secret))
			if len(names) != 9 {
				t.Errorf("restored %v", names)
			}
			mustBeWhole(t, to, g)
			again := must[[]string](t)(Restore(bytes.NewReader(file.Bytes()), to, c.secret))
			if len(again) != 0 {
				t.Errorf("second restore wrote %v", again)
			}
			// A lost file comes back alone.
			remove(t, KeyPath(to, "ada"))
			if part := must[[]string](t)(Restore(bytes.NewReader(file.Bytes()), to, c.secret)); len(part) != 1 {
				t.Errorf("restored %v", part)
			}
			mustBeWhole(t, to, g)
			_, err := Restore(bytes.NewReader(file.Bytes()), t.TempDir(), "another passphrase")
			wantCode(t, err, nexus.CodeMalformed, "passphrase")
		})
	}
}

func TestBackupOfSomeKeys(t *testing.T) {
	t.Parallel()
	dir, _ := devCluster(t)
	made := must[*Key](t)(GenerateKey(KeyPath(dir, "ada"), "ada"))
	var file bytes.Buffer
	o := BackupOptions{Names: []string{"ada"}, Passphrase: testPassphrase, WorkFactor: lightWork}
	if err := Backup(&file, dir, o); err != nil {
		t.Fatal(err)
	}
	other, _ := devCluster(t)
	must[[]string](t)(Restore(&file, other, testPassphrase))
	if got := must[*Key](t)(LoadKey(KeyPath(other, "ada"))); got.Public() != made.Public() {
		t.Error("another key")
	}
	if f := CheckFiles(other); len(f) != 0 {
		t.Error(f)
	}
}

func TestBackupRefusals(t *testing.T) {
	t.Parallel()
	dir, _ := devCluster(t)
	for _, o := range []BackupOptions{{}, {Passphrase: "short"},
		{Passphrase: testPassphrase, Recipients: []string{"age1x"}},
		{Recipients: []string{"age1x"}}, {Recipients: []string{"AGE-SECRET-KEY-1"}}} {
		wantCode(t, Backup(new(bytes.Buffer), dir, o), nexus.CodeUsage)
	}
	ok := BackupOptions{Passphrase: testPassphrase, WorkFactor: lightWork}
	wantCode(t, Backup(new(bytes.Buffer), t.TempDir(), ok), nexus.CodeNotFound)

	var file bytes.Buffer
	if err := Backup(&file, dir, ok); err != nil {
		t.Fatal(err)
	}
	whole := bytes.Clone(file.Bytes())

	// Another cluster's files are in the way: nothing changes.
	other, g := devCluster(t)
	_, err := Restore(bytes.NewReader(whole), other, testPassphrase)
	wantCode(t, err, nexus.CodeConflict)
	mustBeWhole(t, other, g)

	// Any flipped byte and any cut is found, and leaves nothing.
	for i := 0; i < len(whole); i += max(1, len(whole)/64) {
		broken := bytes.Clone(whole)
		broken[i] ^= 4
		for _, b := range [][]byte{broken, whole[:i]} {
			to := filepath.Join(t.TempDir(), "data")
			_, err := Restore(bytes.NewReader(b), to, testPassphrase)
			wantCode(t, err, nexus.CodeMalformed)
			if exists(to) {
				t.Fatalf("byte %d: a damaged backup left %s", i, to)
			}
		}
	}

	// A damaged key does not go into a backup.
	path := KeyPath(dir, NodeName)
	text := readFile(t, path)
	text[100] ^= 1
	writeFile(t, path, text)
	file.Reset()
	wantCode(t, Backup(&file, dir, ok), nexus.CodeCorrupt, path)
	ok.Names = []string{NodeName}
	wantCode(t, Backup(&file, dir, ok), nexus.CodeCorrupt, path)
	if file.Len() != 0 {
		t.Error("wrote a backup of damage")
	}
}

// TestHostileArchive: what a stranger sealed for us must not write outside, nor install a key that does not fit.
func TestHostileArchive(t *testing.T) {
	t.Parallel()
	dir, _ := devCluster(t)
	node, side := string(readFile(t, KeyPath(dir, NodeName))),
		string(readFile(t, KeyPath(dir, PlatformName)+SidecarSuffix))
	for name, entries := range map[string][][2]string{
		"parent":        {{"../evil", "x"}},
		"deep parent":   {{"keys/../../evil", "x"}},
		"absolute":      {{"/tmp/evil", "x"}},
		"other file":    {{"node.json", "{}"}},
		"twice":         {{"keys/a", "x"}, {"keys/a", "y"}},
		"too large":     {{"keys/a", strings.Repeat("x", fileMax+1)}},
		"no sidecar":    {{"keys/a", node}},
		"no key":        {{"keys/a.sum", side}},
		"wrong sidecar": {{"keys/node", node}, {"keys/node.sum", side}},
		"bad genesis":   {{GenesisFile, "x"}},
		"bad personal":  {{"personal/" + strings.Repeat("0a", 32) + "-0.key", "x"}},
		"out of there":  {{"personal/../evil.key", "x"}},
		"not a number":  {{"personal/" + strings.Repeat("0a", 32) + "-00.key", "x"}},
	} {
		var file bytes.Buffer
		r := must[*age.ScryptRecipient](t)(age.NewScryptRecipient(testPassphrase))
		r.SetWorkFactor(lightWork)
		enc, err := age.Encrypt(&file, r)
		if err != nil {
			t.Fatal(err)
		}
		tw := tar.NewWriter(enc)
		for _, e := range entries {
			if err := tw.WriteHeader(&tar.Header{Name: e[0], Mode: 0o600, Size: int64(len(e[1]))}); err != nil {
				t.Fatal(err)
			}
			if _, err := tw.Write([]byte(e[1])); err != nil {
				t.Fatal(err)
			}
		}
		if err := tw.Close(); err != nil {
			t.Fatal(err)
		}
		if err := enc.Close(); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(t.TempDir(), "a", "data")
		if _, err := Restore(&file, to, testPassphrase); err == nil {
			t.Errorf("%s: restored", name)
		}
		for _, e := range must[[]os.DirEntry](t)(os.ReadDir(filepath.Dir(filepath.Dir(to)))) {
			if e.Name() != "a" {
				t.Errorf("%s: wrote %s", name, e.Name())
			}
		}
		if f := CheckFiles(to); len(f) != 0 {
			t.Errorf("%s: left %v", name, f)
		}
	}
}

// Keys of personal texts go into a backup of their own, and none of them into that of identities.
func TestBackupOfPersonalKeys(t *testing.T) {
	t.Parallel()
	dir, _ := devCluster(t)
	o := BackupOptions{Passphrase: testPassphrase, WorkFactor: lightWork, Personal: true}
	wantCode(t, Backup(&bytes.Buffer{}, dir, o), nexus.CodeNotFound, "no key of personal texts")
	name := strings.Repeat("0a", 32) + "-3.key"
	path := filepath.Join(dir, PersonalDir, name)
	body := []byte("a key, as another package writes it")
	sum := sha256.Sum256(body)
	whole := append(append([]byte(personalMagic), sum[:]...), body...)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(append(append([]byte(nil), whole[:len(whole)-1]...), 'X'))
	wantCode(t, Backup(&bytes.Buffer{}, dir, o), nexus.CodeCorrupt, "as it was written")
	write(whole)
	write2 := filepath.Join(dir, PersonalDir, name+".tmp")
	if err := os.WriteFile(write2, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	var personal, identities bytes.Buffer
	if err := Backup(&personal, dir, o); err != nil {
		t.Fatal(err)
	}
	o.Personal = false
	if err := Backup(&identities, dir, o); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "data")
	for _, n := range must[[]string](t)(Restore(&identities, to, testPassphrase)) {
		if strings.HasPrefix(n, PersonalDir) {
			t.Errorf("the backup of identities holds %s", n)
		}
	}
	file := personal.Bytes()
	if names := must[[]string](t)(Restore(bytes.NewReader(file), to, testPassphrase)); len(names) != 1 || names[0] != PersonalDir+"/"+name {
		t.Errorf("restored %v", names)
	}
	if got := readFile(t, filepath.Join(to, PersonalDir, name)); !bytes.Equal(got, whole) {
		t.Error("another key came back")
	}
	info, err := os.Stat(filepath.Join(to, PersonalDir))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Error(info.Mode(), err)
	}
	if names := must[[]string](t)(Restore(bytes.NewReader(file), to, testPassphrase)); len(names) != 0 {
		t.Errorf("a second restore wrote %v", names)
	}
	if err := os.WriteFile(filepath.Join(to, PersonalDir, name), []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Restore(bytes.NewReader(file), to, testPassphrase)
	wantCode(t, err, nexus.CodeConflict, "other content")
}
