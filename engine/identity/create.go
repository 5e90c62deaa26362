package identity

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Directories of a creation or restore under way, beside the files they become.
const (
	stageNew   = ".genesis-new"   // being filled: worthless after a crash
	stageReady = ".genesis-ready" // complete and synced: only renames are left
)

// GenesisOptions says what cluster to make.
type GenesisOptions struct {
	Profile    string // "dev" or "prod"
	BaseDomain string // empty in dev: nexus.localhost; required in prod
	NodeName   string // empty: "node"
	// Operator is the first operator's public key (--operator-key). Zero in dev: the key <dir>/keys/operator is made,
	// or used when it exists. Required in prod.
	Operator     nexus.PublicKey
	OperatorName string // empty: "operator"
	// OperatorSigner signs genesis for Operator when its key is at hand (a file, an ssh-agent). Nil: genesis says that
	// the operator has not signed.
	OperatorSigner nexus.Signer
	CreatedMs      int64 // Unix milliseconds; 0: now
}

// NewGenesis makes the keys and the genesis of a new cluster in dir (made when missing, 0700). The caller holds the
// data directory.
//
// All or nothing: everything is written and synced in a directory of its own; renaming that directory is the commit
// point. A crash before it leaves what the next call removes, a crash after it what the next call completes. An
// existing genesis, and keys without one (a lost genesis), are CodeConflict.
func NewGenesis(dir string, o GenesisOptions) (Genesis, error) {
	const op = "new genesis"
	if err := o.setDefaults(op); err != nil {
		return Genesis{}, err
	}
	if err := makeDir(op, dir); err != nil {
		return Genesis{}, err
	}
	if _, err := Recover(dir); err != nil {
		return Genesis{}, err
	}
	if err := refuseOccupied(op, dir); err != nil {
		return Genesis{}, err
	}
	stage := filepath.Join(dir, stageNew)
	g, err := fillStage(op, dir, stage, o)
	if err != nil {
		_ = os.RemoveAll(stage)
		return Genesis{}, err
	}
	if err := commitStage(op, dir); err != nil {
		return Genesis{}, err
	}
	return g, nil
}

func (o *GenesisOptions) setDefaults(op string) error {
	if o.Profile == ProfileDev && o.BaseDomain == "" {
		o.BaseDomain = DevBaseDomain
	}
	if o.Profile == ProfileProd && o.BaseDomain == "" {
		return nexus.Errf(op, nexus.CodeUsage, "base domain", "set base_domain to a domain you own",
			"the prod profile needs one")
	}
	if err := checkProfile(op, o.Profile, o.BaseDomain); err != nil {
		return err
	}
	if o.NodeName == "" {
		o.NodeName = NodeName
	}
	if o.OperatorName == "" {
		o.OperatorName = OperatorName
	}
	for _, name := range []string{o.NodeName, o.OperatorName} {
		if err := CheckName(name); err != nil {
			return err
		}
	}
	if o.Operator.IsZero() && o.OperatorSigner != nil {
		o.Operator = o.OperatorSigner.Public()
	}
	if o.OperatorSigner != nil && o.OperatorSigner.Public() != o.Operator {
		return nexus.Errf(op, nexus.CodeUsage, "operator key", "give both for one identity",
			"--operator-key is %s, the signing identity is %s", o.Operator, o.OperatorSigner.Public())
	}
	if o.Profile == ProfileProd && o.Operator.IsZero() {
		return nexus.Errf(op, nexus.CodeUsage, "operator key", "pass --operator-key with your ssh-ed25519 public key",
			"the prod profile makes none, so that the operator's key never lies on the node")
	}
	if o.CreatedMs == 0 {
		o.CreatedMs = time.Now().UnixMilli()
	}
	return nil
}

