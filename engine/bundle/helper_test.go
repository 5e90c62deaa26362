package bundle_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func sha(b []byte) nexus.Hash { return sha256.Sum256(b) }

// monthIn gives the closed month of a bundle.
func monthIn(t *testing.T, dir string) string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "statements", "2*.json"))
	if err != nil || len(list) != 1 {
		t.Fatalf("statements %q, %v", list, err)
	}
	return strings.TrimSuffix(filepath.Base(list[0]), ".json")
}

func openIn(t *testing.T, dir string) string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "statements", "open-*.json"))
	if err != nil || len(list) != 1 {
		t.Fatalf("statements %q, %v", list, err)
	}
	return list[0]
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, text...), 0o600); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to, name string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(from, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(to, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// dropLine takes one entry out of an export and makes its last line anew.
func dropLine(t *testing.T, path string, n int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	lines = append(lines[:n], lines[n+1:]...)
	lines = lines[:len(lines)-1] // behind the last line break
	body := bytes.Join(lines[:len(lines)-1], nil)
	last, err := json.Marshal(struct {
		Lines  int        `json:"lines"`
		SHA256 nexus.Hash `json:"sha256"`
	}{len(lines) - 2, sha(body)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(append(body, last...), '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

func editOpen(t *testing.T, dir, from, to string) {
	t.Helper()
	path := openIn(t, dir)
	b, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(b, []byte(from)) {
		t.Fatalf("no %q in %s, %v", from, b, err)
	}
	if err := os.WriteFile(path, bytes.Replace(b, []byte(from), []byte(to), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

// shrinkOpen makes the open statement say that it was made from one entry less of the unit.
func shrinkOpen(t *testing.T, dir string) {
	t.Helper()
	path := openIn(t, dir)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var d map[string]json.RawMessage
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	editOpen(t, dir, `"unit_entries": `+string(d["unit_entries"]), `"unit_entries": 3`)
}

// put writes a file and the folder that it is in.
func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func jsonText(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// retrail makes the last line of an export anew.
func retrail(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	lines = lines[:len(lines)-2] // without the last line, and what is behind its line break
	body := bytes.Join(lines, nil)
	last, err := json.Marshal(struct {
		Lines  int        `json:"lines"`
		SHA256 nexus.Hash `json:"sha256"`
	}{len(lines) - 1, sha(body)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(append(body, last...), '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}
