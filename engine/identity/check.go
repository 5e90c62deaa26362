package identity

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Finding is one fault of a stored file.
type Finding struct {
	File   string // path, as data directory + relative name
	Offset int64  // byte at which the fault shows, -1 when it concerns the whole file
	What   string // one sentence for people
}

// String prints "FILE: at byte N: WHAT".
func (f Finding) String() string {
	if f.Offset < 0 {
		return f.File + ": " + f.What
	}
	return fmt.Sprintf("%s: at byte %d: %s", f.File, f.Offset, f.What)
}

// CheckFiles reads genesis and every key with its sidecar in dataDir and returns what is wrong, sorted by file; none
// means that every byte of them is as written. It changes nothing and never panics on any content. An empty or missing
// data directory has nothing to check. Temporaries of an interrupted write are not findings: Recover ends those.
func CheckFiles(dataDir string) []Finding {
	c := checker{dir: dataDir}
	if exists(filepath.Join(dataDir, stageReady)) {
		c.add(filepath.Join(dataDir, stageReady), errors.New("an interrupted creation; the next start completes it"))
		return c.findings
	}
	keys := c.listKeys()
	genesis, ok := c.genesis()
	for _, name := range keys {
		c.key(name, genesis, ok)
	}
	if ok {
		for _, name := range []string{PlatformName, NodeName} {
			if path := KeyPath(dataDir, name); !exists(path) && !exists(path+SidecarSuffix) {
				c.add(path, errors.New("key is missing; genesis names it"))
			}
		}
	}
	sort.Slice(c.findings, func(i, j int) bool { return c.findings[i].File < c.findings[j].File })
	return c.findings
}

type checker struct {
	dir      string
	findings []Finding
}

// add records err against a file. An error about another file than path (the sidecar of a key) names that file.
func (c *checker) add(path string, err error) {
	f := Finding{File: path, Offset: -1, What: err.Error()}
	var d *damage
	if errors.As(err, &d) {
		f.Offset, f.What = d.offset, d.what
	}
	var e *nexus.Error
	if errors.As(err, &e) {
		if strings.HasPrefix(e.Subject, c.dir) {
			f.File = e.Subject
		}
		if d == nil && e.Cause != nil {
			f.What = e.Cause.Error()
		}
	}
	for _, have := range c.findings {
		if have == f {
			return
		}
	}
	c.findings = append(c.findings, f)
}

// genesis checks the genesis file; ok says that its content may be compared with the keys.
func (c *checker) genesis() (g Genesis, ok bool) {
	path := filepath.Join(c.dir, GenesisFile)
	g, err := ReadGenesis(c.dir)
	if err == nil {
		return g, true
	}
	if nexus.CodeOf(err) != nexus.CodeNotFound {
		c.add(path, err)
		return Genesis{}, false
	}
	// Keys made before the first launch need no genesis, nor does the key of a node that joined another's cluster; a
	// platform key never exists without one.
	if platform := KeyPath(c.dir, PlatformName); exists(platform) || exists(platform+SidecarSuffix) {
		c.add(path, errors.New("genesis is missing; the platform key of its cluster is here"))
	}
	return Genesis{}, false
}

// listKeys gives the names of all keys, judged by key or sidecar, and reports what is neither.
func (c *checker) listKeys() []string {
	dir := filepath.Join(c.dir, KeysDir)
	info, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && info.IsDir() && info.Mode().Perm()&0o077 != 0 {
		c.add(dir, fmt.Errorf("mode %04o lets group or others in; chmod 700", info.Mode().Perm()))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		c.add(dir, err)
	}
	seen := map[string]bool{}
	var names []string
	for _, e := range entries {
		if _, temp := isTemp(e.Name()); temp {
			continue
		}
		name := strings.TrimSuffix(e.Name(), SidecarSuffix)
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// key checks one key by the code that loads it, so that what passes here loads and what fails here does not.
func (c *checker) key(name string, g Genesis, haveGenesis bool) {
	path := KeyPath(c.dir, name)
	key, err := LoadKey(path)
	if err != nil {
		if nexus.CodeOf(err) == nexus.CodeNotFound {
			err = errors.New("key is missing; its sidecar is here")
		}
		c.add(path, err)
		// The sidecar is sealed by itself, so its own damage shows also when the key is damaged too.
		if _, serr := readSidecar("check", path); serr != nil {
			c.add(path+SidecarSuffix, serr)
		}
		return
	}
	if !haveGenesis {
		return
	}
	for _, p := range []struct {
		name string
		want nexus.PublicKey
	}{{PlatformName, g.Platform.Public}, {NodeName, g.Node.Public}, {OperatorName, g.Operator.Public}} {
		if name == p.name && key.Public() != p.want {
			c.add(path, fmt.Errorf("its public key is %s, genesis says %s", key.Public(), p.want))
		}
	}
}
