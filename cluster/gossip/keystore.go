package gossip

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// keyFileMagic begins a file of keys; the SHA-256 of the rest follows, then the rest: a keyFile's canonical bytes.
const keyFileMagic = "nexus-gossip-keys-1\n"

// maxKeyFile bounds it, bytes.
const maxKeyFile = 4 << 10

// keyFile is what a node keeps of the gossip keys, mode 0600. It is a copy: the keeper's can be made again from its node key, another's is fetched again.
type keyFile struct {
	Cluster nexus.ID
	Keeper  nexus.PublicKey
	Ring    []byte // cluster.Keyring
}

func encodeKeyFile(f keyFile) []byte {
	body := nexus.Encode(f)
	sum := sha256.Sum256(body)
	return append(append([]byte(keyFileMagic), sum[:]...), body...)
}

// decodeKeyFile reads one, for a cluster and keeper.
func decodeKeyFile(b []byte, clusterID nexus.ID, keeper nexus.PublicKey) (cluster.Keyring, error) {
	rest, ok := bytes.CutPrefix(b, []byte(keyFileMagic))
	if !ok || len(rest) < sha256.Size || sha256.Sum256(rest[sha256.Size:]) != [sha256.Size]byte(rest) {
		return cluster.Keyring{}, errors.New("cut short or changed")
	}
	var f keyFile
	if err := nexus.Decode(rest[sha256.Size:], &f); err != nil {
		return cluster.Keyring{}, err
	}
	if f.Cluster != clusterID || f.Keeper != keeper {
		return cluster.Keyring{}, errors.New("of another cluster, or of another node's keys")
	}
	return cluster.DecodeKeyring(f.Ring)
}

func storeErr(code nexus.Code, path string, err error) error {
	return &nexus.Error{Op: "gossip keys", Code: code, Subject: path, Cause: err,
		Hint: "delete the file: the keys are made or fetched again"}
}

// HasKeys reports whether a file keeps keys of this cluster that were handed over by this keeper: then its node has been admitted before.
func HasKeys(path string, clusterID nexus.ID, keeper nexus.PublicKey) bool {
	ring, err := loadKeys(path, clusterID, keeper)
	return err == nil && ring.Version > 0
}

// loadKeys reads the file. CodeNotFound: there is none. CodeCorrupt: it is of no use.
func loadKeys(path string, clusterID nexus.ID, keeper nexus.PublicKey) (cluster.Keyring, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return cluster.Keyring{}, storeErr(nexus.CodeNotFound, path, err)
	case err != nil:
		return cluster.Keyring{}, storeErr(nexus.CodeUnavailable, path, err)
	case info.Size() > maxKeyFile:
		return cluster.Keyring{}, storeErr(nexus.CodeCorrupt, path, errors.New("too long"))
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return cluster.Keyring{}, storeErr(nexus.CodeUnavailable, path, err)
	}
	ring, err := decodeKeyFile(b, clusterID, keeper)
	if err != nil {
		return cluster.Keyring{}, storeErr(nexus.CodeCorrupt, path, err)
	}
	return ring, nil
}

// saveKeys replaces the file, durably. A crash leaves the old file or the new one, and at most one beside it that holds nothing.
func saveKeys(path string, f keyFile) error {
	if err := osfile.Replace(path, encodeKeyFile(f)); err != nil {
		return storeErr(nexus.CodeUnavailable, path, err)
	}
	return nil
}