// refuseOccupied guards a directory whose genesis was lost: a new one over old keys would disown the old ledger.
func refuseOccupied(op, dir string) error {
	if path := filepath.Join(dir, GenesisFile); exists(path) {
		return nexus.Errf(op, nexus.CodeConflict, path, "launch uses it as it is; a new cluster needs another data directory",
			"a cluster lives here already")
	}
	for _, name := range []string{PlatformName, NodeName} {
		for _, path := range []string{KeyPath(dir, name), KeyPath(dir, name) + SidecarSuffix} {
			if exists(path) {
				return nexus.Errf(op, nexus.CodeConflict, path,
					"restore "+GenesisFile+" from a backup, or use an empty data directory",
					"a key of a cluster without its %s", GenesisFile)
			}
		}
	}
	return nil
}

// fillStage writes keys and genesis into stage and syncs it.
func fillStage(op, dir, stage string, o GenesisOptions) (Genesis, error) {
	platform, err := GenerateKey(KeyPath(stage, PlatformName), PlatformName)
	if err != nil {
		return Genesis{}, err
	}
	node, err := GenerateKey(KeyPath(stage, NodeName), o.NodeName)
	if err != nil {
		return Genesis{}, err
	}
	signer := o.OperatorSigner
	if o.Operator.IsZero() {
		key, err := devOperator(dir, stage, o.OperatorName)
		if err != nil {
			return Genesis{}, err
		}
		signer, o.Operator = key, key.Public()
	}
	g := Genesis{Version: 1, CreatedMs: o.CreatedMs, Constitution: ConstitutionHash(), Profile: o.Profile,
		BaseDomain: o.BaseDomain,
		Platform:   Party{PlatformName, platform.Public()}, Node: Party{o.NodeName, node.Public()},
		Operator: Party{o.OperatorName, o.Operator}, OperatorSigned: signer != nil}
	g.Cluster = g.ClusterID()
	if err := signGenesis(op, &g, platform, node, signer); err != nil {
		return Genesis{}, err
	}
	if err := WriteGenesis(stage, g); err != nil {
		return Genesis{}, err
	}
	return g, syncDir(op, dir)
}

// devOperator uses the operator key that exists, or makes one in the stage.
func devOperator(dir, stage, comment string) (*Key, error) {
	if exists(KeyPath(dir, OperatorName)) {
		return LoadKey(KeyPath(dir, OperatorName))
	}
	return GenerateKey(KeyPath(stage, OperatorName), comment)
}

func signGenesis(op string, g *Genesis, platform, node, operator nexus.Signer) error {
	msg := g.SigningBytes()
	for _, s := range []struct {
		name   string
		signer nexus.Signer
		out    *[]byte
	}{
		{PlatformName, platform, &g.PlatformSignature},
		{NodeName, node, &g.NodeSignature},
		{OperatorName, operator, &g.OperatorSignature},
	} {
		if s.signer == nil {
			continue
		}
		sig, err := s.signer.Sign(msg)
		if err != nil {
			return &nexus.Error{Op: op, Code: nexus.CodeUnavailable, Subject: s.name + " key", Cause: err,
				Hint: "check the key file or that the ssh-agent is running"}
		}
		*s.out = sig
	}
	return nil
}

// commitStage makes the filled stage the truth. The rename is the commit point.
func commitStage(op, dir string) error {
	ready := filepath.Join(dir, stageReady)
	if err := os.Rename(filepath.Join(dir, stageNew), ready); err != nil {
		return fileError(op, ready, err)
	}
	if err := syncDir(op, dir); err != nil {
		return err
	}
	return finishStage(op, dir)
}

