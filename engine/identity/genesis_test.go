package identity

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func TestConstitution(t *testing.T) {
	t.Parallel()
	// The hash stands in every genesis: a change of the text makes every existing cluster unreadable.
	const want = "46cd9d2adabe0f3c4a12e4290bd2ba14e37f84addb78aa1b1963e755338ee1c8"
	if got := ConstitutionHash().String(); got != want {
		t.Errorf("constitution hash is %s", got)
	}
	if n := len(regexp.MustCompile(`(?m)^gate \d+ [a-z-]+$`).FindAllString(ConstitutionText, -1)); n != 17 {
		t.Errorf("%d gates", n)
	}
}

func TestDevGenesis(t *testing.T) {
	t.Parallel()
	dir, g := devCluster(t)
	read := must[Genesis](t)(ReadGenesis(dir))
	if !bytes.Equal(nexus.Encode(read), nexus.Encode(g)) || read.Hash() != g.Hash() {
		t.Fatal("read another genesis than was made")
	}
	keys := must[Keys](t)(LoadKeys(dir, g))
	if keys.Operator == nil || !g.OperatorSigned || g.BaseDomain != DevBaseDomain || g.Cluster.IsZero() {
		t.Fatalf("%+v", g)
	}
	if f := CheckFiles(dir); len(f) != 0 {
		t.Errorf("findings in a new directory: %v", f)
	}
	var names []string
	for _, e := range must[[]os.DirEntry](t)(os.ReadDir(dir)) {
		names = append(names, e.Name())
	}
	if strings.Join(names, " ") != "genesis.nexus keys" {
		t.Errorf("data directory has %v", names)
	}
	_, err := NewGenesis(dir, GenesisOptions{Profile: ProfileDev})
	wantCode(t, err, nexus.CodeConflict, GenesisFile)
	wantCode(t, WriteGenesis(dir, g), nexus.CodeConflict, GenesisFile)

	if err := os.Remove(filepath.Join(dir, GenesisFile)); err != nil {
		t.Fatal(err)
	}
	_, err = NewGenesis(dir, GenesisOptions{Profile: ProfileDev})
	wantCode(t, err, nexus.CodeConflict, "platform", "backup")
	if f := CheckFiles(dir); len(f) != 1 || filepath.Base(f[0].File) != GenesisFile {
		t.Errorf("lost genesis: %v", f)
	}
}

func TestOperatorMadeBeforeGenesisIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	op := must[*Key](t)(GenerateKey(KeyPath(dir, OperatorName), ""))
	g := must[Genesis](t)(NewGenesis(dir, GenesisOptions{Profile: ProfileDev}))
	if g.Operator.Public != op.Public() || !g.OperatorSigned {
		t.Fatal("genesis has another operator")
	}
}

func TestProdGenesis(t *testing.T) {
	t.Parallel()
	op := must[*Key](t)(GenerateKey(filepath.Join(t.TempDir(), "me"), ""))
	stranger := must[*Key](t)(GenerateKey(filepath.Join(t.TempDir(), "other"), ""))
	for _, o := range []GenesisOptions{
		{}, {Profile: "test"}, {Profile: ProfileProd}, {Profile: ProfileProd, Operator: op.Public()},
		{Profile: ProfileProd, BaseDomain: "nexus.example"},
		{Profile: ProfileProd, BaseDomain: "UPPER.example", Operator: op.Public()},
		{Profile: ProfileProd, BaseDomain: "single", Operator: op.Public()},
		{Profile: ProfileProd, BaseDomain: "nexus.example", Operator: op.Public(), OperatorSigner: stranger},
	} {
		dir := t.TempDir()
		_, err := NewGenesis(dir, o)
		wantCode(t, err, nexus.CodeUsage)
		if entries := must[[]os.DirEntry](t)(os.ReadDir(dir)); len(entries) != 0 {
			t.Errorf("a refused genesis left %v", entries)
		}
	}
	for _, signer := range []nexus.Signer{nil, op} {
		dir := t.TempDir()
		g := must[Genesis](t)(NewGenesis(dir, GenesisOptions{Profile: ProfileProd, BaseDomain: "nexus.example",
			Operator: op.Public(), OperatorSigner: signer, OperatorName: "ada", NodeName: "n1"}))
		if g.OperatorSigned != (signer != nil) || g.Operator.Name != "ada" || g.Node.Name != "n1" {
			t.Errorf("%+v", g)
		}
		if exists(KeyPath(dir, OperatorName)) {
			t.Error("prod made an operator key")
		}
		if keys := must[Keys](t)(LoadKeys(dir, g)); keys.Operator != nil {
			t.Error("an operator key from nowhere")
		}
		if f := CheckFiles(dir); len(f) != 0 {
			t.Error(f)
		}
	}
}

