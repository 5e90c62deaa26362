package edge

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func TestDevCASurvivesReopening(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := OpenDevCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, devCAKeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("key file: %v, %v", info, err)
	}
	leaf, err := first.Certificate("A.test")
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenDevCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(host string) error {
		_, err := leaf.Leaf.Verify(x509.VerifyOptions{Roots: again.Pool(), DNSName: host})
		return err
	}
	if err := verify("a.test"); err != nil {
		t.Error(err)
	}
	for _, host := range []string{"b.test", "x.a.test", "test"} {
		if verify(host) == nil {
			t.Errorf("the leaf of a.test speaks for %s", host)
		}
	}
	same, err := first.Certificate("a.test")
	if err != nil || same != leaf {
		t.Errorf("a second leaf was made: %v", err)
	}
	if ip, err := first.Certificate("127.0.0.1"); err != nil || ip.Leaf.VerifyHostname("127.0.0.1") != nil {
		t.Errorf("address leaf: %v", err)
	}
	if _, err := first.Certificate("*.test"); err == nil {
		t.Error("a wildcard was certified")
	}
}

func TestDevCARefusesDamage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage func(dir string) error
		code   nexus.Code
		part   string
	}{
		"key readable by others": {func(dir string) error { return os.Chmod(filepath.Join(dir, devCAKeyFile), 0o640) },
			nexus.CodeUnfit, "chmod 600"},
		"key missing": {func(dir string) error { return os.Remove(filepath.Join(dir, devCAKeyFile)) },
			nexus.CodeCorrupt, "make a new"},
		"key of another authority": {func(dir string) error {
			other := filepath.Join(dir, "other")
			if err := os.Mkdir(other, 0o700); err != nil {
				return err
			}
			if _, err := OpenDevCA(other); err != nil {
				return err
			}
			return os.Rename(filepath.Join(other, devCAKeyFile), filepath.Join(dir, devCAKeyFile))
		}, nexus.CodeCorrupt, "make a new"},
		"certificate cut short": {func(dir string) error { return os.Truncate(filepath.Join(dir, devCACertFile), 100) },
			nexus.CodeCorrupt, "make a new"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if _, err := OpenDevCA(dir); err != nil {
				t.Fatal(err)
			}
			if err := c.damage(dir); err != nil {
				t.Fatal(err)
			}
			_, err := OpenDevCA(dir)
			if nexus.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.part) {
				t.Errorf("error: %v", err)
			}
		})
	}
	if _, err := OpenDevCA(filepath.Join(t.TempDir(), "missing")); nexus.CodeOf(err) != nexus.CodeUnavailable {
		t.Errorf("a folder that is not there: %v", err)
	}
}
