// Package keys keeps the keys of personal texts: one file for each person and number, beside the ledger and outside of it.
//
// Promises: a key is on the disk, synced, before anything is sealed under it; a destroyed one is overwritten, removed, the directory
// synced, and its absence looked at before Destroy says so. No key stands in Badger, in the replicated log, in the stored state, in a
// ledger's backup or in an export. It must not know the ledger: which keys must go is decided by engine.
package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// Max bounds the keys of one store: a file of a few hundred bytes each. Keys of persons whom the ledger does not know may take half of it:
// anybody who may ask can have a text sealed for a key that was just made up, and that must not take the room of the others.
const Max = 1 << 18

const (
	fileMagic  = "NXPERSN1"
	fileSuffix = ".key"
	tempSuffix = ".tmp"
	cacheMax   = 4096
)

// Ref names a key.
type Ref struct {
	Subject nexus.PublicKey
	Number  uint32
}

// Store is a directory of keys. Safe for concurrent use; one process at a time.
type Store struct {
	dir     string
	cluster nexus.ID
	most    int // keys: Max

	mu    sync.Mutex // guards what follows, and the files
	count int
	cache map[Ref]*personal.Key
}

// content is what a file holds after magic and SHA-256.
type content struct {
	Version uint8 // 1
	Cluster nexus.ID
	Key     personal.Key
}

// Open opens the store of a cluster, and makes its directory (0700) when it is missing. What a crash left half written is removed:
// nothing was sealed under it.
func Open(dir string, cluster nexus.ID) (*Store, error) {
	s := &Store{dir: dir, cluster: cluster, most: Max, cache: map[Ref]*personal.Key{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, s.fail(dir, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, s.fail(dir, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, nexus.Errf("personal keys", nexus.CodeUnfit, dir, "chmod 700 "+dir, "mode %04o lets group or others in", info.Mode().Perm())
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, s.fail(dir, err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), tempSuffix) {
			if err := shred(filepath.Join(dir, e.Name())); err != nil {
				return nil, s.fail(e.Name(), err)
			}
			continue
		}
		s.count++
	}
	return s, nil
}

func (s *Store) fail(what string, err error) error {
	return nexus.Errf("personal keys", nexus.CodeUnavailable, what, "check the disk and the permissions of "+s.dir, "%w", err)
}

func (s *Store) path(r Ref) string {
	return filepath.Join(s.dir, hex.EncodeToString(r.Subject[:])+"-"+strconv.FormatUint(uint64(r.Number), 10)+fileSuffix)
}

// Find gives a key. Errors: nexus.CodeNotFound when there is none, nexus.CodeCorrupt when its file is not what was written.
func (s *Store) Find(r Ref) (*personal.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(r)
}

func (s *Store) find(r Ref) (*personal.Key, error) {
	if k := s.cache[r]; k != nil {
		copied := *k
		return &copied, nil
	}
	path := s.path(r)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nexus.Errf("personal keys", nexus.CodeNotFound, "key of "+r.Subject.Short(), "restore it from a backup of identities, if there is one",
			"is not on this node")
	}
	if err != nil {
		return nil, s.fail(path, err)
	}
	k, err := s.decode(r, b)
	if err != nil {
		return nil, nexus.Errf("personal keys", nexus.CodeCorrupt, path, "restore it from a backup of identities", "%w", err)
	}
	if len(s.cache) >= cacheMax {
		s.forgetAll()
	}
	s.cache[r] = k
	copied := *k
	return &copied, nil
}

func (s *Store) decode(r Ref, b []byte) (*personal.Key, error) {
	head := len(fileMagic) + sha256.Size
	if len(b) < head || string(b[:len(fileMagic)]) != fileMagic {
		return nil, errors.New("not a file of a key")
	}
	if sum := sha256.Sum256(b[head:]); string(sum[:]) != string(b[len(fileMagic):head]) {
		return nil, errors.New("does not match its SHA-256")
	}
	var c content
	if err := nexus.Decode(b[head:], &c); err != nil {
		return nil, err
	}
	if c.Version != 1 || c.Cluster != s.cluster || c.Key.Subject != r.Subject || c.Key.Number != r.Number {
		return nil, fmt.Errorf("is of cluster %s, person %s, number %d", c.Cluster, c.Key.Subject.Short(), c.Key.Number)
	}
	return &c.Key, nil
}

// Make gives a key, and makes it when there is none. Known says that the ledger knows the person. Errors: as Find's but for
// nexus.CodeNotFound; nexus.CodeUnavailable when there are Max keys, half of them for one that is not known, or the disk fails.
func (s *Store) Make(r Ref, known bool) (*personal.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.find(r)
	if nexus.CodeOf(err) != nexus.CodeNotFound {
		return k, err
	}
	if !known && s.count >= s.most/2 {
		return nil, nexus.Errf("personal keys", nexus.CodeUnavailable, s.dir, "issue the person an identity first (nexus identity issue)",
			"holds %d keys; the room that is left is for persons whom the ledger knows", s.count)
	}
	made := personal.Key{Subject: r.Subject, Number: r.Number}
	if _, err := rand.Read(made.Secret[:]); err != nil {
		return nil, err
	}
	if err := s.put(made); err != nil {
		return nil, err
	}
	return s.find(r)
}

// Put writes a key that is known already, of a backup. Errors: nexus.CodeConflict when the store has another of its person and number;
// else as Make's.
func (s *Store) Put(k personal.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, err := s.find(Ref{k.Subject, k.Number})
	switch {
	case nexus.CodeOf(err) == nexus.CodeNotFound:
		return s.put(k)
	case err == nil && have.Secret != k.Secret:
		return nexus.Errf("personal keys", nexus.CodeConflict, "key of "+k.Subject.Short(), "keep the one that is there, or begin in an empty directory",
			"the store has another of number %d", k.Number)
	}
	return err
}

func (s *Store) put(k personal.Key) error {
	if s.count >= s.most {
		return nexus.Errf("personal keys", nexus.CodeUnavailable, s.dir, "", "holds %d keys, the most there may be", s.count)
	}
	body := nexus.Encode(content{Version: 1, Cluster: s.cluster, Key: k})
	sum := sha256.Sum256(body)
	path := s.path(Ref{k.Subject, k.Number})
	if err := osfile.Replace(path, append(append([]byte(fileMagic), sum[:]...), body...)); err != nil {
		return s.fail(path, err)
	}
	s.count++
	return nil
}

// Destroy ends a key: its file is overwritten, synced, removed, the directory synced, and looked for once more. It reports whether there
// was one; a second call finds none. A crash on the way leaves a file that opens nothing or the whole key: call it again.
func (s *Store) Destroy(r Ref) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.cache[r]; k != nil {
		clear(k.Secret[:])
		delete(s.cache, r)
	}
	path := s.path(r)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err := shred(path); err != nil {
		return false, s.fail(path, err)
	}
	s.count--
	if err := osfile.SyncDir(s.dir); err != nil {
		return true, s.fail(s.dir, err)
	}
	if _, err := s.find(r); nexus.CodeOf(err) != nexus.CodeNotFound {
		return true, nexus.Errf("personal keys", nexus.CodeInternal, path, "remove the file", "can still be read after it was removed (%v)", err)
	}
	return true, nil
}