// TestEveryByteOfADataDirectory flips bytes of every file: the finding names that file, and the loader refuses.
func TestEveryByteOfADataDirectory(t *testing.T) {
	t.Parallel()
	dir, g := devCluster(t)
	files := []string{GenesisFile}
	for _, e := range must[[]os.DirEntry](t)(os.ReadDir(filepath.Join(dir, KeysDir))) {
		files = append(files, filepath.Join(KeysDir, e.Name()))
	}
	if len(files) != 7 {
		t.Fatalf("files: %v", files)
	}
	for _, name := range files {
		path := filepath.Join(dir, name)
		whole := readFile(t, path)
		for i := range whole {
			broken := bytes.Clone(whole)
			broken[i] ^= byte(1 << (i % 8))
			writeFile(t, path, broken)
			findings := CheckFiles(dir)
			if len(findings) != 1 || findings[0].File != path || findings[0].What == "" {
				t.Fatalf("%s byte %d: findings %v", name, i, findings)
			}
		}
		if _, err := ReadGenesis(dir); (err != nil) != (name == GenesisFile) {
			t.Fatalf("%s damaged: genesis says %v", name, err)
		}
		if _, err := LoadKeys(dir, g); (err != nil) != (name != GenesisFile) {
			t.Fatalf("%s damaged: keys say %v", name, err)
		}
		writeFile(t, path, whole)
	}
	if f := CheckFiles(dir); len(f) != 0 {
		t.Fatalf("restored, yet %v", f)
	}
}

// TestForgedGenesis changes each field and seals the file anew, as one without the keys could.
func TestForgedGenesis(t *testing.T) {
	t.Parallel()
	_, g := devCluster(t)
	_, other := devCluster(t)
	for name, forge := range map[string]func(*Genesis){
		"version":                 func(g *Genesis) { g.Version = 2 },
		"cluster":                 func(g *Genesis) { g.Cluster[0]++ },
		"created":                 func(g *Genesis) { g.CreatedMs++ },
		"created, id fitted":      func(g *Genesis) { g.CreatedMs++; g.Cluster = g.ClusterID() },
		"constitution":            func(g *Genesis) { g.Constitution[0]++ },
		"profile":                 func(g *Genesis) { g.Profile = ProfileProd; g.Cluster = g.ClusterID() },
		"base domain":             func(g *Genesis) { g.BaseDomain = "evil.example"; g.Cluster = g.ClusterID() },
		"operator":                func(g *Genesis) { g.Operator = other.Operator; g.Cluster = g.ClusterID() },
		"platform":                func(g *Genesis) { g.Platform = other.Platform; g.Cluster = g.ClusterID() },
		"node":                    func(g *Genesis) { g.Node = other.Node; g.Cluster = g.ClusterID() },
		"same key":                func(g *Genesis) { g.Node = g.Platform; g.Cluster = g.ClusterID() },
		"operator signature gone": func(g *Genesis) { g.OperatorSignature = nil },
		"operator unsigned": func(g *Genesis) {
			g.OperatorSigned, g.OperatorSignature = false, nil
			g.Cluster = g.ClusterID()
		},
		"signature of another": func(g *Genesis) { g.PlatformSignature = g.NodeSignature },
		"no operator":          func(g *Genesis) { g.Operator.Public = nexus.PublicKey{}; g.Cluster = g.ClusterID() },
	} {
		forged := g
		forge(&forged)
		if err := forged.Verify(); err == nil {
			t.Errorf("%s: verifies", name)
		}
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, GenesisFile), forged.MarshalFile())
		if _, err := ReadGenesis(dir); err == nil {
			t.Errorf("%s: is read", name)
		}
		if len(CheckFiles(dir)) == 0 {
			t.Errorf("%s: no finding", name)
		}
	}
}

