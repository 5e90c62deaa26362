package identity

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Files of the data directory that this package owns.
const (
	GenesisFile  = "genesis.nexus" // sealed Genesis, 0600, written once
	KeysDir      = "keys"          // key files and their sidecars, 0700
	PlatformName = "platform"      // key that signs checkpoints and platform acts
	NodeName     = "node"          // key of this node's records
	OperatorName = "operator"      // key of the first operator; the default of --identity
)

// Profiles of a cluster.
const (
	ProfileDev  = "dev"
	ProfileProd = "prod"
)

// DevBaseDomain is the base domain of the dev profile (SPEC section 5).
const DevBaseDomain = "nexus.localhost"

const genesisDomain = "nexus-genesis-v1\n"

// ConstitutionText is the canonical text of the constitution's constants (SPEC section 1). Its SHA-256 stands in every
// genesis, so two clusters under different constants can never be taken for one.
const ConstitutionText = `nexus constitution 1
imvu creator 55 platform 45
mini-platform creator 80 platform 20
split cumulative ceil-to-creator
gate 1 identity-binding
gate 2 imvu-isolation
gate 3 domain-ownership
gate 4 dns-authority-scoping
gate 5 mail-attribution
gate 6 revenue-metering
gate 7 resource-quota
gate 8 network-path-governance
gate 9 jurisdiction-tagging
gate 10 consent-logging
gate 11 audit-logging
gate 12 immutable-snapshots
gate 13 exit-portability
gate 14 no-silent-redirection
gate 15 no-silent-throttling
gate 16 no-cross-imvu-leakage
gate 17 platform-non-repudiation
`

// ConstitutionHash is the SHA-256 of ConstitutionText.
func ConstitutionHash() nexus.Hash { return sha256.Sum256([]byte(ConstitutionText)) }

// Party is a public key with the name that people call it by.
type Party struct {
	Name   string
	Public nexus.PublicKey
}

// Genesis is the birth certificate of a cluster. Its canonical encoding is what is stored, hashed and signed; it holds
// nothing secret (the gossip key is elsewhere).
type Genesis struct {
	Version        uint8      // 1
	Cluster        nexus.ID   // hash of the fields below, see ClusterID
	CreatedMs      int64      // Unix milliseconds
	Constitution   nexus.Hash // of ConstitutionText
	Profile        string     // "dev" or "prod"
	BaseDomain     string     // names of units lie under it
	Platform       Party
	Node           Party // the first node
	Operator       Party // the first operator
	OperatorSigned bool  // false when only the operator's public key was at hand; part of what the others sign

	PlatformSignature []byte
	NodeSignature     []byte
	OperatorSignature []byte // empty exactly when OperatorSigned is false
}

// ClusterID derives the cluster's id from everything but the id itself and the signatures.
func (g Genesis) ClusterID() nexus.ID {
	g.Cluster = nexus.ID{}
	g.PlatformSignature, g.NodeSignature, g.OperatorSignature = nil, nil, nil
	return nexus.DeriveID("nexus-cluster-v1", nexus.Encode(g))
}

// SigningBytes are what platform, node and operator sign: domain, then the encoding without signatures.
func (g Genesis) SigningBytes() []byte {
	g.PlatformSignature, g.NodeSignature, g.OperatorSignature = nil, nil, nil
	return nexus.AppendCanonical([]byte(genesisDomain), g)
}

// Hash is the SHA-256 of the whole genesis, signatures included.
func (g Genesis) Hash() nexus.Hash { return sha256.Sum256(nexus.Encode(g)) }

// Verify checks version, constitution, fields, cluster id and the signatures. Errors are CodeCorrupt, except an unknown
// version or another constitution: those are CodeUnfit, for this binary may not run that cluster.
func (g Genesis) Verify() error {
	const op = "verify genesis"
	if g.Version != 1 {
		return nexus.Errf(op, nexus.CodeUnfit, fmt.Sprintf("version %d", g.Version),
			"use the release that made this cluster, or a newer one", "this program reads version 1")
	}
	if want := ConstitutionHash(); g.Constitution != want {
		return nexus.Errf(op, nexus.CodeUnfit, "constitution "+g.Constitution.String()[:16],
			"use a binary with the constitution of this cluster", "this program's constitution is %s", want.String()[:16])
	}
	if err := checkProfile(op, g.Profile, g.BaseDomain); err != nil {
		return err
	}
	bad := func(what string) error {
		return corrupt(op, "genesis of cluster "+g.Cluster.String(), "restore "+GenesisFile+" from a backup",
			errors.New(what))
	}
	if g.Cluster != g.ClusterID() {
		return bad("the cluster id is not the hash of the content")
	}
	if g.OperatorSigned != (len(g.OperatorSignature) > 0) {
		return bad("the operator's signature is missing or not expected")
	}
	msg := g.SigningBytes()
	switch {
	case g.Platform.Public == g.Node.Public, g.Platform.Public == g.Operator.Public, g.Node.Public == g.Operator.Public:
		return bad("platform, node and operator must be three keys")
	case g.Operator.Public.IsZero():
		return bad("the operator's key is missing")
	case !g.Platform.Public.Verify(msg, g.PlatformSignature):
		return bad("the platform's signature does not verify")
	case !g.Node.Public.Verify(msg, g.NodeSignature):
		return bad("the node's signature does not verify")
	case g.OperatorSigned && !g.Operator.Public.Verify(msg, g.OperatorSignature):
		return bad("the operator's signature does not verify")
	}
	return nil
}

