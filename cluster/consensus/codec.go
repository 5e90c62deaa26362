package consensus

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/raft"
)

// The sealed entry: every field of a log entry is under the SHA-256, the index too, so that a frame found at the
// wrong place is as wrong as a changed one.
//
//	0    4  magic "NXE1"
//	4    4  length of the body, big endian
//	8   32  SHA-256 of bytes 0..7 and the body
//	40      body: index 8, term 8, type 1, appended at 8 (Unix ns), extensions length 4, extensions, data
const (
	entryMagic  = "NXE1"
	entryHeader = 40
	entryFixed  = 8 + 8 + 1 + 8 + 4
	// entryCodecID is raft-wal's name for this encoding; segment headers carry it. Values below 1<<16 are raft-wal's.
	entryCodecID = 0x4e584531 // "NXE1"
)

// entryCodec implements raft-wal's Codec.
type entryCodec struct{}

// ID implements wal.Codec.
func (entryCodec) ID() uint64 { return entryCodecID }

// Encode implements wal.Codec.
func (entryCodec) Encode(l *raft.Log, w io.Writer) error {
	size := entryHeader + entryFixed + len(l.Extensions) + len(l.Data)
	var out []byte
	if buf, ok := w.(*bytes.Buffer); ok { // raft-wal's: written in its place, so that writing it below copies nothing
		buf.Grow(size)
		out = buf.AvailableBuffer()
	} else {
		out = make([]byte, 0, size)
	}
	out = out[:entryHeader+entryFixed]
	copy(out, entryMagic)
	body := out[entryHeader:]
	binary.BigEndian.PutUint64(body, l.Index)
	binary.BigEndian.PutUint64(body[8:], l.Term)
	body[16] = byte(l.Type)
	binary.BigEndian.PutUint64(body[17:], uint64(toNs(l.AppendedAt)))
	binary.BigEndian.PutUint32(body[25:], uint32(len(l.Extensions)))
	out = append(append(out, l.Extensions...), l.Data...)
	binary.BigEndian.PutUint32(out[4:], uint32(len(out)-entryHeader))
	sum := entrySum(out)
	copy(out[8:], sum[:])
	_, err := w.Write(out)
	return err
}

func entrySum(sealed []byte) (sum [32]byte) {
	h := sha256.New()
	h.Write(sealed[:8])
	h.Write(sealed[entryHeader:])
	h.Sum(sum[:0])
	return sum
}

// Decode implements wal.Codec: it refuses whatever Encode did not write. The result shares nothing with b.
func (entryCodec) Decode(b []byte, l *raft.Log) error {
	if len(b) < entryHeader+entryFixed || string(b[:4]) != entryMagic {
		return errors.New("log entry has no seal")
	}
	if n := binary.BigEndian.Uint32(b[4:]); uint64(n) != uint64(len(b)-entryHeader) {
		return fmt.Errorf("log entry of %d bytes, its seal says %d", len(b)-entryHeader, n)
	}
	if sum := entrySum(b); !bytes.Equal(sum[:], b[8:entryHeader]) {
		return errors.New("log entry does not match its SHA-256")
	}
	body := b[entryHeader:]
	extLen := binary.BigEndian.Uint32(body[25:])
	if uint64(extLen) > uint64(len(body)-entryFixed) {
		return errors.New("log entry's extensions are longer than the entry")
	}
	rest := bytes.Clone(body[entryFixed:])
	*l = raft.Log{Index: binary.BigEndian.Uint64(body), Term: binary.BigEndian.Uint64(body[8:]),
		Type: raft.LogType(body[16]), AppendedAt: entryTime(binary.BigEndian.Uint64(body[17:])), Data: rest[extLen:]}
	if extLen > 0 {
		l.Extensions = rest[:extLen:extLen]
	}
	return nil
}

func entryTime(ns uint64) time.Time { return fromNs(int64(ns)) }
