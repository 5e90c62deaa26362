package session

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// AppendSized appends a frame as it goes over a stream of bytes (WebTransport): its length as a varint, then its bytes.
func AppendSized(dst, frame []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(frame))), frame...)
}

// ReadSized reads one frame's bytes off a stream. Errors: nexus.CodeMalformed for a length of zero, above MaxFrameBytes or written
// longer than needed; io.EOF between frames, io.ErrUnexpectedEOF within one; the stream's own.
func ReadSized(r *bufio.Reader) ([]byte, error) {
	length, scale := uint64(0), uint(0)
	for {
		b, err := r.ReadByte()
		if err != nil {
			if scale > 0 && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		length |= uint64(b&0x7f) << scale
		if length > MaxFrameBytes || scale > 0 && b == 0 || scale > 21 {
			return nil, malformed("length of a frame")
		}
		if b < 0x80 {
			break
		}
		scale += 7
	}
	if length == 0 {
		return nil, malformed("empty frame")
	}
	frame := make([]byte, length)
	if _, err := io.ReadFull(r, frame); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return frame, nil
}
