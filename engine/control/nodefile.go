package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// NodeFileName is the file in the data directory by which every other command finds the node (CLI.md).
const NodeFileName = "node.json"

// NodeFile is what a running node writes there. Addresses holds at least "api" (the socket) and "gateway".
type NodeFile struct {
	PID       int               `json:"pid"`
	Name      string            `json:"name"`
	Cluster   nexus.ID          `json:"cluster"`
	Key       nexus.PublicKey   `json:"key,omitzero"` // that edges know their home by; zero: they take what the first table names
	Profile   string            `json:"profile"`
	State     string            `json:"state"`
	Version   string            `json:"version"`
	Started   string            `json:"started"`
	Addresses map[string]string `json:"addresses"`
	ReportDir string            `json:"report_dir,omitempty"`
	Log       string            `json:"log,omitempty"`
	// LedgerOn names the node that holds the ledger when it is not this one.
	LedgerOn string `json:"ledger_on,omitempty"`
}

// WriteNodeFile replaces the node file atomically.
func WriteNodeFile(dataDir string, n NodeFile) error {
	b, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dataDir, NodeFileName)
	if err := os.WriteFile(path+".tmp", append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// ReadNodeFile finds the node of a data directory. CodeNoNode when there is none.
func ReadNodeFile(dataDir string) (NodeFile, error) {
	var n NodeFile
	b, err := os.ReadFile(filepath.Join(dataDir, NodeFileName))
	if errors.Is(err, fs.ErrNotExist) {
		return n, nexus.Errf("find node", nexus.CodeNoNode, "data directory "+dataDir, "start one with nexus launch", "no node runs there")
	}
	if err != nil {
		return n, err
	}
	if err := json.Unmarshal(b, &n); err != nil {
		return n, nexus.Errf("find node", nexus.CodeNoNode, filepath.Join(dataDir, NodeFileName), "start the node again", "%v", err)
	}
	return n, nil
}

// RemoveNodeFile forgets the node; a file that is not there is fine.
func RemoveNodeFile(dataDir string) error {
	err := os.Remove(filepath.Join(dataDir, NodeFileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// maxSocketPath is the longest path a unix socket may have (sun_path less the ending zero).
const maxSocketPath = 107

// EdgeSocketName names the socket for edge processes beside the node's own, which has the given name. It is no longer than that.
func EdgeSocketName(nodeSocket string) string {
	if nodeSocket == "nexus.sock" {
		return "edges.sock"
	}
	return strings.Replace(nodeSocket, "nexus-", "edges-", 1)
}

// SocketPath is where the socket lies: in the data directory, or in runtimeDir when that path would be too long.
func SocketPath(dataDir, runtimeDir string) string {
	p := filepath.Join(dataDir, "nexus.sock")
	if len(p) <= maxSocketPath {
		return p
	}
	if runtimeDir == "" {
		runtimeDir = os.TempDir()
	}
	id := nexus.DeriveID("socket", []byte(dataDir))
	return filepath.Join(runtimeDir, "nexus-"+id.String()[:16]+".sock")
}

// Alive reports whether a process still runs. A zombie does not: it has ended, and only waits to be collected; its files may be
// closed a moment later.
func Alive(pid int) bool {
	if !exists(pid) {
		return false
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true // no such file system: the system has answered
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}
