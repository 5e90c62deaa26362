package consensus

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// Head is the last acknowledged state: the command index, its term, and the ledger's root and size after it.
type Head struct {
	Index uint64
	Term  uint64
	Root  [32]byte
	Size  uint64
}

// The head file: two slots of one page each, written alternately. A slot's record fits one disk sector, so a crash
// leaves it old or new, never mixed; whichever slot was not being written still holds the state before.
//
//	0    8  magic "NXHEAD1\n"
//	8    8  generation, big endian; 1 for the first write, in slot generation%2
//	16   8  index      24  8  term      32  8  size      40  32  root
//	72  32  SHA-256 of bytes 0..71
//	104     zero up to the end of the page
const (
	headMagic    = "NXHEAD1\n"
	headSlotSize = 4096
	headRecord   = 104
	headFileSize = 2 * headSlotSize
)

// HeadPath is where the head file of a consensus directory lives, so that CheckFiles finds it.
func HeadPath(dir string) string { return filepath.Join(dir, "head") }

// HeadFile is the open head file. Safe for concurrent use.
type HeadFile struct {
	path  string
	watch Watch

	mu         sync.Mutex // guards all below
	file       *os.File
	generation uint64
	head       Head
}

// OpenHead opens the head file, or creates it with both slots zero. A damaged slot is CodeCorrupt and nothing is
// changed: falling back to the other slot would hide a cut tail.
func OpenHead(path string) (*HeadFile, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := createHead(path); err != nil {
			return nil, ioError("open head file", path, err)
		}
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, ioError("open head file", path, err)
	}
	raw, err := io.ReadAll(io.LimitReader(file, headFileSize+1))
	if err != nil {
		file.Close()
		return nil, ioError("open head file", path, err)
	}
	generation, head, findings := parseHead(path, raw)
	if len(findings) > 0 {
		file.Close()
		return nil, corruptErr("open head file", findings[0])
	}
	return &HeadFile{path: path, file: file, generation: generation, head: head}, nil
}

// createHead makes the file whole before it gets its name, so that a crash never leaves a short one.
func createHead(path string) error { return osfile.Replace(path, make([]byte, headFileSize)) }

func encodeHead(generation uint64, h Head) []byte {
	slot := make([]byte, headSlotSize)
	copy(slot, headMagic)
	binary.BigEndian.PutUint64(slot[8:], generation)
	binary.BigEndian.PutUint64(slot[16:], h.Index)
	binary.BigEndian.PutUint64(slot[24:], h.Term)
	binary.BigEndian.PutUint64(slot[32:], h.Size)
	copy(slot[40:72], h.Root[:])
	sum := sha256.Sum256(slot[:72])
	copy(slot[72:], sum[:])
	return slot
}

func decodeHeadSlot(slot []byte) (generation uint64, h Head, err error) {
	if sum := sha256.Sum256(slot[:72]); !bytes.Equal(sum[:], slot[72:headRecord]) || string(slot[:8]) != headMagic {
		return 0, h, errors.New("head slot does not match its SHA-256")
	}
	if at := firstNonZero(slot[headRecord:]); at >= 0 {
		return 0, h, fmt.Errorf("byte %d of unused space in the head slot is not zero", headRecord+at)
	}
	generation = binary.BigEndian.Uint64(slot[8:])
	h = Head{Index: binary.BigEndian.Uint64(slot[16:]), Term: binary.BigEndian.Uint64(slot[24:]),
		Size: binary.BigEndian.Uint64(slot[32:])}
	copy(h.Root[:], slot[40:72])
	return generation, h, nil
}

// parseHead judges the bytes of a head file: each slot zero (never written) or whole, generations next to each other.
func parseHead(path string, raw []byte) (generation uint64, head Head, findings []Finding) {
	if len(raw) != headFileSize {
		return 0, head, []Finding{{File: path, Offset: int64(min(len(raw), headFileSize)),
			What: fmt.Sprintf("head file of %d bytes, expected %d", len(raw), headFileSize)}}
	}
	var generations [2]uint64
	for i := range 2 {
		slot := raw[i*headSlotSize : (i+1)*headSlotSize]
		if firstNonZero(slot) < 0 {
			continue
		}
		gen, h, err := decodeHeadSlot(slot)
		if err == nil && (gen == 0 || gen%2 != uint64(i)) {
			err = fmt.Errorf("head slot %d holds generation %d of the other slot", i, gen)
		}
		if err != nil {
			findings = append(findings, Finding{File: path, Offset: int64(i * headSlotSize), What: err.Error()})
			continue
		}
		generations[i] = gen
		if gen > generation {
			generation, head = gen, h
		}
	}
	older := min(generations[0], generations[1])
	if len(findings) == 0 && generation > 0 && older+1 != generation {
		findings = append(findings, Finding{File: path, Offset: int64((generation + 1) % 2 * headSlotSize),
			What: fmt.Sprintf("head slot generations %d and %d do not follow each other", older, generation)})
	}
	return generation, head, findings
}

// Watch shows the file's steps to w. Call it before the first Write.
func (f *HeadFile) Watch(w Watch) { f.watch = w }

// Write stores h in the older slot and returns once it is on disk (fdatasync). A crash before that leaves the
// previous head, a crash after it this one. The index must not fall.
func (f *HeadFile) Write(h Head) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nexus.Errf("write head", nexus.CodeUnavailable, f.path, "open it again", "closed")
	}
	if h.Index < f.head.Index {
		return nexus.Errf("write head", nexus.CodeInternal, fmt.Sprintf("head index %d", h.Index), "",
			"falls behind %d", f.head.Index)
	}
	generation := f.generation + 1
	slot, at := encodeHead(generation, h), int64(generation%2)*headSlotSize
	err := f.watch.do(Op{Step: StepHeadWrite, Path: f.path, Offset: at, Data: slot})
	if err == nil {
		_, err = f.file.WriteAt(slot, at)
	}
	if err == nil {
		err = f.watch.do(Op{Step: StepHeadSync, Path: f.path})
	}
	if err == nil {
		err = fdatasync(f.file)
	}
	if err != nil {
		return ioError("write head", f.path, err)
	}
	f.generation, f.head = generation, h
	return nil
}

// Read reads the file again, checks both slots and returns the newest head; the zero Head before the first Write.
func (f *HeadFile) Read() (Head, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return Head{}, nexus.Errf("read head", nexus.CodeUnavailable, f.path, "open it again", "closed")
	}
	raw := make([]byte, headFileSize)
	if _, err := f.file.ReadAt(raw, 0); err != nil && !errors.Is(err, io.EOF) {
		return Head{}, ioError("read head", f.path, err)
	}
	_, head, findings := parseHead(f.path, raw)
	if len(findings) > 0 {
		return Head{}, corruptErr("read head", findings[0])
	}
	return head, nil
}

// Close closes the file.
func (f *HeadFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

func fdatasync(f *os.File) error {
	return osfile.Datasync(f)
}
