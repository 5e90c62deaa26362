package badgerstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	stdslices "slices"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Finding is one place where a file is not what Badger wrote.
type Finding struct {
	File   string // full path
	Offset int64  // of the structure that does not fit, in bytes
	What   string
}

// String gives "file at byte N: what".
func (f Finding) String() string { return fmt.Sprintf("%s at byte %d: %s", f.File, f.Offset, f.What) }

// damage is a finding inside one file.
type damage struct {
	offset int
	what   string
}

func damaged(offset int, format string, args ...any) *damage {
	return &damage{offset, fmt.Sprintf(format, args...)}
}

// fileBytesMax bounds what CheckFiles reads into memory at once: one file. Tables and logs stay far below.
const fileBytesMax = 1 << 30

// CheckFiles checks the files of records, frame by frame with its seal, and the structure of every Badger file in dir, without opening
// Badger and without changing anything: each table listed in the manifest is there, its index and every block fit their checksums and
// cover the file; the manifest's and the logs' entries fit theirs; what must be zero is zero. A changed byte in an occupied place
// gives a finding. It must not run beside a process that has the store open; Store.CheckFiles is for that.
//
// Not covered, because nothing reads it: the 12 random bytes after the first 8 of .mem and .vlog files and the first 16
// of KEYREGISTRY (initialisation vectors of an encryption that is off), LOCK, and files Badger removes at the next open
// (tables the manifest does not list). A last log entry cut short by the death of the process is no finding: it was
// never acknowledged. A log cut back cleanly cannot be told from one that never went further, so the caller compares
// the store's Applied with what was acknowledged.
//
// It takes memory for the largest file (64 MiB with default options). Errors: nexus.CodeNotFound when dir is absent,
// nexus.CodeUnavailable when it cannot be read.
func CheckFiles(dir string) ([]Finding, error) {
	names, err := storeFiles(dir)
	if err != nil {
		return nil, err
	}
	c := checker{dir: dir}
	if err := c.run(names); err != nil {
		return nil, err
	}
	return c.findings, nil
}

// storeFiles lists the names in dir that belong to Badger, sorted.
func storeFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		code := nexus.CodeUnavailable
		if errors.Is(err, fs.ErrNotExist) {
			code = nexus.CodeNotFound
		}
		return nil, nexus.Errf("check files", code, dir, "check the data directory", "%w", err)
	}
	var names []string
	for _, entry := range entries {
		switch filepath.Ext(entry.Name()) {
		case ".sst", ".mem", ".vlog", recordFileExt:
			names = append(names, entry.Name())
		default:
			if stdslices.Contains([]string{"MANIFEST", "KEYREGISTRY", "DISCARD"}, entry.Name()) {
				names = append(names, entry.Name())
			}
		}
	}
	return names, nil
}

// checker goes through one directory with one buffer.
type checker struct {
	dir      string
	buf      []byte
	findings []Finding
}

func (c *checker) run(names []string) error {
	if len(names) == 0 {
		return nil // never opened
	}
	newest, newestRecords := "", ""
	for _, name := range names { // sorted, and the numbers of a kind have the same length
		switch filepath.Ext(name) {
		case ".mem":
			newest = name
		case recordFileExt:
			before, _ := recordFileNumber(newestRecords)
			if n, ok := recordFileNumber(name); !ok || n != before+1 {
				c.found(recordFileName(before+1), damaged(0, "missing, although there is %s", name))
			}
			newestRecords = name
		}
	}
	tables := map[uint64]bool{}
	if !stdslices.Contains(names, "MANIFEST") {
		c.found("MANIFEST", damaged(0, "missing: it lists the tables"))
	} else if err := c.file("MANIFEST", func(b []byte) (d *damage) {
		tables, d = checkManifest(b)
		return d
	}); err != nil {
		return err
	}
	for _, name := range names {
		var check func([]byte) *damage
		var id uint64
		switch {
		case name == "MANIFEST":
			continue
		case isRecordFile(name):
			if err := c.recordFile(name, name == newestRecords, -1); err != nil {
				return err
			}
			continue
		case name == "KEYREGISTRY":
			check = checkRegistry
		case name == "DISCARD":
			check = checkZero
		case name == newest:
			check = checkNewestLog
		case strings.HasSuffix(name, ".mem"):
			check = checkMemLog
		case strings.HasSuffix(name, ".vlog"):
			check = checkValueLog
		default:
			if _, err := fmt.Sscanf(name, "%d.sst", &id); err != nil || !tables[id] {
				continue // a left-over that Badger removes at the next open
			}
			delete(tables, id)
			check = checkTable
		}
		if err := c.file(name, check); err != nil {
			return err
		}
	}
	for id := range tables {
		c.found(tableName(id), damaged(0, "missing, although the manifest lists it"))
	}
	return nil
}

