package badgerstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// tornBytesMax bounds what a commit that was under way can leave behind the last whole frame.
const tornBytesMax = 16 << 20

// recordFile checks the frames of a record file up to its end, or up to end if that is not negative. In the newest file the traces of a
// commit that was under way when the process died or the power went are no finding: it was never acknowledged.
func (c *checker) recordFile(name string, newest bool, end int64) error {
	path := filepath.Join(c.dir, name)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		c.found(name, damaged(0, "missing, although records lie in it"))
		return nil
	}
	if err != nil {
		return nexus.Errf("check files", nexus.CodeUnavailable, path, "check owner and mode", "%w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nexus.Errf("check files", nexus.CodeUnavailable, path, "check the disk", "%w", err)
	}
	size := info.Size()
	if end >= 0 {
		if size < end {
			c.found(name, damaged(int(size), "the file ends here, the records in it at %d", end))
			return nil
		}
		size = end
	}
	w := frameWalk{r: f, size: size, buf: c.buf}
	d := w.run(newest)
	c.buf = w.buf
	if d != nil {
		c.found(name, d)
	}
	return nil
}

// checkRecordFile is the check of one file in memory, as one that is not the newest.
func checkRecordFile(b []byte) *damage {
	w := frameWalk{r: bytes.NewReader(b), size: int64(len(b))}
	return w.run(false)
}

// checkNewestRecordFile is the same for the newest.
func checkNewestRecordFile(b []byte) *damage {
	w := frameWalk{r: bytes.NewReader(b), size: int64(len(b))}
	return w.run(true)
}

// frameWalk goes through the frames of one file with one buffer.
type frameWalk struct {
	r    io.ReaderAt
	size int64
	buf  []byte
}

func (w *frameWalk) run(newest bool) *damage {
	magic, err := w.at(0, min(w.size, int64(len(recordFileMagic))))
	if err != nil {
		return damaged(0, "cannot be read: %v", err)
	}
	if string(magic) != recordFileMagic {
		if newest && len(magic) < len(recordFileMagic) {
			return nil // made by a commit that was under way
		}
		return damaged(0, "not a file of records")
	}
	var last uint64
	for off := int64(len(recordFileMagic)); off < w.size; {
		index, length, what := w.frame(off, last)
		if what == "" {
			off, last = off+length, index
			continue
		}
		if newest {
			torn, err := w.torn(off, last)
			if err != nil {
				return damaged(int(off), "cannot be read: %v", err)
			}
			if torn {
				return nil
			}
		}
		return damaged(int(off), "%s", what)
	}
	return nil
}

// at reads n bytes at off into the walk's buffer.
func (w *frameWalk) at(off, n int64) ([]byte, error) {
	if int64(cap(w.buf)) < n {
		w.buf = make([]byte, n)
	}
	b := w.buf[:n]
	got, err := w.r.ReadAt(b, off)
	if int64(got) == n || errors.Is(err, io.EOF) {
		return b[:got], nil
	}
	return b[:got], err
}

// frame checks the frame at off, which must hold a record after last, and gives its index and length, or what is wrong.
func (w *frameWalk) frame(off int64, last uint64) (index uint64, length int64, what string) {
	head, err := w.at(off, min(w.size-off, int64(frameHeader)))
	if err != nil {
		return 0, 0, fmt.Sprintf("cannot be read: %v", err)
	}
	if len(head) < frameHeader {
		return 0, 0, "the file ends in the middle of a frame"
	}
	index, length = binary.BigEndian.Uint64(head), frameLength(head)
	switch {
	case string(head[8:8+len(sealMagic)]) != sealMagic:
		return 0, 0, "no frame begins here"
	case off+length > w.size:
		return 0, 0, "the file ends in the middle of a frame"
	case index <= last:
		return 0, 0, fmt.Sprintf("record %d after record %d", index, last)
	}
	frame, err := w.at(off, length)
	if err != nil {
		return 0, 0, fmt.Sprintf("cannot be read: %v", err)
	}
	if _, err := openSeal(recordKey(index, 0), frame[8:]); err != nil {
		return 0, 0, fmt.Sprintf("record %d: SHA-256 does not fit: the bytes changed after they were written", index)
	}
	return index, length, ""
}

// frameLength reads the length of a frame from its header.
func frameLength(head []byte) int64 {
	return int64(frameHeader) + int64(binary.BigEndian.Uint32(head[8+len(sealMagic):]))
}

// torn tells whether what lies from off on, where no sound frame begins, can be left by a commit that was under way: the file ends within
// the frame, or a page of it never came to the disk and reads as zeros. One changed byte of an acknowledged frame is neither.
func (w *frameWalk) torn(off int64, last uint64) (bool, error) {
	if w.size-off > tornBytesMax {
		return false, nil
	}
	rest, err := w.at(off, w.size-off)
	if err != nil {
		return false, err
	}
	if len(rest) < frameHeader {
		return true, nil
	}
	index, end := binary.BigEndian.Uint64(rest), int64(len(rest))
	if string(rest[8:8+len(sealMagic)]) == sealMagic {
		if n := frameLength(rest); n > end && index > last {
			return !lengthChanged(rest, index), nil
		} else if n <= end {
			end = n
		}
	}
	return pageLost(rest[:end], off, last), nil
}

// lengthChanged reports whether the header's length alone is wrong: the frame is whole up to the end, or up to a sound one.
func lengthChanged(rest []byte, index uint64) bool {
	sum := rest[frameHeader-sha256.Size : frameHeader]
	whole := func(payload []byte) bool {
		got := sealSum(recordKey(index, 0), payload)
		return bytes.Equal(got[:], sum)
	}
	if whole(rest[frameHeader:]) {
		return true
	}
	for from := frameHeader; ; {
		i := bytes.Index(rest[from:], []byte(sealMagic))
		if i < 0 {
			return false
		}
		from += i + len(sealMagic)
		if start := from - len(sealMagic) - 8; start >= frameHeader && whole(rest[frameHeader:start]) {
			return true
		}
	}
}

// pageLost reports whether one of the pages under the frame, which lies at off of its file, is nothing but zeros there.
func pageLost(frame []byte, off int64, last uint64) bool {
	for at := 0; at < len(frame); {
		next := min(len(frame), at+kernelPage-int((off+int64(at))%kernelPage))
		if part := frame[at:next]; firstNonZero(part) < 0 {
			if at > 0 || next >= 8 {
				return true
			}
			// Only the high bytes of the index lie in this page, and they may well be zero: what if they were those of a record after last?
			for _, high := range []uint64{last, last + 1<<(8*(8-next))} {
				index := binary.BigEndian.Uint64(frame)&(1<<(8*(8-next))-1) | high&^(1<<(8*(8-next))-1)
				if _, err := openSeal(recordKey(index, 0), frame[8:]); err == nil && binary.BigEndian.Uint64(frame) != index {
					return true
				}
			}
		}
		at = next
	}
	return false
}
