package identity

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

const agentPrefix = "agent:"

// CheckName judges the name of a key: 1 to 64 of A-Z a-z 0-9 . _ @ - starting with a letter, digit or underscore, and
// none that would be taken for a sidecar, a public key or a temporary.
func CheckName(name string) error {
	bad := func(what string) error {
		return nexus.Errf("identity name", nexus.CodeMalformed, fmt.Sprintf("name %q", name),
			"1 to 64 of letters, digits and . _ @ -, not starting with . @ or -", "%s", what)
	}
	if !namePattern.MatchString(name) {
		return bad("not a usable name")
	}
	for _, suffix := range []string{SidecarSuffix, ".pub", tempSuffix} {
		if strings.HasSuffix(name, suffix) {
			return bad("ends in " + suffix)
		}
	}
	return nil
}

// Resolve gives the signer that --identity names: agent:FINGERPRINT (a key in the ssh-agent at agentSocket, which is
// the caller's SSH_AUTH_SOCK), FILE (anything with a slash in it), or NAME (<dataDir>/keys/NAME). Empty is "operator".
//
// An encrypted FILE gives an error with ErrPassphrase in its chain; a caller on a terminal may ask and use
// LoadKeyPassphrase.
func Resolve(spec, dataDir, agentSocket string) (nexus.Signer, error) {
	const op = "resolve identity"
	switch {
	case spec == "":
		spec = OperatorName
	case strings.HasPrefix(spec, agentPrefix):
		return AgentSigner(agentSocket, strings.TrimPrefix(spec, agentPrefix))
	case strings.ContainsRune(spec, filepath.Separator):
		return signerOf(loadForeign(spec, nil))
	}
	if err := CheckName(spec); err != nil {
		return nil, err
	}
	path := KeyPath(dataDir, spec)
	if exists(path) || exists(path+SidecarSuffix) {
		return signerOf(LoadKey(path))
	}
	hint := "nexus identity list shows the names; --identity FILE or agent:FINGERPRINT uses a key from elsewhere"
	if spec == OperatorName {
		hint = "pass --identity FILE or --identity agent:FINGERPRINT, or launch first: the dev profile makes this key"
	}
	if info, err := os.Stat(spec); err == nil && info.Mode().IsRegular() {
		hint = "for the file in this directory write --identity ./" + spec
	}
	return nil, nexus.Errf(op, nexus.CodeNotFound, fmt.Sprintf("identity %q", spec), hint, "no key %s", path)
}

// signerOf keeps a nil *Key from becoming a signer that is not nil.
func signerOf(k *Key, err error) (nexus.Signer, error) {
	if err != nil {
		return nil, err
	}
	return k, nil
}

// Entry is one line of `nexus identity list`: a key file of the data directory.
type Entry struct {
	Name      string
	Public    nexus.PublicKey
	Comment   string
	CreatedMs int64 // Unix milliseconds
	Path      string
	Err       error // why the key cannot be used; nil when all is well
}

// List gives the keys of dataDir by name. A damaged key is listed with its error.
func List(dataDir string) ([]Entry, error) {
	c := checker{dir: dataDir}
	names := c.listKeys()
	entries := make([]Entry, 0, len(names))
	for _, name := range names {
		e := Entry{Name: name, Path: KeyPath(dataDir, name)}
		key, err := LoadKey(e.Path)
		if err != nil {
			e.Err = err
		} else {
			e.Public, e.Comment = key.Public(), key.Comment
			if side, serr := readSidecar("list keys", e.Path); serr == nil {
				e.CreatedMs = side.CreatedMs
			}
		}
		entries = append(entries, e)
	}
	if len(entries) == 0 && len(c.findings) > 0 {
		return nil, nexus.Errf("list keys", nexus.CodeUnavailable, c.findings[0].File, "check the data directory", "%s",
			c.findings[0].What)
	}
	return entries, nil
}
