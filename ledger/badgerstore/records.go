package badgerstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// Records of fileRecordMin bytes and more lie outside of Badger, in files that only grow: a tree of tables would copy each of them
// three or four times over while it merges, and nothing is ever merged, changed or deleted here
// (docs/decisions/0044-records-outside-the-tree.md). Under the record's key Badger has the place instead.
//
// A file is its magic and then frames: index (8), then the sealed value as it would stand under the record's key in Badger. Frames are
// synced before the transaction that points to them, so what Badger knows of is on the disk, and what lies behind the last frame it
// knows of was never acknowledged.
const (
	fileRecordMin   = 16 << 10  // below, a second sync would cost more than the copying
	recordFileMax   = 256 << 20 // a file is not begun anew within a batch, so it may be longer by one
	recordFileMagic = "nxrec1\r\n"
	recordFileExt   = ".rec"
	frameHeader     = 8 + sealHeader
	placeBytes      = 4 + 8 + 4
)

// place is where a frame lies.
type place struct {
	file   uint32
	offset uint64
	length uint32 // of the whole frame
}

// appendTo appends the value of a record's key that is stored elsewhere: no chunks, then the place.
func (p place) appendTo(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, p.file)
	dst = binary.BigEndian.AppendUint64(dst, p.offset)
	return binary.BigEndian.AppendUint32(dst, p.length)
}

func parsePlace(b []byte) (place, bool) {
	if len(b) != placeBytes {
		return place{}, false
	}
	p := place{binary.BigEndian.Uint32(b), binary.BigEndian.Uint64(b[4:]), binary.BigEndian.Uint32(b[12:])}
	return p, p.file > 0 && p.offset >= uint64(len(recordFileMagic)) && p.offset < 1<<40 && p.length >= uint32(frameHeader) &&
		p.length <= recordFileMax
}

// recordsEnd is the value of m/records, canonical: where the frames end that the store knows of. Absent, there are none.
type recordsEnd struct {
	File uint32
	Size uint64
}

func recordFileName(number uint32) string { return fmt.Sprintf("%08d%s", number, recordFileExt) }

func recordFileNumber(name string) (uint32, bool) {
	var n uint32
	if _, err := fmt.Sscanf(name, "%d"+recordFileExt, &n); err != nil || n == 0 || name != recordFileName(n) {
		return 0, false
	}
	return n, true
}

// recordFiles appends frames. One goroutine uses it.
type recordFiles struct {
	dir   string
	limit uint64 // from which size on a file is full
	end   recordsEnd
	full  recordsEnd // of the file before, which may still have the traces of a commit behind its end
	f     *os.File   // of end.File, nil until the first append
	buf   []byte
}

// stage puts a record into the buffer as a frame and says where it will lie.
func (w *recordFiles) stage(r *ledger.Record) place {
	if w.end.File == 0 || len(w.buf) == 0 && w.end.Size >= w.limit {
		w.full, w.end = w.end, recordsEnd{File: w.end.File + 1, Size: uint64(len(recordFileMagic))}
		w.close()
	}
	start := len(w.buf)
	w.buf = binary.BigEndian.AppendUint64(w.buf, r.Index)
	sealed := len(w.buf)
	w.buf = append(w.buf, make([]byte, sealHeader)...)
	w.buf = r.AppendTo(binary.BigEndian.AppendUint32(w.buf, 1))
	finishSeal(recordKey(r.Index, 0), w.buf[sealed:])
	return place{file: w.end.File, offset: w.end.Size + uint64(start), length: uint32(len(w.buf) - start)}
}

// flush writes what was staged and syncs it. The error is nexus.CodeUnavailable when nothing was written and the same may be tried again;
// after any other the store must be opened anew, since a sync that failed says nothing about what is on the disk.
func (w *recordFiles) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	buf := w.buf
	w.buf = w.buf[:0]
	if err := w.open(); err != nil {
		return w.refused(err)
	}
	if _, err := w.f.WriteAt(buf, int64(w.end.Size)); err != nil {
		return w.refused(err)
	}
	if err := osfile.Datasync(w.f); err != nil {
		return fmt.Errorf("sync %s: %w", w.f.Name(), err)
	}
	w.end.Size += uint64(len(buf))
	return nil
}

// back forgets all that was appended after end: no transaction points to it.
func (w *recordFiles) back(end recordsEnd) {
	w.buf = w.buf[:0]
	if w.end != end || w.f != nil {
		w.end = end
		w.close() // the next append cuts the file
	}
}

func (w *recordFiles) refused(err error) error {
	return nexus.Errf("commit", nexus.CodeUnavailable, filepath.Join(w.dir, recordFileName(w.end.File)),
		"check disk, owner and free space; nothing of the batch was stored", "%w", err)
}

