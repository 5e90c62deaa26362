package identity

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// BackupOptions says what goes into a backup and who may open it: a passphrase (scrypt) or age recipients, not both.
type BackupOptions struct {
	Names      []string // keys; empty: all keys, and genesis when there is one
	Passphrase string   // at least 12 bytes
	Recipients []string // "age1..." public keys
	Personal   bool     // the keys of personal texts, and nothing else
	// WorkFactor is scrypt's log2(N); 0: age's default (18, about a second). Lower ones are for tests.
	WorkFactor int
}

// backupMaxFiles and backupMaxLen bound what Restore accepts.
const (
	backupMaxFiles      = 16384
	backupMaxLen        = 64 << 20 // bytes
	passphraseMinLen    = 12       // bytes; a backup can be attacked offline
	scryptWorkFactorMax = 22
)

// Backup writes keys, sidecars and genesis to w as an age file around a tar archive: `age -d FILE | tar x` opens it
// without this program. Every file is checked before it goes in; a damaged one is CodeCorrupt and nothing is written.
func Backup(w io.Writer, dataDir string, o BackupOptions) error {
	const op = "identity backup"
	to, err := o.recipients(op)
	if err != nil {
		return err
	}
	var files []backupFile
	if o.Personal {
		files, err = collectPersonal(op, dataDir)
	} else {
		files, err = collectBackup(op, dataDir, o.Names)
	}
	if err != nil {
		return err
	}
	enc, err := age.Encrypt(w, to...)
	if err != nil {
		return &nexus.Error{Op: op, Code: nexus.CodeInternal, Subject: "age", Cause: err}
	}
	tw := tar.NewWriter(enc)
	for _, f := range files {
		head := &tar.Header{Name: f.name, Mode: fileMode, Size: int64(len(f.data)), ModTime: time.Unix(0, 0),
			Format: tar.FormatPAX}
		if err := tw.WriteHeader(head); err != nil {
			return fileError(op, "backup", err)
		}
		if _, err := tw.Write(f.data); err != nil {
			return fileError(op, "backup", err)
		}
	}
	if err := errors.Join(tw.Close(), enc.Close()); err != nil {
		return fileError(op, "backup", err)
	}
	return nil
}

func (o BackupOptions) recipients(op string) ([]age.Recipient, error) {
	usage := func(what string) error {
		return nexus.Errf(op, nexus.CodeUsage, "protection",
			"give a passphrase of 12 bytes or more, or age recipients", "%s", what)
	}
	if (o.Passphrase == "") == (len(o.Recipients) == 0) {
		return nil, usage("exactly one of passphrase and recipients is wanted")
	}
	if o.Passphrase != "" {
		if len(o.Passphrase) < passphraseMinLen {
			return nil, usage(fmt.Sprintf("the passphrase has %d bytes", len(o.Passphrase)))
		}
		r, err := age.NewScryptRecipient(o.Passphrase)
		if err != nil {
			return nil, usage(err.Error())
		}
		if o.WorkFactor != 0 {
			r.SetWorkFactor(o.WorkFactor)
		}
		return []age.Recipient{r}, nil
	}
	var out []age.Recipient
	for _, s := range o.Recipients {
		r, err := age.ParseX25519Recipient(strings.TrimSpace(s))
		if err != nil {
			return nil, nexus.Errf(op, nexus.CodeUsage, fmt.Sprintf("recipient %q", s), "an age1... key of age-keygen",
				"%v", err)
		}
		out = append(out, r)
	}
	return out, nil
}

type backupFile struct {
	name string // slash-separated, relative to the data directory
	data []byte
}

// collectBackup reads the files and loads each key once more from what it read, so that a backup is never of damage.
func collectBackup(op, dataDir string, names []string) ([]backupFile, error) {
	var files []backupFile
	if len(names) == 0 {
		if findings := CheckFiles(dataDir); len(findings) > 0 {
			return nil, corrupt(op, findings[0].File, "mend it first: nexus ledger verify lists all findings",
				errors.New(findings[0].What))
		}
		c := checker{dir: dataDir}
		names = c.listKeys()
		if path := filepath.Join(dataDir, GenesisFile); exists(path) {
			b, err := readPrivate(op, path)
			if err != nil {
				return nil, err
			}
			files = append(files, backupFile{GenesisFile, b})
		}
	}
	for _, name := range names {
		if err := CheckName(name); err != nil {
			return nil, err
		}
		path := KeyPath(dataDir, name)
		text, err := readPrivate(op, path)
		if err != nil {
			return nil, err
		}
		side, err := readSidecar(op, path)
		if err != nil {
			return nil, err
		}
		if _, err := acceptKey(op, path, text, side); err != nil {
			return nil, err
		}
		files = append(files, backupFile{KeysDir + "/" + name, text},
			backupFile{KeysDir + "/" + name + SidecarSuffix, seal(sidecarMagic, nexus.Encode(side))})
	}
	if len(files) == 0 {
		return nil, nexus.Errf(op, nexus.CodeNotFound, dataDir, "launch, or make one: nexus identity new",
			"no key to back up")
	}
	return files, nil
}

