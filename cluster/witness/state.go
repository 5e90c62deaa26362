package witness

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// Names in a witness's folder.
const (
	stateFile   = "state.json"
	stateFormat = "nexus-witness-v1"
	stateBytes  = 64 << 20
	filePrivate = 0o600
	dirPrivate  = 0o700
	tempSuffix  = ".tmp"
)

// seen is the newest checkpoint of one log that this witness cosigned: a note with the log's signature and the witness's own.
type seen struct {
	Origin     string `json:"origin"`
	Checkpoint string `json:"checkpoint"`

	tree
	seconds uint64 // of the own cosignature
}

// stateForm is the stored form. SHA256 covers the file with that field zero.
type stateForm struct {
	Format string     `json:"format"`
	Key    string     `json:"key"` // the witness's verifier key
	Logs   []seen     `json:"logs"`
	SHA256 nexus.Hash `json:"sha256"`
}

func (f stateForm) encode() ([]byte, error) {
	f.SHA256 = nexus.Hash{}
	b, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	f.SHA256 = sha256.Sum256(b)
	b, err = json.MarshalIndent(f, "", "  ")
	return append(b, '\n'), err
}

// parseState reads a state and accepts only what encode wrote for this key: each checkpoint must carry the witness's own cosignature.
func parseState(b []byte, key verify.WitnessKey) (map[string]seen, error) {
	var f stateForm
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, err
	}
	if f.Format != stateFormat {
		return nil, fmt.Errorf("format %q; this version reads %s", f.Format, stateFormat)
	}
	if again, err := f.encode(); err != nil || !bytes.Equal(again, b) {
		return nil, errors.New("not as it was written")
	}
	if f.Key != key.String() {
		return nil, fmt.Errorf("is of the witness %s, the key is of %s", f.Key, key)
	}
	out := make(map[string]seen, len(f.Logs))
	for _, s := range f.Logs {
		var err error
		if s.tree, err = parseTree(s.Checkpoint); err != nil {
			return nil, fmt.Errorf("log %s: %w", s.Origin, err)
		}
		own := verify.Cosignatures(s.Checkpoint, []verify.WitnessKey{key})
		if _, twice := out[s.Origin]; twice || s.origin != s.Origin || len(own) != 1 {
			return nil, fmt.Errorf("log %s: not what this witness cosigned", s.Origin)
		}
		s.seconds = own[0].Seconds
		out[s.Origin] = s
	}
	return out, nil
}

// encodeState is the whole state, logs in the order of their origins.
func encodeState(key verify.WitnessKey, logs map[string]seen) ([]byte, error) {
	f := stateForm{Format: stateFormat, Key: key.String(), Logs: []seen{}}
	for _, s := range logs {
		f.Logs = append(f.Logs, s)
	}
	sort.Slice(f.Logs, func(i, j int) bool { return f.Logs[i].Origin < f.Logs[j].Origin })
	return f.encode()
}

// loadState reads the state of a folder. An absent one is an error: a witness that forgot what it cosigned would cosign a fork.
func loadState(dir string, key verify.WitnessKey) (map[string]seen, error) {
	path := filepath.Join(dir, stateFile)
	const lost = "restore it from a newer copy than any cosignature, or make a witness with a new key in an empty folder"
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nexus.Errf("open witness", nexus.CodeCorrupt, path, lost, "missing: without it this witness would cosign another history")
	}
	if err != nil {
		return nil, nexus.Errf("open witness", nexus.CodeUnfit, path, "run as the owner of the folder", "%w", err)
	}
	defer func() { _ = f.Close() }() // read only
	b, err := io.ReadAll(io.LimitReader(f, stateBytes+1))
	if err == nil && len(b) > stateBytes {
		err = fmt.Errorf("larger than %d bytes", stateBytes)
	}
	var logs map[string]seen
	if err == nil {
		logs, err = parseState(b, key)
	}
	if err != nil {
		return nil, nexus.Errf("open witness", nexus.CodeCorrupt, path, lost, "%w", err)
	}
	return logs, nil
}

// Init makes a witness's folder with an empty state. It must come before the key is placed: a key without a state is refused. An empty
// state of another key, which a crash in between left, is made anew; one with logs in it is left as it is. Errors: nexus.CodeConflict for a
// state of another witness, nexus.CodeUnfit names the folder.
func Init(dir string, key verify.WitnessKey) error {
	if err := os.MkdirAll(dir, dirPrivate); err != nil {
		return nexus.Errf("make witness", nexus.CodeUnfit, dir, "choose a folder that you may write to", "%w", err)
	}
	path := filepath.Join(dir, stateFile)
	if old, err := os.ReadFile(path); err == nil {
		var f stateForm
		if err := json.Unmarshal(old, &f); err != nil || f.Key != key.String() && len(f.Logs) > 0 {
			return nexus.Errf("make witness", nexus.CodeConflict, path, "restore the key that belongs to it, or choose an empty folder",
				"is the state of another witness")
		} else if f.Key == key.String() {
			return nil
		}
	}
	b, err := encodeState(key, nil)
	if err == nil {
		err = replaceFile(path, b)
	}
	if err != nil {
		return nexus.Errf("make witness", nexus.CodeUnfit, path, "mend the folder's permissions, or free disk space", "%w", err)
	}
	return nil
}

// replaceFile puts data in place of path: before the rename the old content stands, after it the new one, and both file and folder
// are synced before it returns.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*"+tempSuffix)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(filePrivate)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error says more
		return err
	}
	return osfile.SyncDir(filepath.Dir(path))
}

// lock makes sure that one process holds the folder; the kernel frees it when the process dies. It removes what a crash left.
func lock(dir string) (*os.File, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, nexus.Errf("open witness", nexus.CodeNotFound, dir, "name the folder of a witness", "%w", err)
	}
	if err := osfile.TryLock(d); err != nil {
		_ = d.Close()
		return nil, nexus.Errf("open witness", nexus.CodeConflict, dir, "stop the other process, or use another folder", "held by another process")
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"+tempSuffix))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		_ = d.Close()
		return nil, nexus.Errf("open witness", nexus.CodeUnfit, dir, "mend the folder's permissions", "%w", err)
	}
	return d, nil
}
