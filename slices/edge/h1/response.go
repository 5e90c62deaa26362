package h1

import "bytes"

// Response is a parsed response head of a backend. Slices point into the head.
type Response struct {
	Status int
	Minor  int
	Reason []byte
	Fields []Field

	Length  int64 // of the body in bytes; -1: until the connection ends, or Chunked
	Chunked bool
	Close   bool // the backend ends the connection after it
}

// Parse reads a head as ReadHead gives it. Lines may end in LF alone. A chunked body with a length beside it is read as chunked and its
// connection not used again.
func (r *Response) Parse(head []byte) *Bad {
	*r = Response{Fields: r.Fields[:0], Length: -1}
	line, rest, ok := nextLine(head, true)
	if !ok || len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' {
		return bad(502, "the status line is not HTTP/1")
	}
	minor, one := Digits(line[7:8])
	status, three := Digits(line[9:12])
	if !one || !three || status < 100 || len(line) > 12 && line[12] != ' ' {
		return bad(502, "the status line is not HTTP/1")
	}
	r.Status, r.Minor = int(status), int(minor)
	if len(line) > 13 && valueBytes(line[13:]) {
		r.Reason = line[13:]
	}
	var b *Bad
	if r.Fields, b = appendFields(r.Fields, rest, true); b != nil {
		b.Status = 502
		return b
	}
	return r.meaning()
}

func (r *Response) meaning() *Bad {
	keep, both := false, false
	for i := range r.Fields {
		f := &r.Fields[i]
		switch {
		case f.Is("content-length"):
			n, ok := Digits(f.Value)
			if !ok || r.Length >= 0 && r.Length != n {
				return bad(502, "the content length is no number, or two")
			}
			r.Length = n
		case f.Is("transfer-encoding"):
			if !equalLower(f.Value, "chunked") || r.Chunked {
				return bad(502, "a transfer encoding other than chunked")
			}
			r.Chunked = true
		case f.Is("connection"):
			r.Close = r.Close || HasToken(f.Value, "close")
			keep = keep || HasToken(f.Value, "keep-alive")
		}
	}
	if both = r.Chunked && r.Length >= 0; r.Chunked {
		r.Length = -1
	}
	r.Close = r.Close || both || r.Minor == 0 && !keep
	return nil
}

// Bodiless reports whether a response to a method has no body, whatever its fields say.
func (r *Response) Bodiless(head bool) bool {
	return head || r.Status < 200 || r.Status == 204 || r.Status == 304
}

// Field gives the first field of a name in lower case; nil: none.
func (r *Response) Field(lower string) *Field { return find(r.Fields, lower) }