// Restore reads a backup into dataDir and returns the files that it put there, relative to it. secret is the
// passphrase, or an age identity file ("AGE-SECRET-KEY-1...").
//
// All or nothing: the files are checked in a directory of their own, then moved. A file that is there already with the
// same content is left; with other content it is CodeConflict and nothing changes. The caller holds the data directory.
func Restore(r io.Reader, dataDir, secret string) ([]string, error) {
	const op = "identity restore"
	files, err := openBackup(op, r, secret)
	if err != nil {
		return nil, err
	}
	if err := makeDir(op, dataDir); err != nil {
		return nil, err
	}
	if _, err := Recover(dataDir); err != nil {
		return nil, err
	}
	missing, err := missingFiles(op, dataDir, files)
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	stage := filepath.Join(dataDir, stageNew)
	if err := fillRestore(op, dataDir, stage, missing); err != nil {
		_ = os.RemoveAll(stage)
		return nil, err
	}
	if err := commitStage(op, dataDir); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(missing))
	for _, f := range missing {
		names = append(names, f.name)
	}
	return names, nil
}

func openBackup(op string, r io.Reader, secret string) ([]backupFile, error) {
	bad := func(hint string, err error) error {
		return &nexus.Error{Op: op, Code: nexus.CodeMalformed, Subject: "backup", Cause: err, Hint: hint}
	}
	var ids []age.Identity
	if strings.Contains(secret, "AGE-SECRET-KEY-") {
		parsed, err := age.ParseIdentities(strings.NewReader(secret))
		if err != nil {
			return nil, bad("give the identity file that age-keygen wrote", err)
		}
		ids = parsed
	} else {
		id, err := age.NewScryptIdentity(secret)
		if err != nil {
			return nil, bad("give the passphrase", err)
		}
		id.SetMaxWorkFactor(scryptWorkFactorMax)
		ids = []age.Identity{id}
	}
	dec, err := age.Decrypt(r, ids...)
	if err != nil {
		return nil, bad("check the passphrase or identity, and that the file is whole", err)
	}
	files, err := readArchive(io.LimitReader(dec, backupMaxLen))
	if err != nil {
		return nil, bad("the file is damaged or is no backup of identities", err)
	}
	// The archive's end is not the file's: age verifies its last block only when it is read.
	n, err := io.Copy(io.Discard, dec)
	if err == nil && n > 0 {
		err = fmt.Errorf("%d bytes after the archive", n)
	}
	if err != nil {
		return nil, bad("the file is damaged", err)
	}
	return files, nil
}

func readArchive(r io.Reader) ([]backupFile, error) {
	var files []backupFile
	seen := map[string]bool{}
	for tr := tar.NewReader(r); ; {
		head, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if head.Typeflag != tar.TypeReg || !backupName(head.Name) || seen[head.Name] {
			return nil, fmt.Errorf("unexpected entry %q", head.Name)
		}
		if head.Size > fileMax || len(files) >= backupMaxFiles {
			return nil, fmt.Errorf("entry %q is over the limits of a backup", head.Name)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			return nil, err
		}
		seen[head.Name] = true
		files = append(files, backupFile{head.Name, data})
	}
}

// backupName admits genesis, keys, sidecars and keys of personal texts only, so that no entry can reach outside the data directory.
func backupName(name string) bool {
	if name == GenesisFile || isPersonal(name) {
		return true
	}
	key, ok := strings.CutPrefix(name, KeysDir+"/")
	return ok && CheckName(strings.TrimSuffix(key, SidecarSuffix)) == nil
}

// missingFiles drops what is there already and refuses what is there with other content.
func missingFiles(op, dataDir string, files []backupFile) ([]backupFile, error) {
	var missing []backupFile
	for _, f := range files {
		path := filepath.Join(dataDir, filepath.FromSlash(f.name))
		if !exists(path) {
			missing = append(missing, f)
			continue
		}
		have, err := readPrivate(op, path)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(have, f.data) {
			return nil, nexus.Errf(op, nexus.CodeConflict, path, "move it away, or restore into an empty data directory",
				"exists with other content than the backup's")
		}
	}
	return missing, nil
}

// fillRestore writes the files into stage and checks that, together with what dataDir has, each key is whole.
func fillRestore(op, dataDir, stage string, files []backupFile) error {
	if err := makeDir(op, filepath.Join(stage, KeysDir)); err != nil {
		return err
	}
	inStage := map[string]bool{}
	for _, f := range files {
		inStage[f.name] = true
		if isPersonal(f.name) {
			if err := errors.Join(acceptPersonal(op, f.name, f.data), makeDir(op, filepath.Join(stage, PersonalDir))); err != nil {
				return err
			}
		}
		if err := writeAtomic(op, filepath.Join(stage, filepath.FromSlash(f.name)), f.data); err != nil {
			return err
		}
	}
	for _, f := range files {
		if f.name == GenesisFile {
			if _, err := ReadGenesis(stage); err != nil {
				return err
			}
			continue
		}
		if isPersonal(f.name) {
			continue
		}
		key := strings.TrimSuffix(f.name, SidecarSuffix)
		text, err := readPrivate(op, pick(dataDir, stage, key, inStage))
		if err != nil {
			return err
		}
		side, err := readSidecar(op, strings.TrimSuffix(pick(dataDir, stage, key+SidecarSuffix, inStage), SidecarSuffix))
		if err != nil {
			return err
		}
		if _, err := acceptKey(op, f.name, text, side); err != nil {
			return err
		}
	}
	return syncDir(op, stage)
}

func pick(dataDir, stage, name string, inStage map[string]bool) string {
	if inStage[name] {
		return filepath.Join(stage, filepath.FromSlash(name))
	}
	return filepath.Join(dataDir, filepath.FromSlash(name))
}
