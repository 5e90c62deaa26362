package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	stdslices "slices"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// SocketPathMax is the longest path of a unix socket in bytes: sun_path has 108 and ends in a zero byte.
const SocketPathMax = 107

// nearest gives the directory itself, or its nearest ancestor that exists: what the checks of a data directory that is
// not made yet can be done on.
func nearest(dir string) string {
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return dir
		}
		dir = parent
	}
}

func checkDataDir(_ context.Context, o *Options) Check {
	const remedy = "choose another with --data-dir, or give this user the right to write there"
	if o.DataDir == "" {
		return failed("pass --data-dir DIR", "no data directory is configured")
	}
	info, err := os.Stat(o.DataDir)
	switch {
	case err == nil && !info.IsDir():
		return failed("choose another with --data-dir", "%s is not a directory", o.DataDir)
	case err != nil && !notExist(err):
		return failed(remedy, "%v", err)
	}
	base := nearest(o.DataDir)
	if perr := tryDir(base); perr != nil {
		return failed(remedy, "%s: cannot write in %s: %v", o.DataDir, base, perr)
	}
	if err != nil {
		return passed("%s can be made", o.DataDir)
	}
	return passed("%s exists and can be written", o.DataDir)
}

// tryDir makes and removes a directory, which is what writing needs; modes alone do not tell about read-only mounts,
// quotas and access lists.
func tryDir(dir string) error {
	probe, err := os.MkdirTemp(dir, ".nexus-doctor-*")
	if err != nil {
		return err
	}
	return os.Remove(probe)
}

func checkDataDirMode(_ context.Context, o *Options) Check {
	info, err := os.Stat(o.DataDir)
	if notExist(err) {
		return passed("will be made with mode 0700")
	}
	if err != nil {
		return failed("give this user the right to look at it", "%v", err)
	}
	return judgeMode(o, o.DataDir, info, 0o700)
}

func judgeMode(o *Options, path string, info fs.FileInfo, want fs.FileMode) Check {
	if owner, ok := osfile.Owner(info); ok && owner != o.host.uid {
		return failed(fmt.Sprintf("chown -R %d %s, or run as its owner", o.host.uid, path),
			"%s belongs to user %d, this process is user %d", path, owner, o.host.uid)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return failed(fmt.Sprintf("chmod %o %s", want, path), "%s has mode %s: others can get in", path,
			modeText(info.Mode()))
	}
	return passed("%s, owner only", modeText(info.Mode()))
}

// checkKeyFiles looks at the modes of the key directory and of every file in it; their content is phase 2's.
func checkKeyFiles(_ context.Context, o *Options) Check {
	dir := filepath.Join(o.DataDir, "keys")
	info, err := os.Stat(dir)
	if notExist(err) {
		return passed("none yet")
	}
	if err != nil {
		return failed("give this user the right to look at it", "%v", err)
	}
	if c := judgeMode(o, dir, info, 0o700); c.Status != wire.StatusPassed {
		return c
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return failed("give this user the right to look at it", "%v", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // removed meanwhile
		}
		if c := judgeMode(o, filepath.Join(dir, e.Name()), info, 0o600); c.Status != wire.StatusPassed {
			return c
		}
	}
	return passed("%d files, owner only", len(entries))
}

// fileSystem is what is known of a file system type (statfs f_type, linux/magic.h).
type fileSystem struct {
	name   string
	reason string // why it is not fit for a ledger; empty when it is
}

func fileSystems() map[uint32]fileSystem {
	const volatile = "its content is gone after a restart"
	const remote = "locks and fsync over a network do not promise what the ledger needs"
	return map[uint32]fileSystem{
		0xEF53: {"ext4", ""}, 0x58465342: {"xfs", ""}, 0x9123683E: {"btrfs", ""}, 0x2FC12FC1: {"zfs", ""},
		0xF2F52010: {"f2fs", ""}, 0x794C7630: {"overlayfs", ""}, 0xCA451A4E: {"bcachefs", ""},
		0x01021994: {"tmpfs", volatile}, 0x858458F6: {"ramfs", volatile},
		0x6969: {"nfs", remote}, 0xFF534D42: {"cifs", remote}, 0xFE534D42: {"smb2", remote}, 0x01021997: {"9p", remote},
		0x65735546: {"fuse", "what fsync promises depends on the program behind it"},
		0x4D44:     {"vfat", "it keeps no permissions, so keys cannot be protected"},
	}
}

