package backup

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

const tempSuffix = ".tmp"

func partPath(dir string, n uint64) string {
	return filepath.Join(dir, fmt.Sprintf("part-%06d.nxb", n))
}

// Open reads and checks every part of a backup and that they follow each other. Errors: CodeNotFound when dir holds no part,
// CodeCorrupt naming the file, CodeUnavailable.
func Open(dir string) ([]Part, error) {
	names, err := filepath.Glob(filepath.Join(dir, "part-*.nxb"))
	if err != nil {
		return nil, unavailable(dir, err)
	}
	if len(names) == 0 {
		return nil, nexus.Errf("read backup", nexus.CodeNotFound, dir, "name the directory that nexus ledger backup wrote", "holds no backup")
	}
	parts := make([]Part, 0, len(names))
	for n := uint64(1); n <= uint64(len(names)); n++ {
		path := partPath(dir, n)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, nexus.Errf("read backup", nexus.CodeCorrupt, path, "find the missing part, or use another copy", "part %d of %d is missing",
				n, len(names))
		}
		p, err := ReadPart(path, nil)
		if err != nil {
			return nil, err
		}
		var before Part
		if n > 1 {
			before = parts[n-2]
		}
		if err := p.follows(before, n); err != nil {
			return nil, nexus.Errf("read backup", nexus.CodeCorrupt, path, "parts of different backups do not mix; use another copy", "%w", err)
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// follows holds a part to the one before it; the zero Part stands before the first.
func (p Part) follows(before Part, n uint64) error {
	switch {
	case p.Part != n:
		return fmt.Errorf("is part %d, not part %d", p.Part, n)
	case n > 1 && p.Cluster != before.Cluster:
		return fmt.Errorf("is of cluster %s, the part before of %s", p.Cluster, before.Cluster)
	case p.Previous != before.Sum:
		return errors.New("does not follow the part before it: it names another one")
	case p.FromIndex != before.ToIndex || p.FromSize != before.ToSize:
		return fmt.Errorf("goes on after index %d, the part before ends at %d", p.FromIndex, before.ToIndex)
	case (n == 1) != (len(p.Genesis) > 0):
		return errors.New("genesis belongs in the first part and in no other")
	}
	return nil
}

// Append writes a new part from what a node answered. The file appears whole or not at all: a crash leaves a .tmp file,
// which the next Append replaces. Errors: CodeConflict while another process writes this backup, CodeCorrupt when what
// came does not go on after the parts before or was cut, CodeUnavailable.
func Append(dir string, before []Part, h Header, stream io.Reader) (p Part, err error) {
	lock, err := lockDir(dir)
	if err != nil {
		return p, err
	}
	defer lock.Close()
	h.Version, h.Part = version, uint64(len(before)+1)
	if n := len(before); n > 0 {
		last := before[n-1]
		h.Previous, h.FromIndex, h.FromSize = last.Sum, last.ToIndex, last.ToSize
	}
	p = Part{Path: partPath(dir, h.Part), Header: h}
	if _, err := os.Stat(p.Path); err == nil {
		return p, nexus.Errf("backup", nexus.CodeConflict, p.Path, "try again", "was written meanwhile")
	}
	temp := p.Path + tempSuffix
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return p, unavailable(temp, err)
	}
	err = p.write(f, stream)
	if err == nil {
		if p.Bytes, err = f.Seek(0, io.SeekCurrent); err != nil {
			err = unavailable(temp, err)
		}
	}
	if err == nil {
		if err = f.Sync(); err != nil {
			err = unavailable(temp, err)
		}
	}
	if cerr := f.Close(); err == nil && cerr != nil {
		err = unavailable(temp, cerr)
	}
	if err == nil {
		if err = os.Rename(temp, p.Path); err != nil {
			err = unavailable(p.Path, err)
		}
	}
	if err != nil {
		return p, errors.Join(err, os.Remove(temp))
	}
	return p, lock.Sync()
}

func (p *Part) write(f io.Writer, stream io.Reader) error {
	sum := sha256.New()
	buffered := bufio.NewWriterSize(f, 256<<10)
	out := io.MultiWriter(buffered, sum)
	if _, err := io.WriteString(out, magic); err != nil {
		return unavailable(p.Path, err)
	}
	if err := writeFrame(out, nexus.Encode(p.Header)); err != nil {
		return unavailable(p.Path, err)
	}
	t, err := readBody(io.TeeReader(stream, out), p.Header, p.note)
	if err != nil {
		return nexus.Errf("backup", nexus.CodeCorrupt, "answer of the node", "try again; nothing was kept of this part", "%w", err)
	}
	p.Trailer, p.Sum = t, nexus.Hash(sum.Sum(nil))
	if _, err := buffered.Write(p.Sum[:]); err != nil {
		return unavailable(p.Path, err)
	}
	if err := buffered.Flush(); err != nil {
		return unavailable(p.Path, err)
	}
	return nil
}

// Records calls fn for every record of a backup in order, checking each part again.
func Records(parts []Part, fn func(ledger.Record) error) error {
	for _, p := range parts {
		again, err := ReadPart(p.Path, fn)
		if err != nil {
			return err
		}
		if again.Sum != p.Sum {
			return nexus.Errf("read backup", nexus.CodeCorrupt, p.Path, "try again", "changed while it was read")
		}
	}
	return nil
}

func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unavailable(dir, err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, unavailable(dir, err)
	}
	if err := osfile.TryLock(d); err != nil {
		return nil, errors.Join(nexus.Errf("backup", nexus.CodeConflict, dir, "wait for it", "another process writes this backup"), d.Close())
	}
	return d, nil
}
