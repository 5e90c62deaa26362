package engine

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// FoundedFile says that the ledger beside it has a beginning: with it, an empty ledger is a lost one, not a new one. It holds
// a magic, the cluster's id and the SHA-256 of both, and is written once, after the first command is durable.
const FoundedFile = "founded.nexus"

const foundedMagic = "NXFOUND1"

// RestoringDir is where a restore builds the ledger before it is moved into place; while it is there, nothing may be opened.
const RestoringDir = "restoring"

func foundedBytes(cluster nexus.ID) []byte {
	b := append([]byte(foundedMagic), cluster[:]...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// readFounded gives the cluster of the marker; there is none before the first command and in directories of version 0.1.
func readFounded(dataDir string) (cluster nexus.ID, there bool, err error) {
	path := filepath.Join(dataDir, FoundedFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return cluster, false, nil
	}
	if err != nil {
		return cluster, false, nexus.Errf("read founding marker", nexus.CodeUnavailable, path, "mend its permissions", "%w", err)
	}
	if len(b) == len(foundedMagic)+len(cluster)+sha256.Size {
		copy(cluster[:], b[len(foundedMagic):])
		if bytes.Equal(b, foundedBytes(cluster)) {
			return cluster, true, nil
		}
	}
	return nexus.ID{}, true, nexus.Errf("read founding marker", nexus.CodeCorrupt, path, "restore it from a copy of the directory",
		"does not match its SHA-256")
}

// markFounded writes the marker if it is not there. A crash before leaves a directory without it, and the next start writes it.
func markFounded(dataDir string, cluster nexus.ID) error {
	was, there, err := readFounded(dataDir)
	if err != nil {
		return err
	}
	if there {
		if was != cluster {
			return nexus.Errf("open engine", nexus.CodeCorrupt, filepath.Join(dataDir, FoundedFile), "put back the directory's own files",
				"is of cluster %s, the ledger of %s", was, cluster)
		}
		return nil
	}
	path := filepath.Join(dataDir, FoundedFile)
	if err := osfile.Replace(path, foundedBytes(cluster)); err != nil {
		return nexus.Errf("open engine", nexus.CodeUnavailable, path, "check disk space and permissions", "%w", err)
	}
	return nil
}

// refuseUnfinished refuses a directory in which a restore was cut short.
func refuseUnfinished(dataDir string) error {
	path := filepath.Join(dataDir, RestoringDir)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return nexus.Errf("open engine", nexus.CodeUnfit, path, "run the same nexus ledger restore again", "a restore was not finished")
}
