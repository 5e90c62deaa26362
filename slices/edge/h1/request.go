package h1

import "bytes"

// Request is a parsed request head. Slices point into the head.
type Request struct {
	Method []byte
	Target []byte // as written, in absolute form cut down to path and query
	Minor  int    // HTTP/1.Minor, 0 or 1
	Fields []Field
	Host   []byte // of the Host field; in HTTP/1.0 it may be empty

	Length  int64 // of the body in bytes, when not Chunked
	Chunked bool
	Close   bool // the client wants, or by its version expects, the connection to end
	Upgrade bool // asks for another protocol
	Expect  bool // waits for 100 Continue
}

// Parse reads a head as ReadHead gives it and takes the place of what was there. It refuses every head of which two readers could
// think differently where its body ends or whom it is for.
func (r *Request) Parse(head []byte) *Bad {
	*r = Request{Fields: r.Fields[:0]}
	if bytes.HasPrefix(head, []byte("\r\n")) { // RFC 9112 section 2.2: one empty line before a request is passed over
		head = head[2:]
	}
	line, rest, ok := nextLine(head, false)
	if !ok {
		return bad(400, "the request line does not end in CR LF, or holds a CR")
	}
	if b := r.line(line); b != nil {
		return b
	}
	var b *Bad
	if r.Fields, b = appendFields(r.Fields, rest, false); b != nil {
		return b
	}
	return r.meaning()
}

func (r *Request) line(line []byte) *Bad {
	var version []byte
	first, last := bytes.IndexByte(line, ' '), bytes.LastIndexByte(line, ' ')
	if first <= 0 || first == last {
		return bad(400, "the request line is not method, target and version")
	}
	r.Method, r.Target, version = line[:first], line[first+1:last], line[last+1:]
	switch {
	case !Token(r.Method):
		return bad(400, "the method is no token")
	case string(version) == "HTTP/1.1":
		r.Minor = 1
	case string(version) == "HTTP/1.0":
	case bytes.HasPrefix(version, []byte("HTTP/")) && len(version) == len("HTTP/1.1"):
		return bad(505, "this version of HTTP is not spoken here in this form")
	default:
		return bad(400, "the version is not HTTP/1.1")
	}
	for _, c := range r.Target {
		if c <= ' ' || c == 0x7f || c == '#' {
			return bad(400, "a character in the target that has no place there")
		}
	}
	return nil
}

// meaning finds out what the fields say about the message itself.
func (r *Request) meaning() *Bad {
	hosts, lengths, encodings := 0, 0, 0
	keep := false
	for i := range r.Fields {
		f := &r.Fields[i]
		switch {
		case f.Is("host"):
			hosts++
			r.Host = f.Value
		case f.Is("content-length"):
			lengths++
			n, ok := Digits(f.Value)
			if !ok {
				return bad(400, "the content length is no number")
			}
			r.Length = n
		case f.Is("transfer-encoding"):
			encodings++
			if !equalLower(f.Value, "chunked") {
				return bad(501, "a transfer encoding other than chunked")
			}
			r.Chunked = true
		case f.Is("connection"):
			r.Close = r.Close || HasToken(f.Value, "close")
			keep = keep || HasToken(f.Value, "keep-alive")
			r.Upgrade = r.Upgrade || HasToken(f.Value, "upgrade")
		case f.Is("expect"):
			if !equalLower(f.Value, "100-continue") {
				return bad(417, "an expectation other than 100-continue")
			}
			r.Expect = r.Minor == 1
		}
	}
	// It has no meaning in HTTP/1.0 (RFC 9110, section 7.8). HTTP/2 is obsolete here (RFC 9113, section 3.1): through a backend that spoke it, requests would
	// go whose heads nobody has checked.
	to := r.Field("upgrade")
	r.Upgrade = r.Upgrade && to != nil && len(to.Value) > 0 && r.Minor == 1 && !equalLower(to.Value, "h2c")
	if r.Upgrade && !printable(to.Value) {
		return bad(400, "a character in the name of a protocol that has no place there")
	}
	r.Close = r.Close || r.Minor == 0 && !keep
	switch {
	case hosts > 1:
		return bad(400, "more than one Host")
	case hosts == 0 && r.Minor == 1:
		return bad(400, "no Host")
	case lengths > 1:
		return bad(400, "more than one content length")
	case encodings > 1:
		return bad(400, "more than one transfer encoding")
	case lengths > 0 && encodings > 0:
		return bad(400, "a content length beside a transfer encoding")
	case encodings > 0 && r.Minor == 0:
		return bad(400, "a transfer encoding in HTTP/1.0")
	}
	return r.form()
}

// printable reports whether b is text in ASCII.
func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// form brings the target into origin form: a path, or "*".
func (r *Request) form() *Bad {
	switch {
	case len(r.Target) > 0 && r.Target[0] == '/', string(r.Target) == "*", string(r.Method) == "CONNECT":
		return nil
	case HasPrefix(r.Target, "http://"), HasPrefix(r.Target, "https://"):
		after := r.Target[bytes.Index(r.Target, []byte("://"))+3:]
		end := bytes.IndexAny(after, "/?")
		if end < 0 {
			end = len(after)
		}
		if r.Minor == 0 && len(r.Host) == 0 {
			r.Host = after[:end]
		}
		if !bytes.EqualFold(after[:end], r.Host) {
			return bad(400, "the target names another host than the Host field")
		}
		if r.Target = after[end:]; len(r.Target) == 0 {
			r.Target = []byte("/")
		} else if r.Target[0] == '?' {
			return bad(400, "a target without a path")
		}
		return nil
	}
	return bad(400, "the target is no path")
}

// Field gives the first field of a name in lower case; nil: none.
func (r *Request) Field(lower string) *Field { return find(r.Fields, lower) }

func find(fields []Field, lower string) *Field {
	for i := range fields {
		if fields[i].Is(lower) {
			return &fields[i]
		}
	}
	return nil
}

// HopByHop reports whether a field belongs to this connection only (RFC 9110 section 7.6.1): what the Connection fields name, and
// those that older programs do not name there.
func HopByHop(fields []Field, f *Field) bool {
	for _, name := range [...]string{"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
		"proxy-authenticate", "proxy-authorization"} {
		if f.Is(name) {
			return true
		}
	}
	for i := range fields {
		if fields[i].Is("connection") && listed(fields[i].Value, f.Name) {
			return true
		}
	}
	return false
}

func listed(list, name []byte) bool {
	for len(list) > 0 {
		word, rest, _ := bytes.Cut(list, []byte{','})
		if bytes.EqualFold(trim(word), name) {
			return true
		}
		list = rest
	}
	return false
}