// finishStage moves the files of a complete stage to their places. Every step may be repeated. Genesis goes last, so a
// directory with genesis has its keys.
func finishStage(op, dir string) error {
	ready := filepath.Join(dir, stageReady)
	if err := makeDir(op, filepath.Join(dir, KeysDir)); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(ready, KeysDir))
	if err != nil && !os.IsNotExist(err) {
		return fileError(op, ready, err)
	}
	for _, e := range entries {
		if err := placeFile(op, KeyPath(ready, e.Name()), KeyPath(dir, e.Name())); err != nil {
			return err
		}
	}
	if err := syncDir(op, filepath.Join(dir, KeysDir)); err != nil {
		return err
	}
	if err := placePersonal(op, ready, dir); err != nil {
		return err
	}
	if from := filepath.Join(ready, GenesisFile); exists(from) {
		if err := placeFile(op, from, filepath.Join(dir, GenesisFile)); err != nil {
			return err
		}
	}
	if err := syncDir(op, dir); err != nil {
		return err
	}
	if err := os.RemoveAll(ready); err != nil {
		return fileError(op, ready, err)
	}
	return syncDir(op, dir)
}

// placeFile renames, and refuses to replace what is there: nothing may be, for the stage was made for free places.
func placeFile(op, from, to string) error {
	if exists(to) {
		return nexus.Errf(op, nexus.CodeConflict, to, "move it away and start again", "in the way of %s", from)
	}
	if err := os.Rename(from, to); err != nil {
		return fileError(op, to, err)
	}
	return nil
}

// Recover ends what a crash interrupted in dir: a committed creation or restore is completed, an uncommitted one is
// removed, staged keys are completed or removed. Call it at start, while holding the data directory, before the keys
// are checked. It returns what it did, one sentence each, for the log; nothing to do is no error.
func Recover(dir string) ([]string, error) {
	const op = "recover identity files"
	var did []string
	if path := filepath.Join(dir, stageNew); exists(path) {
		if err := os.RemoveAll(path); err != nil {
			return did, fileError(op, path, err)
		}
		did = append(did, "removed an unfinished creation of keys and genesis")
	}
	if exists(filepath.Join(dir, stageReady)) {
		if err := finishStage(op, dir); err != nil {
			return did, err
		}
		did = append(did, "completed an interrupted creation of keys and genesis")
	}
	genesisDid, err := removeGenesisTemps(op, dir)
	did = append(did, genesisDid...)
	if err != nil {
		return did, err
	}
	keysDid, err := RecoverKeys(filepath.Join(dir, KeysDir))
	return append(did, keysDid...), err
}

func removeGenesisTemps(op, dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, fileError(op, dir, err)
	}
	var did []string
	for _, e := range entries {
		if base, ok := isTemp(e.Name()); !ok || base != GenesisFile {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if err := os.Remove(path); err != nil {
			return did, fileError(op, path, err)
		}
		did = append(did, "removed temporary "+path)
	}
	return did, nil
}

// RecoverKeys ends interrupted GenerateKey calls in one directory: a staged key whose sidecar is in place is renamed to
// its name, every other temporary is removed.
func RecoverKeys(keysDir string) ([]string, error) {
	const op = "recover identity files"
	if !exists(keysDir) {
		return nil, nil
	}
	var did []string
	err := withDirLock(op, keysDir, func() error {
		entries, err := os.ReadDir(keysDir)
		if err != nil {
			return fileError(op, keysDir, err)
		}
		for _, e := range entries {
			base, ok := isTemp(e.Name())
			if !ok {
				continue
			}
			what, err := recoverTemp(op, filepath.Join(keysDir, e.Name()), filepath.Join(keysDir, base))
			if err != nil {
				return err
			}
			did = append(did, what)
		}
		if len(did) > 0 {
			return syncDir(op, keysDir)
		}
		return nil
	})
	return did, err
}

func recoverTemp(op, temp, final string) (string, error) {
	if !exists(final) {
		text, err := readPrivate(op, temp)
		if err == nil {
			if side, serr := readSidecar(op, final); serr == nil {
				if _, kerr := acceptKey(op, final, text, side); kerr == nil {
					if err := os.Rename(temp, final); err != nil {
						return "", fileError(op, final, err)
					}
					return fmt.Sprintf("completed key %s", final), nil
				}
			}
		}
	}
	if err := os.Remove(temp); err != nil {
		return "", fileError(op, temp, err)
	}
	return fmt.Sprintf("removed temporary %s", temp), nil
}
