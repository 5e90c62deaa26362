package peek

const (
	recordHandshake = 22
	recordBytesMax  = 16 << 10 // RFC 8446 section 5.1: of a record that is not encrypted
	typeClientHello = 1
	helloBytesMax   = 64 << 10 // what crypto/tls takes
	extensionName   = 0        // server_name, RFC 6066 section 3
	nameHost        = 0
)

// TLS looks for the server name in the ClientHello that a TLS client begins with. A hello may lie in several records.
func TLS(b []byte) Answer {
	hello, all, ok := handshake(b)
	if !ok {
		return Answer{}
	}
	c := cursor{b: hello}
	kind, length := c.number(1), c.number(3)
	switch {
	case c.short:
		return Answer{More: !all}
	case kind != typeClientHello || length > helloBytesMax:
		return Answer{}
	}
	whole := len(c.b) >= length
	if whole {
		c.b = c.b[:length]
	}
	name, found := serverName(&c)
	switch {
	case found:
		return Answer{Host: name}
	case c.short && !whole && !all:
		return Answer{More: true}
	}
	return Answer{} // a whole hello without a name, or one that contradicts itself
}

// handshake joins what the records carry. all: what follows cannot belong to it; ok: these are records of a handshake.
func handshake(b []byte) (joined []byte, all, ok bool) {
	for first := true; ; first = false {
		if len(b) > 0 && b[0] != recordHandshake {
			return joined, true, !first
		}
		if len(b) > 1 && b[1] != 3 {
			return joined, true, !first
		}
		if len(b) < 5 {
			return joined, false, true
		}
		n := int(b[3])<<8 | int(b[4])
		if n == 0 || n > recordBytesMax {
			return joined, true, !first
		}
		part := b[5:min(5+n, len(b))]
		if joined == nil {
			joined = part[:len(part):len(part)] // the usual case is one record, and costs no copy
		} else {
			joined = append(joined, part...)
		}
		if len(b) < 5+n {
			return joined, false, true
		}
		b = b[5+n:]
	}
}

// serverName reads a hello's body as far as its server name. Of a body that is not all there yet it finds a name that is; c.short says otherwise
// that it ended too soon.
func serverName(c *cursor) (string, bool) {
	c.take(2 + 32) // version, random
	c.vector(1)    // session
	c.vector(2)    // ciphers
	c.vector(1)    // compression
	size := c.number(2)
	if c.short {
		return "", false
	}
	x := cursor{b: c.b[:min(size, len(c.b))]}
	missing := len(c.b) < size
	for len(x.b) > 0 {
		kind := x.number(2)
		body := x.vector(2)
		if x.short {
			break
		}
		if kind != extensionName {
			continue
		}
		list := body.vector(2)
		for len(list.b) > 0 && !list.short {
			what := list.number(1)
			name := list.vector(2)
			if !list.short && what == nameHost {
				return string(name.b), len(name.b) > 0
			}
		}
		return "", false
	}
	c.short = missing
	return "", false
}
