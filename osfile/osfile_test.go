package osfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestLocks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	a, b, c := open(t, path), open(t, path), open(t, path)
	if err := errors.Join(TryLockShared(a), TryLockShared(b)); err != nil {
		t.Fatalf("two who only read: %v", err)
	}
	if err := TryLock(c); !Held(err) {
		t.Errorf("a lock beside readers: %v", err)
	}
	if err := errors.Join(Unlock(a), Unlock(b), TryLock(c)); err != nil {
		t.Fatalf("after the readers: %v", err)
	}
	if err := TryLockShared(a); !Held(err) {
		t.Errorf("a reader beside a lock: %v", err)
	}
	got := make(chan error, 1)
	go func() { got <- Lock(a) }()
	if err := c.Close(); err != nil { // closing gives it back
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("the one who waited: %v", err)
	}
	if err := TryLock(b); !Held(err) {
		t.Errorf("a lock beside the one who waited: %v", err)
	}
	if Held(nil) || Held(os.ErrClosed) {
		t.Error("what is no refusal is taken for one")
	}
}

func TestFilesOnADisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := open(t, filepath.Join(dir, "file"))
	if err := f.Truncate(1 << 20); err != nil { // a hole
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Datasync(f), ReadRandom(f)); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if n := Allocated(info); n < 1 || n >= 1<<20 {
		t.Errorf("a file of one page and a hole takes %d bytes", n)
	}
	if uid, ok := Owner(info); !ok || uid != os.Geteuid() {
		t.Errorf("owner %d, %t, want %d", uid, ok, os.Geteuid())
	}
	if n, err := Free(dir); err != nil || n <= 0 {
		t.Errorf("%d bytes free, %v", n, err)
	}
	if _, err := Free(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("room of a folder that there is not: %v", err)
	}
	_ = f.Close()
	if Datasync(f) == nil || ReadRandom(f) == nil || TryLock(f) == nil {
		t.Error("a closed file was synced, advised or locked")
	}
}

func TestWhatIsAbsentSaysSo(t *testing.T) {
	t.Parallel()
	if err := Absent("wings"); !errors.Is(err, ErrAbsent) || !strings.HasPrefix(err.Error(), "wings: not on this system (") {
		t.Error(err)
	}
}
