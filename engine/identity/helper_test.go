package identity

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func must[T any](t testing.TB) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wantCode checks an error's code, that it names the subject, and that it shows a way out.
func wantCode(t testing.TB, err error, code nexus.Code, mentions ...string) {
	t.Helper()
	if got := nexus.CodeOf(err); got != code {
		t.Fatalf("code %q, want %q: %v", got, code, err)
	}
	for _, m := range mentions {
		if !strings.Contains(err.Error(), m) {
			t.Errorf("error %q does not mention %q", err, m)
		}
	}
	var e *nexus.Error
	if errors.As(err, &e) && e.Hint == "" && !strings.Contains(err.Error(), "(") {
		t.Errorf("error %q shows no way out", err)
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	return must[[]byte](t)(os.ReadFile(path))
}

func writeFile(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// sshKeygen runs the real ssh-keygen: openssh-client is what `make setup` installs.
func sshKeygen(t testing.TB, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Fatal("ssh-keygen is needed: apt install openssh-client")
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ssh-keygen %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// copyTree copies a data directory.
func copyTree(t testing.TB, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	// CopyFS makes modes by the umask, and modes are part of what is checked here.
	err := filepath.WalkDir(to, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func devCluster(t testing.TB) (dir string, g Genesis) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	return dir, must[Genesis](t)(NewGenesis(dir, GenesisOptions{Profile: ProfileDev}))
}