func tableName(id uint64) string { return fmt.Sprintf("%06d.sst", id) }

// file reads one file and hands it to check; a panic on nonsense counts as a finding.
func (c *checker) file(name string, check func([]byte) *damage) error {
	path := filepath.Join(c.dir, name)
	f, err := os.Open(path)
	if err != nil {
		return nexus.Errf("check files", nexus.CodeUnavailable, path, "check owner and mode", "%w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nexus.Errf("check files", nexus.CodeUnavailable, path, "check the disk", "%w", err)
	}
	if info.Size() > fileBytesMax {
		c.found(name, damaged(0, "%d bytes, no file of the store is as large", info.Size()))
		return nil
	}
	c.buf = stdslices.Grow(c.buf[:0], int(info.Size()))[:info.Size()]
	if n, err := io.ReadFull(f, c.buf); err != nil {
		c.found(name, damaged(n, "cannot be read: %v", err))
		return nil
	}
	if d := safely(check, c.buf); d != nil {
		c.found(name, d)
	}
	return nil
}

func safely(check func([]byte) *damage, b []byte) (d *damage) {
	defer func() {
		if r := recover(); r != nil {
			d = damaged(0, "structure makes no sense: %v", r)
		}
	}()
	return check(b)
}

func (c *checker) found(name string, d *damage) {
	c.findings = append(c.findings, Finding{File: filepath.Join(c.dir, name), Offset: int64(d.offset), What: d.what})
}

// firstNonZero gives the offset of the first byte that is not zero, -1 when there is none.
func firstNonZero(b []byte) int {
	var zeros [4096]byte
	for off := 0; off < len(b); off += len(zeros) {
		part := b[off:min(len(b), off+len(zeros))]
		if bytes.Equal(part, zeros[:len(part)]) {
			continue
		}
		for i, x := range part {
			if x != 0 {
				return off + i
			}
		}
	}
	return -1
}

func checkZero(b []byte) *damage {
	if i := firstNonZero(b); i >= 0 {
		return damaged(i, "byte %#02x where the format says zero", b[i])
	}
	return nil
}

// checkRegistry checks the key registry of an unencrypted store: a vector nobody reads, then a fixed text.
func checkRegistry(b []byte) *damage {
	const vector, text = 16, "Hello Badger"
	if len(b) != vector+len(text) || string(b[vector:]) != text {
		return damaged(min(vector, len(b)), "not the key registry of an unencrypted store")
	}
	return nil
}

// checkValueLog checks a value log, which this store leaves empty: header, then zeros.
func checkValueLog(b []byte) *damage {
	if len(b) < logHeaderBytes {
		return checkZero(b)
	}
	if i := firstNonZero(b[:8]); i >= 0 {
		return damaged(i, "key id in an unencrypted store")
	}
	if d := checkZero(b[logHeaderBytes:]); d != nil {
		return damaged(d.offset+logHeaderBytes, "%s", d.what)
	}
	return nil
}

// CheckFiles checks the files of the open store. Commits wait while the logs are read; tables, which never change, are
// read beside them. A file that a compaction removed meanwhile is left out. Errors as CheckFiles, the function.
func (s *Store) CheckFiles() ([]Finding, error) {
	if err := s.enter("check files"); err != nil {
		return nil, err
	}
	defer s.users.Done()
	const tries = 6
	var before []Finding
	for try := 1; ; try++ {
		findings, err := s.checkOnce()
		if err == nil && len(findings) == 0 {
			return nil, nil
		}
		// Flushes and compactions make and remove files during a check; damage is what stays.
		if try == tries || err == nil && stdslices.Equal(findings, before) {
			return findings, err
		}
		before = findings
	}
}

func (s *Store) checkOnce() ([]Finding, error) {
	names, err := storeFiles(s.dir)
	if err != nil {
		return nil, err
	}
	live := checker{dir: s.dir}
	growing := func(n string) bool { return strings.HasSuffix(n, ".mem") }
	logs := stdslices.DeleteFunc(stdslices.Clone(names), func(n string) bool { return !growing(n) })
	s.commitMu.Lock()
	end := s.records.end
	for _, name := range logs {
		if err = live.file(name, checkMemLog); err != nil {
			break
		}
	}
	s.commitMu.Unlock()
	if err != nil {
		return nil, err
	}
	// Of the files of records what lies before their end changes no more, and what lies behind it is nobody's.
	for n := uint32(1); n <= end.File; n++ {
		upTo := int64(-1)
		if n == end.File {
			upTo = int64(end.Size)
		}
		if err := live.recordFile(recordFileName(n), false, upTo); err != nil {
			return nil, err
		}
	}
	rest := stdslices.DeleteFunc(names, func(n string) bool { return growing(n) || isRecordFile(n) })
	if err := live.run(rest); err != nil {
		return nil, err
	}
	return live.findings, nil
}
