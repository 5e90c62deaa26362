package peek

// Answer is what the first bytes of a connection tell.
type Answer struct {
	// Host as the client wrote it: a name without port (TLS), or with one (HTTP). "": none is named, or these bytes are no proper beginning.
	Host string
	// More: the bytes are a proper beginning that names no host yet; ask again when there are more of them. Host is "" then.
	More bool
	// HTTP2: the preface of HTTP/2 without TLS was seen. Its client may send nothing more before it is answered, so the wait for More
	// should be a short one.
	HTTP2 bool
}

// cursor reads numbers and vectors of TLS (RFC 8446 section 3). After a failure short says that the bytes ended too soon.
type cursor struct {
	b     []byte
	short bool
}

// take cuts n bytes off; nil when there are not so many.
func (c *cursor) take(n int) []byte {
	if c.short || len(c.b) < n {
		c.short = true
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

// number reads n bytes, big-endian.
func (c *cursor) number(n int) int {
	v := 0
	for _, b := range c.take(n) {
		v = v<<8 | int(b)
	}
	return v
}

// vector reads a vector whose length takes n bytes.
func (c *cursor) vector(n int) cursor {
	v := c.take(c.number(n))
	return cursor{b: v, short: c.short}
}