var (
	domainPattern = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	namePattern   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._@-]{0,63}$`)
)

func checkProfile(op, profile, baseDomain string) error {
	if profile != ProfileDev && profile != ProfileProd {
		return nexus.Errf(op, nexus.CodeUsage, fmt.Sprintf("profile %q", profile), "dev or prod", "unknown profile")
	}
	// 253 is the limit of DNS for a whole name; units put up to three labels before the base domain.
	if len(baseDomain) > 128 || !domainPattern.MatchString(baseDomain) {
		return nexus.Errf(op, nexus.CodeUsage, fmt.Sprintf("base domain %q", baseDomain),
			"a lower-case DNS name of two labels or more, at most 128 bytes, such as nexus.example", "not a usable domain")
	}
	return nil
}

// MarshalFile gives the bytes of genesis.nexus.
func (g Genesis) MarshalFile() []byte { return seal(genesisMagic, nexus.Encode(g)) }

// ParseGenesis reads the bytes of genesis.nexus, without judging the content: see Verify.
func ParseGenesis(b []byte) (Genesis, error) {
	g, d := parseGenesis(b)
	if d != nil {
		return Genesis{}, corrupt("read genesis", GenesisFile, "restore it from a backup", d)
	}
	return g, nil
}

func parseGenesis(b []byte) (Genesis, *damage) {
	payload, d := unseal(genesisMagic, b)
	if d != nil {
		return Genesis{}, d
	}
	var g Genesis
	if err := nexus.Decode(payload, &g); err != nil {
		return Genesis{}, &damage{sealHeaderLen, err.Error()}
	}
	return g, nil
}

// WriteGenesis stores g in dir once: an existing genesis is CodeConflict, also when it is the same.
func WriteGenesis(dir string, g Genesis) error {
	const op = "write genesis"
	if err := g.Verify(); err != nil {
		return err
	}
	return withDirLock(op, dir, func() error {
		path := filepath.Join(dir, GenesisFile)
		if exists(path) {
			return nexus.Errf(op, nexus.CodeConflict, path, "use another data directory", "a cluster lives here already")
		}
		return writeAtomic(op, path, g.MarshalFile())
	})
}

// ReadGenesis reads and verifies the genesis of a data directory. CodeNotFound: there is none yet.
func ReadGenesis(dir string) (Genesis, error) {
	const op = "read genesis"
	path := filepath.Join(dir, GenesisFile)
	b, err := readPrivate(op, path)
	if err != nil {
		return Genesis{}, err
	}
	g, d := parseGenesis(b)
	if d != nil {
		return Genesis{}, corrupt(op, path, "restore it from a backup", d)
	}
	if err := g.Verify(); err != nil {
		return Genesis{}, &nexus.Error{Op: op, Code: nexus.CodeOf(err), Subject: path, Cause: err}
	}
	return g, nil
}

// Keys are the private keys of a data directory whose public keys genesis names.
type Keys struct {
	Platform *Key
	Node     *Key
	Operator *Key // nil when the operator's key is held elsewhere (prod)
}

// LoadKeys loads the keys of dir and compares them with genesis: the fourth witness of DESIGN section 3. Platform and
// node key must be there; the operator's only if genesis was signed with a key made here and it was not moved away.
func LoadKeys(dir string, g Genesis) (Keys, error) {
	var keys Keys
	var err error
	if keys.Platform, err = loadNamed(dir, PlatformName, g.Platform.Public); err != nil {
		return Keys{}, err
	}
	if keys.Node, err = loadNamed(dir, NodeName, g.Node.Public); err != nil {
		return Keys{}, err
	}
	path := KeyPath(dir, OperatorName)
	if !exists(path) && !exists(path+SidecarSuffix) {
		return keys, nil
	}
	if keys.Operator, err = loadNamed(dir, OperatorName, g.Operator.Public); err != nil {
		return Keys{}, err
	}
	return keys, nil
}

func loadNamed(dir, name string, want nexus.PublicKey) (*Key, error) {
	path := KeyPath(dir, name)
	key, err := LoadKey(path)
	if err != nil {
		return nil, err
	}
	if got := key.Public(); got != want {
		return nil, corrupt("load key", path, "restore it from a backup",
			fmt.Errorf("its public key is %s, genesis says %s", got, want))
	}
	return key, nil
}

// KeyPath is <dir>/keys/<name>.
func KeyPath(dir, name string) string { return filepath.Join(dir, KeysDir, name) }
