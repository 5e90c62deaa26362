package edge

import (
	"bytes"
	"errors"
	"strconv"
)

// headBytesMax bounds the header of an answer.
const headBytesMax = 16 << 10

var errAnswer = errors.New("not an answer that this generator understands")

// answer reads HTTP/1.1 answers out of a connection's bytes, and nothing that the proxies of this bench do not send: no trailers, no
// chunks, one length.
type answer struct {
	head   []byte // of an answer that is not complete yet
	body   int64  // bytes still to come
	status int
	closes bool // the other side ends the connection after it
	stream bool // switched protocols; everything after it is payload
}

// feed takes bytes of the connection and returns how many answers are complete with them. Errors: errAnswer.
func (a *answer) feed(b []byte) (complete int, err error) {
	for len(b) > 0 && !a.stream {
		if a.body > 0 {
			n := min(a.body, int64(len(b)))
			a.body -= n
			b = b[n:]
			if a.body == 0 {
				complete++
			}
			continue
		}
		old := len(a.head)
		a.head = append(a.head, b...)
		end := bytes.Index(a.head[max(0, old-3):], []byte("\r\n\r\n"))
		if end < 0 {
			if len(a.head) > headBytesMax {
				return complete, errAnswer
			}
			return complete, nil
		}
		end += max(0, old-3) + 4
		if err := a.parse(a.head[:end]); err != nil {
			return complete, err
		}
		b = b[end-old:]
		a.head = a.head[:0]
		if a.body == 0 && !a.stream {
			complete++
		}
	}
	return complete, nil
}

// parse reads a whole header.
func (a *answer) parse(head []byte) error {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return errAnswer
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil || status < 100 {
		return errAnswer
	}
	a.status, a.body, a.closes = status, -1, line[7] == '0'
	for len(rest) > 2 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return errAnswer
		}
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if a.body, err = strconv.ParseInt(string(value), 10, 64); err != nil || a.body < 0 {
				return errAnswer
			}
		case bytes.EqualFold(name, []byte("Connection")):
			a.closes = bytes.EqualFold(value, []byte("close"))
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return errAnswer
		}
	}
	if a.stream = status == 101; a.stream {
		a.body = 0
	}
	if a.body < 0 {
		return errAnswer
	}
	return nil
}
