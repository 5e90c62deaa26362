package consensus

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// A sealed file holds one body and nothing else; every byte of it is covered. It is replaced as a whole by rename,
// so a crash leaves the old or the new one and an unsound file is always damage.
//
//	0    8  magic, one per kind of file
//	8    8  generation, big endian
//	16   8  length of the body, big endian
//	24  32  SHA-256 of bytes 0..23 and the body
//	56      the body
const sealedHeader = 56

// maxSealedFile bounds what is read of a sealed file, bytes.
const maxSealedFile = 16 << 20

func sealFile(magic string, generation uint64, body []byte) []byte {
	out := make([]byte, sealedHeader, sealedHeader+len(body))
	copy(out, magic)
	binary.BigEndian.PutUint64(out[8:], generation)
	binary.BigEndian.PutUint64(out[16:], uint64(len(body)))
	h := sha256.New()
	h.Write(out[:24])
	h.Write(body)
	h.Sum(out[:24])
	return append(out, body...)
}

func openSealed(magic string, raw []byte) (generation uint64, body []byte, err error) {
	if len(raw) < sealedHeader {
		return 0, nil, fmt.Errorf("%d bytes, shorter than its header", len(raw))
	}
	body = raw[sealedHeader:]
	h := sha256.New()
	h.Write(raw[:24])
	h.Write(body)
	if !bytes.Equal(h.Sum(nil), raw[24:sealedHeader]) {
		return 0, nil, errors.New("does not match its SHA-256")
	}
	if string(raw[:8]) != magic || binary.BigEndian.Uint64(raw[16:]) != uint64(len(body)) {
		return 0, nil, errors.New("is a file of another kind")
	}
	return binary.BigEndian.Uint64(raw[8:]), body, nil
}

// readBounded reads a whole file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%d bytes, more than the %d expected at most", info.Size(), limit)
	}
	return os.ReadFile(path)
}

// replaceFile is osfile.Replace with its steps watched.
func replaceFile(w Watch, steps replaceSteps, path string, content []byte) error {
	temp := path + osfile.TempSuffix
	return osfile.ReplaceWatched(path, content, func(step osfile.ReplaceStep) error {
		switch step {
		case osfile.ReplaceWrite:
			return w.do(Op{Step: steps.write, Path: temp, Data: content})
		case osfile.ReplaceSync:
			return w.do(Op{Step: steps.sync, Path: temp})
		case osfile.ReplaceRename:
			return w.do(Op{Step: steps.rename, Path: temp, To: path})
		}
		return w.do(Op{Step: steps.folder, Path: filepath.Dir(path)})
	})
}

func firstNonZero(b []byte) int {
	for i, c := range b {
		if c != 0 {
			return i
		}
	}
	return -1
}

func ioError(op, path string, err error) error {
	return &nexus.Error{Op: op, Code: nexus.CodeUnavailable, Subject: path, Cause: err,
		Hint: "check disk space, permissions and the disk itself"}
}

func corruptErr(op string, f Finding) error {
	return nexus.Errf(op, nexus.CodeCorrupt, fmt.Sprintf("%s at byte %d", f.File, f.Offset),
		"restore the directory from a backup; do not delete single files", "%s", f.What)
}