func checkFileSystem(_ context.Context, o *Options) Check {
	const remedy = "put the data directory on a local ext4, xfs, btrfs or zfs"
	dir := nearest(o.DataDir)
	st, err := o.host.disk(dir)
	if err != nil {
		return failed(remedy, "file system of %s: %v", dir, err)
	}
	known, ok := fileSystems()[st.kind]
	switch {
	case st.readOnly:
		return failed("mount it read-write, or choose another with --data-dir", "%s is mounted read-only", dir)
	case !ok:
		return degraded(remedy, "unknown type 0x%x", st.kind)
	case known.reason != "":
		return degraded(remedy, "%s: %s", known.name, known.reason)
	}
	return passed("%s", known.name)
}

// fsyncRounds writes of 4 KiB are timed; the median forgives one slow write.
const fsyncRounds = 9

func checkFsync(ctx context.Context, o *Options) Check {
	const remedy = "use a faster disk: every acknowledged action waits for one fsync"
	dir := nearest(o.DataDir)
	times, err := timeFsync(ctx, o, dir)
	if err != nil {
		return failed("make room on the disk and check that it works", "write and fsync in %s: %v", dir, err)
	}
	stdslices.Sort(times)
	median := times[len(times)/2]
	detail := fmt.Sprintf("median of %d writes of 4 KiB; slowest %s", len(times),
		times[len(times)-1].Round(time.Microsecond))
	c := passed("%s", detail)
	if median > o.MaxFsync {
		c = degraded(remedy, "%s", detail)
	}
	return measured(c, milliseconds(median), milliseconds(o.MaxFsync), "ms")
}

func timeFsync(ctx context.Context, o *Options, dir string) ([]time.Duration, error) {
	f, err := os.CreateTemp(dir, ".nexus-doctor-*")
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	block := make([]byte, 4096)
	times := make([]time.Duration, 0, fsyncRounds)
	for range fsyncRounds {
		start := time.Now()
		if _, err := f.Write(block); err != nil {
			return nil, err
		}
		if err := o.host.syncFile(f); err != nil {
			return nil, err
		}
		times = append(times, time.Since(start))
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return times, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func checkFreeDisk(_ context.Context, o *Options) Check {
	dir := nearest(o.DataDir)
	st, err := o.host.disk(dir)
	if err != nil {
		return failed("check the disk", "file system of %s: %v", dir, err)
	}
	free := st.free
	detail := fmt.Sprintf("%s free in %s, %s needed", bytesText(free), dir, bytesText(o.MinFreeBytes))
	return atLeast(float64(free), float64(o.MinFreeBytes), "bytes",
		"delete files or choose another disk with --data-dir", detail)
}

func checkFreeInodes(_ context.Context, o *Options) Check {
	dir := nearest(o.DataDir)
	st, err := o.host.disk(dir)
	if err != nil {
		return failed("check the disk", "file system of %s: %v", dir, err)
	}
	if st.files == 0 {
		return passed("this file system has no fixed number of inodes")
	}
	detail := fmt.Sprintf("%d of %d free in %s", st.freeFiles, st.files, dir)
	return atLeast(float64(st.freeFiles), float64(o.MinFreeInodes), "inodes",
		"delete small files or choose another disk with --data-dir", detail)
}

// checkSocketPath judges the path that the caller chose for the node's local socket (CLI.md: in the data directory, or
// in the runtime directory when that path would be too long).
func checkSocketPath(_ context.Context, o *Options) Check {
	path := o.SocketPath
	c := passed("%s", path)
	if len(path) > SocketPathMax {
		c = failed("use a shorter --data-dir, or set XDG_RUNTIME_DIR to a short path", "%s: too long for a unix socket", path)
	} else if dir := filepath.Dir(path); dir != filepath.Clean(o.DataDir) {
		if err := tryDir(dir); err != nil {
			c = failed("use a shorter --data-dir, or set XDG_RUNTIME_DIR to a directory of yours", "%v", err)
		}
	}
	return measured(c, float64(len(path)), SocketPathMax, "bytes")
}