// open gets the file ready for the first append of this process: cut to what the store knows of, and none after it.
func (w *recordFiles) open() error {
	if w.f != nil {
		return nil
	}
	names, err := os.ReadDir(w.dir)
	if err != nil {
		return err
	}
	for _, entry := range names {
		if n, ok := recordFileNumber(entry.Name()); ok && n > w.end.File {
			if err := os.Remove(filepath.Join(w.dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	if w.full.File > 0 {
		if err := os.Truncate(filepath.Join(w.dir, recordFileName(w.full.File)), int64(w.full.Size)); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(filepath.Join(w.dir, recordFileName(w.end.File)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	err = f.Truncate(int64(w.end.Size))
	if w.end.Size == uint64(len(recordFileMagic)) {
		_, werr := f.WriteAt([]byte(recordFileMagic), 0)
		err = errors.Join(err, werr)
	}
	if err = errors.Join(err, f.Sync(), syncFile(w.dir)); err != nil {
		return errors.Join(err, f.Close())
	}
	w.f = f
	return nil
}

func (w *recordFiles) close() {
	if w.f != nil {
		_ = w.f.Close() // everything in it is synced
		w.f = nil
	}
}

// check tells at the opening whether the files reach as far as the store knows of.
func (w *recordFiles) check() error {
	for n := uint32(1); n <= w.end.File; n++ {
		path := filepath.Join(w.dir, recordFileName(n))
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return missingRecords(path, "missing, although records lie in it")
		case err != nil:
			return nexus.Errf("open store", nexus.CodeUnavailable, path, "check owner and mode", "%w", err)
		case n == w.end.File && uint64(info.Size()) < w.end.Size:
			return missingRecords(path, fmt.Sprintf("%d bytes, the records in it end at %d", info.Size(), w.end.Size))
		}
	}
	return nil
}

func missingRecords(path, what string) error {
	return nexus.Errf("open store", nexus.CodeCorrupt, path,
		"run `nexus ledger verify --offline`, restore from a backup or another node", "%s", what)
}

// recordReader reads frames; it keeps the last file open, since records are read in order. Not safe for concurrent use.
type recordReader struct {
	dir    string
	spare  *sync.Pool // of *[]byte, what entry reads into
	number uint32
	f      *os.File
}

// sealed gives the value of the record's key as it stands in the file, its seal not checked. Error: nexus.CodeCorrupt naming the record
// and the file.
func (r *recordReader) sealed(index uint64, p place) ([]byte, error) {
	key := recordKey(index, 0)
	if err := r.open(p.file); err != nil {
		return nil, corrupt(key, "its file cannot be read: %w", err)
	}
	frame := make([]byte, p.length)
	if _, err := r.f.ReadAt(frame, int64(p.offset)); err != nil {
		return nil, corrupt(key, "%d bytes at %d of %s: %w", p.length, p.offset, recordFileName(p.file), err)
	}
	if got := binary.BigEndian.Uint64(frame); got != index {
		return nil, corrupt(key, "at %d of %s lies record %d", p.offset, recordFileName(p.file), got)
	}
	return frame[8:], nil
}

// entry finds an entry in a record's frame; nothing of the frame is checked.
func (r *recordReader) entry(seq uint64, p place) (ledger.SaltedEntry, error) {
	if err := r.open(p.file); err != nil {
		return ledger.SaltedEntry{}, err
	}
	// The kernel would read ahead, for somebody who reads on: several times what is asked for, and from the disk in a ledger larger than memory.
	if err := osfile.ReadRandom(r.f); err != nil {
		return ledger.SaltedEntry{}, err
	}
	const before = frameHeader + 4 // the number of chunks, 1
	start, size := int64(p.offset)+int64(before), int(p.length)-before
	buf, _ := r.spare.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	defer r.spare.Put(buf)
	return ledger.FindEntry(seq, size, func(off, n int) ([]byte, error) {
		if cap(*buf) < n {
			*buf = make([]byte, n)
		}
		_, err := r.f.ReadAt((*buf)[:n], start+int64(off))
		return (*buf)[:n], err
	})
}

// open has the file at hand.
func (r *recordReader) open(number uint32) error {
	if r.f != nil && r.number == number {
		return nil
	}
	r.close()
	f, err := os.Open(filepath.Join(r.dir, recordFileName(number)))
	if err == nil {
		r.f, r.number = f, number
	}
	return err
}

func (r *recordReader) close() {
	if r.f != nil {
		_ = r.f.Close() // only read
		r.f = nil
	}
}

// isRecordFile tells record files from Badger's.
func isRecordFile(name string) bool { return strings.HasSuffix(name, recordFileExt) }