// shred overwrites a file and removes it. What the medium keeps beneath a file system (copies of a flash disk, of a file system that writes
// elsewhere, or a snapshot) is out of its reach; decision 28 says what to do about that.
func shred(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		noise := make([]byte, info.Size())
		if _, err = rand.Read(noise); err == nil {
			_, err = f.WriteAt(noise, 0)
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Remove(path)
}

// List names every key of the store, in the order of their files.
func (s *Store) List() ([]Ref, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, s.fail(s.dir, err)
	}
	var out []Ref
	for _, e := range entries {
		if r, ok := refOf(e.Name()); ok {
			out = append(out, r)
		}
	}
	return out, nil
}

func refOf(name string) (r Ref, ok bool) {
	name, ok = strings.CutSuffix(name, fileSuffix)
	subject, number, found := strings.Cut(name, "-")
	if !ok || !found || len(subject) != hex.EncodedLen(len(r.Subject)) {
		return r, false
	}
	if _, err := hex.Decode(r.Subject[:], []byte(subject)); err != nil {
		return r, false
	}
	n, err := strconv.ParseUint(number, 10, 32)
	r.Number = uint32(n)
	return r, err == nil
}

func (s *Store) forgetAll() {
	for r, k := range s.cache {
		clear(k.Secret[:])
		delete(s.cache, r)
	}
}

// Close forgets what is in memory.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetAll()
}
