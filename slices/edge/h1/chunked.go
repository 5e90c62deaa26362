package h1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// Bounds of chunked framing, in bytes: of a size line with its extensions, of all trailer lines.
const (
	chunkLineMax = 256
	trailerMax   = 8 << 10
)

// Chunked reads a chunked body (RFC 9112 section 7.1) and nothing behind it. The zero value with a reader is ready. Sizes are up to 15
// hexadecimal digits; extensions are read over. Errors: *Bad, io.ErrUnexpectedEOF, the reader's; io.EOF when it ended as it should.
type Chunked struct {
	R *bufio.Reader
	// Trailer are the lines after the last chunk, parsed; set when Read gave io.EOF. They share no memory with the reader.
	Trailer []Field

	left  int64 // of the present chunk
	begun bool  // inside or behind a chunk, whose end comes before the next size
	err   error
}

// Read implements io.Reader.
func (c *Chunked) Read(p []byte) (int, error) {
	if c.err == nil && c.left == 0 {
		c.err = c.next()
	}
	if c.err != nil {
		return 0, c.err
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.R.Read(p)
	c.left -= int64(n)
	if err != nil {
		c.err = unexpected(err)
	}
	if n > 0 {
		return n, nil
	}
	return n, c.err
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// next reads up to the data of the next chunk; io.EOF behind the last.
func (c *Chunked) next() error {
	if c.begun {
		if line, err := c.line(2); err != nil || len(line) > 0 {
			return orBad(err, "a chunk is longer than it says")
		}
	}
	c.begun = true
	line, err := c.line(chunkLineMax)
	if err != nil {
		return err
	}
	digits, extension, _ := bytes.Cut(line, []byte{';'})
	if len(digits) == 0 || len(digits) > 15 || !valueBytes(extension) {
		return bad(400, "a chunk's size is no number")
	}
	for _, d := range digits {
		v, ok := hex(d)
		if !ok {
			return bad(400, "a chunk's size is no number")
		}
		c.left = c.left<<4 | v
	}
	if c.left > 0 {
		return nil
	}
	return c.trailer()
}

func orBad(err error, what string) error {
	if err != nil {
		return err
	}
	return bad(400, "%s", what)
}

func (c *Chunked) trailer() error {
	var all []byte
	for {
		line, err := c.line(trailerMax)
		if err != nil {
			return err
		}
		if all = append(append(all, line...), '\r', '\n'); len(all) > trailerMax {
			return bad(431, "trailers longer than %d bytes", trailerMax)
		}
		if len(line) == 0 {
			break
		}
	}
	fields, b := appendFields(nil, all, false)
	if b != nil {
		return b
	}
	c.Trailer = fields
	return io.EOF
}

// line reads one line that ends in CR LF, without them. It stands until the next read.
func (c *Chunked) line(most int) ([]byte, error) {
	line, err := c.R.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull), err == nil && len(line) > most+2:
		return nil, bad(400, "a line of chunked framing is longer than %d bytes", most)
	case err != nil:
		return nil, unexpected(err)
	case len(line) < 2 || line[len(line)-2] != '\r' || bytes.IndexByte(line[:len(line)-2], '\r') >= 0:
		return nil, bad(400, "a line of chunked framing does not end in CR LF")
	}
	return line[:len(line)-2], nil
}

func hex(c byte) (int64, bool) {
	switch {
	case c >= '0' && c <= '9':
		return int64(c - '0'), true
	case c >= 'a' && c <= 'f':
		return int64(c-'a') + 10, true
	case c >= 'A' && c <= 'F':
		return int64(c-'A') + 10, true
	}
	return 0, false
}

// AppendChunk appends data as one chunk. No data appends nothing: an empty chunk would end the body.
func AppendChunk(dst, data []byte) []byte {
	if len(data) == 0 {
		return dst
	}
	dst = appendHex(dst, len(data))
	dst = append(append(dst, '\r', '\n'), data...)
	return append(dst, '\r', '\n')
}

func appendHex(dst []byte, n int) []byte {
	const digits = "0123456789abcdef"
	var b [16]byte
	i := len(b)
	for ; n > 0; n >>= 4 {
		i--
		b[i] = digits[n&15]
	}
	return append(dst, b[i:]...)
}
