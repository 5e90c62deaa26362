package consensus

import (
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// Seed makes the directory of a lone voter whose machine already holds everything up to head.Index, as after a cut of the
// whole log: a marker, the term, the head file and an empty log. For a restore; dir must be empty or missing. A crash leaves
// a part, which the caller throws away.
func Seed(dir, nodeID string, head Head) error {
	const op = "seed log"
	if names, err := listDir(dir); err != nil || len(names) > 0 {
		return nexus.Errf(op, nexus.CodeConflict, dir, "seed an empty directory", "holds %d files (%v)", len(names), err)
	}
	logDir, snapshots := filepath.Join(dir, "log"), filepath.Join(dir, "snapshots")
	for _, d := range []string{logDir, snapshots} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return ioError(op, d, err)
		}
	}
	servers := raft.Configuration{Servers: []raft.Server{
		{Suffrage: raft.Voter, ID: raft.ServerID(nodeID), Address: raft.ServerAddress(nodeID)}}}
	m := marker{Version: uint8(raft.SnapshotVersionMax), Index: head.Index, Term: head.Term, ConfigIndex: 1,
		Config: raft.EncodeConfiguration(servers), Applied: head.Index}
	path := filepath.Join(snapshots, m.fileName())
	if err := osfile.Replace(path, sealFile(markerMagic, m.Index, nexus.Encode(m))); err != nil {
		return ioError(op, path, err)
	}
	meta := &metaStore{dir: logDir}
	term := make([]byte, 8)
	for i := range term {
		term[i] = byte(head.Term >> (8 * i)) // raft-wal's order
	}
	if err := meta.SetStable([]byte(keyCurrentTerm), term); err != nil {
		return err
	}
	file, err := OpenHead(HeadPath(dir))
	if err != nil {
		return err
	}
	if err := file.Write(head); err != nil {
		_ = file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return ioError(op, dir, err)
	}
	return osfile.SyncDir(dir)
}
