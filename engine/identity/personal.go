package identity

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// PersonalDir is the directory of the keys of personal texts under the data directory (engine/personal/keys writes them). They have a
// backup apart from identities: a key that was erased since must not live on in a file that is kept for years.
const PersonalDir = "personal"

// personalFile is the name of such a key: person in hexadecimal, number.
var personalFile = regexp.MustCompile(`^[0-9a-f]{64}-(0|[1-9][0-9]{0,9})\.key$`)

// personalMagic begins each of them; the SHA-256 of what follows it comes next.
const personalMagic = "NXPERSN1"

// isPersonal reports whether a name of a backup is that of a key of personal texts.
func isPersonal(name string) bool {
	file, ok := strings.CutPrefix(name, PersonalDir+"/")
	return ok && personalFile.MatchString(file)
}

// acceptPersonal refuses a file that is not what was written. Whose key it is, engine/personal/keys checks when it opens it.
func acceptPersonal(op, path string, b []byte) error {
	head := len(personalMagic) + sha256.Size
	if len(b) > head && string(b[:len(personalMagic)]) == personalMagic {
		if sum := sha256.Sum256(b[head:]); bytes.Equal(sum[:], b[len(personalMagic):head]) {
			return nil
		}
	}
	return corrupt(op, path, "restore it from another backup, or remove it: what was sealed under it cannot be read", errors.New("not a key as it was written"))
}

// collectPersonal reads every key of personal texts.
func collectPersonal(op, dataDir string) ([]backupFile, error) {
	dir := filepath.Join(dataDir, PersonalDir)
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, fileError(op, dir, err)
	}
	var files []backupFile
	for _, e := range entries {
		name := PersonalDir + "/" + e.Name()
		if !isPersonal(name) {
			continue
		}
		b, err := readPrivate(op, filepath.Join(dir, e.Name()))
		if nexus.CodeOf(err) == nexus.CodeNotFound { // destroyed between the list and the look
			continue
		}
		if err == nil {
			err = acceptPersonal(op, filepath.Join(dir, e.Name()), b)
		}
		if err != nil {
			return nil, err
		}
		files = append(files, backupFile{name, b})
	}
	switch {
	case len(files) == 0:
		return nil, nexus.Errf(op, nexus.CodeNotFound, dir, "nothing was sealed on this node yet", "no key of personal texts to back up")
	case len(files) > backupMaxFiles:
		return nil, nexus.Errf(op, nexus.CodeUnfit, dir, "copy the directory to an encrypted place instead", "%d keys, a backup holds %d", len(files), backupMaxFiles)
	}
	return files, nil
}

// placePersonal moves the keys of personal texts of a complete stage to their places.
func placePersonal(op, ready, dir string) error {
	entries, err := os.ReadDir(filepath.Join(ready, PersonalDir))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fileError(op, ready, err)
	}
	to := filepath.Join(dir, PersonalDir)
	if err := makeDir(op, to); err != nil {
		return err
	}
	for _, e := range entries {
		if err := placeFile(op, filepath.Join(ready, PersonalDir, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return syncDir(op, to)
}
