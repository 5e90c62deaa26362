//go:build unix

package bundle_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"mime/multipart"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/bundle"
)

// The child of TestAKillLeavesNothingHalf: it receives a stored stream and kills itself at the given step.
const (
	killAt     = "NEXUS_TEST_BUNDLE_KILL_AT"
	killStream = "NEXUS_TEST_BUNDLE_STREAM"
)

func TestMain(m *testing.M) {
	if at := os.Getenv(killAt); at != "" {
		dieAt(at, os.Getenv(killStream))
	}
	os.Exit(m.Run())
}

func dieAt(at, stream string) {
	left, _ := strconv.Atoi(at)
	raw, err := os.ReadFile(filepath.Join(stream, "stream"))
	boundary, err2 := os.ReadFile(filepath.Join(stream, "boundary"))
	var k nexus.PublicKey
	text, err3 := os.ReadFile(filepath.Join(stream, "key"))
	if err := errors.Join(err, err2, err3, k.UnmarshalText(text)); err != nil {
		panic(err)
	}
	r := bundle.Receiver{Target: filepath.Join(stream, "out"), Key: k, Watch: func(bundle.Step, string) error {
		if left--; left < 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}}
	_, _ = r.Receive(context.Background(), multipart.NewReader(bytes.NewReader(raw), string(boundary)))
	os.Exit(3) // no step was left to die at
}

// stored keeps a unit's stream in a folder.
func (r *rig) stored(unit nexus.ID) (dir string, raw []byte, boundary string) {
	r.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := bundle.Write(context.Background(), r.eng, unit, w, nil); err != nil {
		r.t.Fatal(err)
	}
	dir = r.t.TempDir()
	for name, text := range map[string][]byte{"stream": b.Bytes(), "boundary": []byte(w.Boundary()), "key": []byte(r.eng.NodeKey().String())} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	return dir, b.Bytes(), w.Boundary()
}

func TestAKillLeavesNothingHalf(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	unit, _ := r.populate()
	dir, raw, boundary := r.stored(unit)
	target := filepath.Join(dir, "out")
	whole := false
	for at := 0; !whole; at++ {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), killAt+"="+strconv.Itoa(at), killStream+"="+dir)
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("step %d: the child was not killed: %v", at, err)
		}
		if _, err := os.Stat(target); err == nil {
			whole = true // killed after the rename
			rep, err := bundle.Check(context.Background(), target, r.eng.NodeKey())
			if err != nil || !rep.Clean() || at < 25 {
				t.Errorf("killed at step %d: %v, %q", at, err, rep.Findings)
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if at%6 != 0 || whole { // what a kill left is in nobody's way
			continue
		}
		again := bundle.Receiver{Target: target, Key: r.eng.NodeKey()}
		if _, err := again.Receive(context.Background(), multipart.NewReader(bytes.NewReader(raw), boundary)); err != nil {
			t.Fatalf("after a kill at step %d: %v", at, err)
		}
		if list, _ := os.ReadDir(dir); len(list) != 4 {
			t.Errorf("after a kill at step %d there are %v", at, list)
		}
		if err := os.RemoveAll(target); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatCannotBeWrittenLeavesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	unit, _ := r.populate()
	_, raw, boundary := r.stored(unit)
	full := errors.Join(errors.New("write"), syscall.ENOSPC)
	for name, c := range map[string]struct {
		prepare func(t *testing.T, target string)
		stream  []byte
		watch   func(bundle.Step, string) error
		key     nexus.PublicKey
		code    nexus.Code
		want    string
		stays   bool
	}{
		"disk full": {watch: func(s bundle.Step, p string) error {
			if s == bundle.StepFile && p == "money.json" {
				return full
			}
			return nil
		}, code: nexus.CodeUnavailable, want: "disk is full"},
		"cut stream":   {stream: raw[:len(raw)/2], code: nexus.CodeUnavailable, want: "broke off"},
		"no signature": {stream: raw[:bytes.LastIndex(raw, []byte("--"+boundary+"\r\n"))], code: nexus.CodeUnavailable, want: "broke off"},
		"changed byte": {stream: bytes.Replace(raw, []byte("Ada's shop"), []byte("Ada's Shop"), 1), code: nexus.CodeCorrupt, want: "was changed"},
		"escaping path": {stream: bytes.Replace(raw, []byte("Content-Location: money.json"), []byte("Content-Location: ../moneys"), 1),
			code: nexus.CodeUnavailable, want: "names the file"},
		"another key": {key: key(5).Public(), code: nexus.CodeCorrupt, want: "not signed by"},
		"target in use": {prepare: func(t *testing.T, d string) { put(t, filepath.Join(d, "x"), "") }, code: nexus.CodeConflict, want: "holds 1 files",
			stays: true},
		"target a file":  {prepare: func(t *testing.T, d string) { put(t, d, "") }, code: nexus.CodeConflict, want: "is no folder", stays: true},
		"another writer": {prepare: hold, code: nexus.CodeConflict, want: "another process", stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			target := filepath.Join(dir, "out")
			if c.prepare != nil {
				c.prepare(t, target)
			}
			if c.stream == nil {
				c.stream = raw
			}
			if c.key.IsZero() {
				c.key = r.eng.NodeKey()
			}
			to := bundle.Receiver{Target: target, Key: c.key, Watch: c.watch}
			_, err := to.Receive(context.Background(), multipart.NewReader(bytes.NewReader(c.stream), boundary))
			if nexus.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %s: %s", err, c.code, c.want)
			}
			if list, _ := os.ReadDir(dir); !c.stays && len(list) != 0 {
				t.Errorf("left behind: %v", list)
			}
		})
	}
	empty := filepath.Join(t.TempDir(), "out")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	to := bundle.Receiver{Target: empty, Key: r.eng.NodeKey()}
	if _, err := to.Receive(context.Background(), multipart.NewReader(bytes.NewReader(raw), boundary)); err != nil {
		t.Errorf("into an empty folder: %v", err)
	}
}

// hold locks the folder beside the target, as another process would that writes there.
func hold(t *testing.T, target string) {
	tmp := filepath.Join(filepath.Dir(target), ".out.partial")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(tmp)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
}
