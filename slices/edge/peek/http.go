package peek

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"

	"golang.org/x/net/http2/hpack"
)

// preface is what a client of HTTP/2 sends first (RFC 9113 section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// HTTP looks for the host in the first request of a connection without TLS: the Host field of HTTP/1.1, or the :authority of the first HEADERS
// frame where HTTP/2 is begun with its preface. What follows the request is not looked at.
func HTTP(b []byte) Answer {
	if n := min(len(b), len(preface)); n > 0 && string(b[:n]) == preface[:n] {
		if n < len(preface) {
			return Answer{More: true}
		}
		return http2(b[n:])
	}
	b = bytes.TrimPrefix(b, []byte("\r\n")) // RFC 9112 section 2.2
	for first := true; ; first = false {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			return Answer{More: !first || plausible(bytes.TrimSuffix(b, []byte("\r")))}
		}
		line := bytes.TrimSuffix(b[:end], []byte("\r"))
		b = b[end+1:]
		switch {
		case first && !plausible(line):
			return Answer{}
		case len(line) == 0:
			return Answer{} // the end of a head that names no host
		case !first && len(line) >= 5 && strings.EqualFold(string(line[:5]), "host:"):
			return Answer{Host: string(bytes.Trim(line[5:], " \t"))}
		}
	}
}

// plausible reports whether bytes can be the beginning of a request line: those of a method, or nothing at all. So what is no HTTP, TLS at
// the wrong port for example, is not waited for.
func plausible(line []byte) bool {
	for _, c := range line[:min(len(line), 16)] {
		if c == ' ' {
			return true
		}
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// Frames of HTTP/2 (RFC 9113 section 6).
const (
	frameHeaders      = 1
	frameSettings     = 4
	framePush         = 5
	frameGoAway       = 7
	frameContinuation = 9
	flagEndHeaders    = 4
	flagPadded        = 8
	flagPriority      = 32
	frameBytesMax     = 16 << 10 // what a server takes that has said nothing yet
)

// http2 reads frames up to the first HEADERS.
func http2(b []byte) Answer {
	wait, none := Answer{More: true, HTTP2: true}, Answer{HTTP2: true}
	var block []byte
	for first, open := true, false; ; first = false {
		if len(b) < 9 {
			return wait
		}
		n, kind, flags := int(b[0])<<16|int(binary.BigEndian.Uint16(b[1:])), b[3], b[4]
		switch {
		case n > frameBytesMax, first && kind != frameSettings, open != (kind == frameContinuation), kind == framePush, kind == frameGoAway:
			return none
		case len(b) < 9+n:
			return wait
		}
		payload := b[9 : 9+n]
		b = b[9+n:]
		switch kind {
		case frameHeaders:
			part, ok := headerBlock(payload, flags)
			if !ok {
				return none
			}
			block, open = append(block, part...), true
		case frameContinuation:
			block = append(block, payload...)
		}
		if open && flags&flagEndHeaders != 0 {
			return Answer{Host: authority(block), HTTP2: true}
		}
	}
}

// headerBlock takes padding and priority off a HEADERS frame.
func headerBlock(p []byte, flags byte) ([]byte, bool) {
	pad := 0
	if flags&flagPadded != 0 {
		if len(p) == 0 {
			return nil, false
		}
		pad, p = int(p[0]), p[1:]
	}
	if flags&flagPriority != 0 {
		if len(p) < 5 {
			return nil, false
		}
		p = p[5:]
	}
	if pad > len(p) {
		return nil, false
	}
	return p[:len(p)-pad], true
}

// hostStringMax bounds one field of a header block, in bytes: what is longer is not looked at.
const hostStringMax = 16 << 10

// authority decodes a header block and gives its :authority, or its host where it has none.
func authority(block []byte) string {
	var name, host string
	d := hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		switch {
		case f.Name == ":authority" && name == "":
			name = f.Value
		case f.Name == "host" && host == "":
			host = f.Value
		}
	})
	d.SetMaxStringLength(hostStringMax)
	_, err := d.Write(block)
	if err = errors.Join(err, d.Close()); err != nil {
		return ""
	}
	if name == "" {
		return host
	}
	return name
}
