package edge

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
)

// The first packets of a QUIC client, without a client behind them (RFC 9000, section 17.2, and RFC 9001, section 5): a library would go on with the
// handshake, and its keys would cost more than what is measured.

const (
	quicVersion    = 1
	quicLong       = 0x80 // first byte of a packet with a long header; bits 4 and 5 are its type
	quicFixed      = 0x40
	quicInitial    = 0
	quicRetry      = 3
	quicTag        = 16   // of a sealed packet, and of a Retry
	quicIDBytes    = 8    // of the connection ids that a hello uses
	quicIDMost     = 20   // RFC 9000, section 17.2
	quicFirstBytes = 1200 // of a datagram that begins a connection, and of one that answers it, at least (RFC 9000, section 14.1)
)

// quicSalt is that of version 1 (RFC 9001, section 5.2).
var quicSalt = []byte{0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a}

var errHello = errors.New("no hello of QUIC that fits into a packet")

// quicHello is a client's hello with the place in it where the id stands that the client chose for itself.
type quicHello struct {
	tls  []byte
	idAt int
}

// newQUICHello has crypto/tls make a hello for HTTP/3. All clients of a flood say the same one but for their id: a server cannot tell, and it costs it what any
// does. Errors: crypto/tls'.
func newQUICHello(ctx context.Context, config *tls.Config) (quicHello, error) {
	config = config.Clone()
	config.CurvePreferences = []tls.CurveID{tls.X25519} // one packet
	const mark = "\xa5its id\xa5"
	params := []byte{0x0f, quicIDBytes}                                        // initial_source_connection_id
	params = append(params, mark...)                                           // replaced in each packet
	params = append(params, 0x01, 2, 0x67, 0x10)                               // max_idle_timeout: 10,000 ms
	params = append(params, 0x04, 4, 0x80, 0x10, 0, 0)                         // initial_max_data: 1 MiB
	params = append(params, 0x05, 4, 0x80, 0x04, 0, 0, 0x07, 4, 0x80, 4, 0, 0) // of a bidirectional stream of ours, of a unidirectional one
	params = append(params, 0x09, 1, 8)                                        // initial_max_streams_uni
	q := tls.QUICClient(&tls.QUICConfig{TLSConfig: config})
	defer func() { _ = q.Close() }() // it has not begun a connection
	q.SetTransportParameters(params)
	if err := q.Start(ctx); err != nil {
		return quicHello{}, err
	}
	for {
		e := q.NextEvent()
		switch e.Kind {
		case tls.QUICNoEvent:
			return quicHello{}, errHello
		case tls.QUICWriteData:
			h := quicHello{tls: append([]byte(nil), e.Data...), idAt: bytes.Index(e.Data, []byte(mark))}
			if h.idAt < 0 || len(h.tls) > quicFirstBytes-128 {
				return quicHello{}, errHello
			}
			return h, nil
		}
	}
}

// packet makes the datagram of a client with an id of its own, to a server's id that the client chose, or a Retry's, whose token is then sent back. Errors: a
// token that does not fit.
func (h quicHello) packet(to []byte, id uint64, token []byte, number byte) ([]byte, error) {
	const numberBytes, frameHead = 4, 4
	b := []byte{quicLong | quicFixed | quicInitial<<4 | (numberBytes - 1), 0, 0, 0, quicVersion, byte(len(to))}
	b = append(b, to...)
	b = binary.BigEndian.AppendUint64(append(b, quicIDBytes), id)
	b = append(binary.BigEndian.AppendUint16(b, 0x4000|uint16(len(token))), token...)
	size := max(quicFirstBytes, len(b)+2+numberBytes+frameHead+len(h.tls)+quicTag)
	if size > quicFirstBytes+200 { // beyond it some path would not take it
		return nil, errHello
	}
	b = binary.BigEndian.AppendUint16(b, 0x4000|uint16(size-len(b)-2))
	numberAt := len(b)
	b = append(b, 0, 0, 0, number)
	plain := make([]byte, size-len(b)-quicTag)
	plain[0], plain[1] = 0x06, 0 // CRYPTO from offset 0; the rest is padding
	binary.BigEndian.PutUint16(plain[2:], 0x4000|uint16(len(h.tls)))
	copy(plain[frameHead:], h.tls)
	binary.BigEndian.PutUint64(plain[frameHead+h.idAt:], id)
	return seal(b, plain, numberAt, to)
}

// seal encrypts a client's Initial packet, and hides its number.
func seal(head, plain []byte, numberAt int, to []byte) ([]byte, error) {
	secret, err := hkdf.Extract(sha256.New, to, quicSalt)
	if err != nil {
		return nil, err
	}
	client, err := expand(secret, "client in", sha256.Size)
	if err != nil {
		return nil, err
	}
	var keys [3][]byte
	for i, of := range []struct {
		label string
		bytes int
	}{{"quic key", 16}, {"quic iv", 12}, {"quic hp", 16}} {
		if keys[i], err = expand(client, of.label, of.bytes); err != nil {
			return nil, err
		}
	}
	block, err := aes.NewCipher(keys[0])
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	hide, err := aes.NewCipher(keys[2])
	if err != nil {
		return nil, err
	}
	nonce := keys[1]
	for i := range 4 {
		nonce[len(nonce)-4+i] ^= head[numberAt+i]
	}
	b := gcm.Seal(head, nonce, plain, head)
	var mask [aes.BlockSize]byte
	hide.Encrypt(mask[:], b[numberAt+4:])
	b[0] ^= mask[0] & 0x0f
	for i := range 4 {
		b[numberAt+i] ^= mask[1+i]
	}
	return b, nil
}

// expand is HKDF-Expand-Label (RFC 8446, section 7.1) without a context.
func expand(secret []byte, label string, n int) ([]byte, error) {
	label = "tls13 " + label
	info := append([]byte{byte(n >> 8), byte(n), byte(len(label))}, label...)
	return hkdf.Expand(sha256.New, secret, string(append(info, 0)), n)
}

// quicReply is what a generator wants to know of a datagram from a server.
type quicReply struct {
	id     uint64 // of the client that it is for
	flight bool   // the server's first flight: what a handshake costs it has been spent
	retry  bool
	from   []byte // the server's id, retry only
	token  []byte // retry only
}

// parseReply reads the head of a datagram. False: nothing that a hello is answered by.
func parseReply(b []byte) (r quicReply, ok bool) {
	const idsAt = 5
	if len(b) < idsAt+1+quicIDBytes+1+quicTag || b[0]&quicLong == 0 || binary.BigEndian.Uint32(b[1:]) != quicVersion || b[idsAt] != quicIDBytes {
		return quicReply{}, false
	}
	r.id = binary.BigEndian.Uint64(b[idsAt+1:])
	rest := b[idsAt+1+quicIDBytes:]
	n := int(rest[0])
	if n > quicIDMost || len(rest) < 1+n+quicTag {
		return quicReply{}, false
	}
	switch b[0] >> 4 & 3 {
	case quicInitial: // what only acknowledges or ends is not padded
		r.flight = len(b) >= quicFirstBytes
		return r, r.flight
	case quicRetry:
		r.retry, r.from, r.token = true, rest[1:1+n], rest[1+n:len(rest)-quicTag]
		return r, len(r.token) > 0
	}
	return quicReply{}, false
}
