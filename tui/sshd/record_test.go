package sshd

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// cast is a recording read back.
type cast struct {
	header struct {
		Version, Width, Height int
		Timestamp              int64
		Command                string
		Env                    map[string]string
	}
	shown, sizes string
}

func readCast(t *testing.T, file string) (c cast) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if err := json.Unmarshal([]byte(lines[0]), &c.header); err != nil || c.header.Version != 2 {
		t.Fatalf("header %q: %v", lines[0], err)
	}
	last := 0.0
	for _, l := range lines[1:] {
		var event []any
		if err := json.Unmarshal([]byte(l), &event); err != nil || len(event) != 3 {
			t.Fatalf("line %q: %v", l, err)
		}
		at, _ := event[0].(float64)
		if at < last {
			t.Errorf("time goes back at %q", l)
		}
		last = at
		switch event[1] {
		case "o":
			c.shown += fmt.Sprint(event[2])
		case "r":
			c.sizes += fmt.Sprint(event[2], " ")
		default:
			t.Errorf("event of kind %v", event[1])
		}
	}
	return c
}

func recording(t *testing.T, limits Limits) (*world, string, chan Recording) {
	t.Helper()
	dir, done := filepath.Join(t.TempDir(), "records"), make(chan Recording, 10)
	return serveWith(t, limits, func(c *Config) {
		c.RecordDir, c.Recorded = dir, func(r Recording) {
			if running, err := Running(r.File); !running || err != nil { // its entry is on the way: it is not unknown yet
				t.Errorf("while its end is handed over the file is running %v, %v", running, err)
			}
			done <- r
		}
	}), dir, done
}

func next(t *testing.T, done <-chan Recording) Recording {
	t.Helper()
	select {
	case r := <-done:
		return r
	case <-time.After(patience):
		t.Fatal("no recording ended")
		return Recording{}
	}
}

// What a client was shown is in the file, whose digest is told; what it typed is not.
func TestASessionIsRecorded(t *testing.T) {
	t.Parallel()
	w, dir, done := recording(t, Limits{})
	s := session(t, w.client(t))
	in, _ := s.StdinPipe()
	var shown, diag bytes.Buffer
	s.Stdout, s.Stderr = &shown, &diag
	if err := s.RequestPty("xterm-256color", 30, 100, gossh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Start("paint"); err != nil {
		t.Fatal(err)
	}
	theirs := <-w.arrived
	if err := s.WindowChange(40, 120); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new size", func() bool { z := <-theirs.Sizes; return z == Size{120, 40} })
	files, err := filepath.Glob(filepath.Join(dir, "*.cast"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	if running, err := Running(files[0]); !running || err != nil {
		t.Errorf("while the session lasts its file is running %v, %v", running, err)
	}
	if _, err := io.WriteString(in, "typed secret\n"); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(); err != nil {
		t.Fatal(err)
	}
	r := next(t, done)
	eventually(t, "that the file is let go", func() bool { running, err := Running(r.File); return !running && err == nil })
	text, err := os.ReadFile(r.File)
	if err != nil || nexus.Hash(sha256.Sum256(text)) != r.SHA256 || int64(len(text)) != r.Bytes || r.Truncated || r.Session != theirs.ID || r.Key != theirs.Key {
		t.Errorf("%+v does not fit the file of %d bytes: %v", r, len(text), err)
	}
	c := readCast(t, r.File)
	if c.header.Width != 100 || c.header.Height != 30 || c.header.Env["TERM"] != "xterm-256color" || c.header.Timestamp != r.Start.Unix() || c.sizes != "120x40 " {
		t.Errorf("header %+v, sizes %q", c.header, c.sizes)
	}
	notice := strings.ReplaceAll(recordNotice, "\n", "\r\n")
	if c.shown != shown.String() || !strings.HasPrefix(c.shown, notice) || !strings.Contains(c.shown, "\x1b[1mgrün\x1b[0m") || diag.Len() > 0 {
		t.Errorf("recorded %q, shown %q and beside it %q", c.shown, shown.String(), diag.String())
	}
	if strings.Contains(string(text), "secret") {
		t.Error("what was typed is recorded")
	}
	folder, err := os.Stat(dir)
	if err != nil || folder.Mode().Perm() != 0o700 {
		t.Errorf("folder %v, %v", folder.Mode(), err)
	}
	if file, err := os.Stat(r.File); err != nil || file.Mode().Perm() != 0o600 {
		t.Errorf("file %v, %v", file.Mode(), err)
	}
}

// A recording keeps to its bound, says so on the screen and in the file, and the session goes on.
func TestAFullRecordingSaysSo(t *testing.T) {
	t.Parallel()
	const most = 4096
	w, _, done := recording(t, Limits{Record: most})
	s := session(t, w.client(t))
	var diag bytes.Buffer
	s.Stderr = &diag
	out, err := s.Output("lines")
	if err != nil || !strings.HasSuffix(string(out), "line 999\n") {
		t.Fatalf("%v, %d bytes", err, len(out))
	}
	r := next(t, done)
	if !r.Truncated || r.Bytes > most || r.Bytes < most/2 {
		t.Errorf("%+v", r)
	}
	if c := readCast(t, r.File); !strings.Contains(c.shown, "line 0\n") || !strings.HasSuffix(c.shown, "is full and ends here\r\n") {
		t.Errorf("recorded %q", c.shown)
	}
	if strings.Count(diag.String(), "the recording is full at 4096 bytes") != 1 {
		t.Errorf("told %q", diag.String())
	}
}

// While a session runs, and so after a crash, its file is whole lines that hold what was shown.
func TestARecordingIsReadableAtAnyMoment(t *testing.T) {
	t.Parallel()
	w, dir, _ := recording(t, Limits{})
	s := session(t, w.client(t))
	if err := s.Start("wait"); err != nil {
		t.Fatal(err)
	}
	theirs := <-w.arrived
	if _, err := io.WriteString(theirs.Text, "half way"); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*-"+theirs.ID+".cast"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	if c := readCast(t, files[0]); c.shown != recordNotice+"half way" || c.header.Command != "wait" {
		t.Errorf("recorded %+v", c)
	}
}

// A session that cannot be recorded does not begin, and a folder that others may read is refused.
func TestNoSessionGoesUnrecorded(t *testing.T) {
	t.Parallel()
	w, dir, _ := recording(t, Limits{})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	s := session(t, w.client(t))
	var diag bytes.Buffer
	s.Stderr = &diag
	if out, err := s.Output("echo"); err == nil || len(out) > 0 || !strings.Contains(diag.String(), "must be recorded and cannot be") {
		t.Errorf("%q, %q, %v", out, diag.String(), err)
	}
	eventually(t, "the place is given back", func() bool { return w.Sessions() == 0 })
	open := t.TempDir()
	if err := os.Chmod(open, 0o755); err != nil { //nolint:gosec // what is to be refused
		t.Fatal(err)
	}
	if err := recordFolder(open); nexus.CodeOf(err) != nexus.CodeUnfit {
		t.Errorf("a folder of mode 0755: %v", err)
	}
}

func TestUnfinishedCharactersWait(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 0, "a": 0, "ü": 0, "\xc3": 1, "a\xe2\x82": 2, "\xf0\x9f\x98": 3, "\xff": 0, "a\x80": 0, "\x80\x80\x80\x80": 0} {
		if got := unfinished([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
