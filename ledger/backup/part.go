package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// A part, all lengths big endian u32:
//
//	magic, length, canonical Header, frames (length, canonical record), length 0, length, canonical Trailer, SHA-256
const (
	magic     = "NXBACK1\n"
	version   = 1
	frameMax  = 256 << 20 // a record is bounded by what one transaction of the store takes
	headerMax = 1 << 20
)

// Header says where a part goes on.
type Header struct {
	Version   uint8
	Cluster   nexus.ID
	Part      uint64     // 1 for the first
	Previous  nexus.Hash // SHA-256 that ends the part before; zero in the first
	FromIndex uint64     // records have a higher index
	FromSize  uint64     // entries before them
	Genesis   []byte     // genesis.nexus as it lies in the data directory; in the first part only
}

// Trailer says where a part ends. Its checkpoint is what the node signed at that place.
type Trailer struct {
	ToIndex    uint64
	ToSize     uint64
	Records    uint64
	Checkpoint string
}

// Part is one checked file of a backup.
type Part struct {
	Path string
	Header
	Trailer
	Sum   nexus.Hash
	Bytes int64

	// Imports are the units that the part's records took in from other logs: what their bundles prove. The bundles themselves lie
	// beside the parts.
	Imports []ledger.ImportBody
}

// WriteRecords writes the frames and the trailer of a part: what a node answers. each calls its function for the records in
// order.
func WriteRecords(w io.Writer, each func(func(ledger.Record) error) error, t Trailer) error {
	out := bufio.NewWriterSize(w, 256<<10)
	err := each(func(r ledger.Record) error {
		t.Records++
		return writeFrame(out, r.Encode())
	})
	if err != nil {
		return err
	}
	if err := writeFrame(out, nil); err != nil {
		return err
	}
	if err := writeFrame(out, nexus.Encode(t)); err != nil {
		return err
	}
	return out.Flush()
}

func writeFrame(w io.Writer, b []byte) error {
	if _, err := w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b)))); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}

func readFrame(r io.Reader, limit uint32) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, cut(err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > limit {
		return nil, fmt.Errorf("a frame of %d bytes, at most %d", n, limit)
	}
	// Grown as bytes arrive, so that a false length costs no memory.
	b, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && len(b) < int(n) {
		err = io.ErrUnexpectedEOF
	}
	return b, cut(err)
}

func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("ends early: it was cut")
	}
	return err
}

// readBody reads frames and trailer and holds them to the header: indexes rise, entries go on without gap, the trailer says
// what came. fn may be nil.
func readBody(r io.Reader, h Header, fn func(ledger.Record) error) (Trailer, error) {
	var t Trailer
	index, size, records := h.FromIndex, h.FromSize, uint64(0)
	for {
		b, err := readFrame(r, frameMax)
		if err != nil {
			return t, err
		}
		if len(b) == 0 {
			break
		}
		rec, err := ledger.ParseRecord(b)
		if err != nil {
			return t, err
		}
		if rec.Index <= index || rec.FirstSeq != size {
			return t, fmt.Errorf("record %d with entries from %d does not go on after record %d and %d entries", rec.Index, rec.FirstSeq, index, size)
		}
		index, size, records = rec.Index, rec.Next(), records+1
		if fn != nil {
			if err := fn(rec); err != nil {
				return t, err
			}
		}
	}
	b, err := readFrame(r, headerMax)
	if err != nil {
		return t, err
	}
	if err := nexus.Decode(b, &t); err != nil {
		return t, err
	}
	if t.ToIndex < index || t.ToSize != size || t.Records != records {
		return t, fmt.Errorf("its end says index %d, %d entries, %d records; it holds %d, %d, %d", t.ToIndex, t.ToSize, t.Records, index, size, records)
	}
	return t, nil
}

// hashing reads through a hash.
type hashing struct {
	r   io.Reader
	sum hash.Hash
	n   int64
}

func (h *hashing) Read(b []byte) (int, error) {
	n, err := h.r.Read(b)
	h.sum.Write(b[:n])
	h.n += int64(n)
	return n, err
}

// ReadPart reads a part's file whole and checks it. Errors: CodeCorrupt naming the file, CodeUnavailable.
func ReadPart(path string, fn func(ledger.Record) error) (Part, error) {
	f, err := os.Open(path)
	if err != nil {
		return Part{}, unavailable(path, err)
	}
	defer f.Close()
	p, err := readPart(bufio.NewReaderSize(f, 256<<10), fn)
	p.Path = path
	var own *nexus.Error
	if err != nil && !errors.As(err, &own) || nexus.CodeOf(err) == nexus.CodeMalformed {
		err = nexus.Errf("read backup", nexus.CodeCorrupt, path, "use another copy of this backup", "%w", err)
	}
	return p, err
}

// note remembers the imports of a record.
func (p *Part) note(rec ledger.Record) error {
	for _, raw := range rec.Entries {
		kind, err := ledger.KindOf(raw)
		if err != nil {
			return err
		}
		if kind != ledger.KindImport {
			continue
		}
		var b ledger.ImportBody
		e, err := ledger.ParseEntry(raw)
		if err == nil {
			err = nexus.Decode(e.Body, &b)
		}
		if err != nil {
			return err
		}
		p.Imports = append(p.Imports, b)
	}
	return nil
}

func readPart(in *bufio.Reader, fn func(ledger.Record) error) (Part, error) {
	r := &hashing{r: in, sum: sha256.New()}
	var p Part
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(r, head); err != nil {
		return p, cut(err)
	}
	if string(head) != magic {
		return p, errors.New("is no part of a backup")
	}
	b, err := readFrame(r, headerMax)
	if err != nil {
		return p, err
	}
	if err := nexus.Decode(b, &p.Header); err != nil {
		return p, err
	}
	if p.Version != version {
		return p, nexus.Errf("read backup", nexus.CodeUnfit, fmt.Sprintf("version %d", p.Version), "use a newer program", "this one reads version %d", version)
	}
	p.Trailer, err = readBody(r, p.Header, func(rec ledger.Record) error {
		if err := p.note(rec); err != nil || fn == nil {
			return err
		}
		return fn(rec)
	})
	if err != nil {
		return p, err
	}
	p.Sum = nexus.Hash(r.sum.Sum(nil))
	var stored nexus.Hash
	if _, err := io.ReadFull(in, stored[:]); err != nil {
		return p, cut(err)
	}
	if stored != p.Sum {
		return p, errors.New("does not match its SHA-256: bytes changed after it was written")
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return p, errors.New("has bytes after its end")
	}
	p.Bytes = r.n + int64(len(stored))
	return p, nil
}

func unavailable(path string, err error) error {
	return nexus.Errf("backup", nexus.CodeUnavailable, path, "check disk space and permissions", "%w", err)
}