// TestSwappedKeys puts a whole, valid key of another cluster in place: only genesis can tell.
func TestSwappedKeys(t *testing.T) {
	t.Parallel()
	dir, g := devCluster(t)
	other, _ := devCluster(t)
	for _, name := range []string{PlatformName, NodeName, OperatorName} {
		forged := filepath.Join(t.TempDir(), "data")
		copyTree(t, dir, forged)
		for _, suffix := range []string{"", SidecarSuffix} {
			writeFile(t, KeyPath(forged, name)+suffix, readFile(t, KeyPath(other, name)+suffix))
		}
		_, err := LoadKeys(forged, g)
		wantCode(t, err, nexus.CodeCorrupt, KeyPath(forged, name), "genesis says")
		if f := CheckFiles(forged); len(f) != 1 || f[0].File != KeyPath(forged, name) {
			t.Errorf("%s: %v", name, f)
		}
	}
}

func TestCheckFilesOddities(t *testing.T) {
	t.Parallel()
	joined := t.TempDir() // a node that joined another's cluster has a key and no genesis
	must[*Key](t)(GenerateKey(KeyPath(joined, NodeName), "n2"))
	if f := CheckFiles(joined); len(f) != 0 {
		t.Errorf("joined node: %v", f)
	}
	_, err := NewGenesis(joined, GenesisOptions{Profile: ProfileDev})
	wantCode(t, err, nexus.CodeConflict, KeyPath(joined, NodeName))
	if f := CheckFiles(filepath.Join(t.TempDir(), "none")); len(f) != 0 {
		t.Errorf("missing directory: %v", f)
	}
	dir, _ := devCluster(t)
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		file  string
	}{
		"key lost":     {func(t *testing.T, d string) { remove(t, KeyPath(d, NodeName)) }, "keys/node"},
		"sidecar lost": {func(t *testing.T, d string) { remove(t, KeyPath(d, NodeName)+SidecarSuffix) }, "keys/node.sum"},
		"both lost": {func(t *testing.T, d string) {
			remove(t, KeyPath(d, PlatformName))
			remove(t, KeyPath(d, PlatformName)+SidecarSuffix)
		}, "keys/platform"},
		"stranger":    {func(t *testing.T, d string) { writeFile(t, KeyPath(d, "a.txt"), []byte("x")) }, "keys/a.txt.sum"},
		"directory":   {func(t *testing.T, d string) { writeFile(t, KeyPath(d, "sub/x"), nil) }, "keys/sub"},
		"wide key":    {func(t *testing.T, d string) { chmod(t, KeyPath(d, NodeName), 0o644) }, "keys/node"},
		"wide dir":    {func(t *testing.T, d string) { chmod(t, filepath.Join(d, KeysDir), 0o755) }, "keys"},
		"wide birth":  {func(t *testing.T, d string) { chmod(t, filepath.Join(d, GenesisFile), 0o640) }, "genesis.nexus"},
		"empty birth": {func(t *testing.T, d string) { writeFile(t, filepath.Join(d, GenesisFile), nil) }, "genesis.nexus"},
	} {
		spoiled := filepath.Join(t.TempDir(), "data")
		copyTree(t, dir, spoiled)
		c.spoil(t, spoiled)
		f := CheckFiles(spoiled)
		if len(f) == 0 || f[0].File != filepath.Join(spoiled, c.file) || f[0].String() == "" {
			t.Errorf("%s: %v", name, f)
		}
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
