package quicshare

import (
	"net"
	"net/netip"
	"sync"
)

// Sizes in bytes. A datagram of QUIC is 1,452 long at most here; what is longer is none and cut off.
const (
	datagramMax = 2048
	controlMax  = 128
	addressMax  = 64
	parcelMax   = 1 + addressMax + 1 + controlMax + datagramMax
)

// parcel is a datagram with what the kernel said about it.
type parcel struct {
	from    netip.AddrPort
	n       int // bytes of data
	control int // bytes of oob
	flags   int
	data    [datagramMax]byte
	oob     [controlMax]byte // control messages: how congested the way was, to which address it came
}

var parcels = sync.Pool{New: func() any { return new(parcel) }}

// append writes the form in which a parcel goes to another process: the address with its length before it, the control messages likewise, the data.
func (p *parcel) append(b []byte) []byte {
	addr, err := p.from.MarshalBinary()
	if err != nil || len(addr) > addressMax {
		addr = nil // an interface's name of that length does not exist; the receiver refuses it
	}
	b = append(b, byte(len(addr)))
	b = append(b, addr...)
	b = append(b, byte(p.control))
	b = append(b, p.oob[:p.control]...)
	return append(b, p.data[:p.n]...)
}

// parse reads what append wrote. It reports false for anything else.
func (p *parcel) parse(b []byte) bool {
	addr, b, ok := field(b, addressMax)
	if !ok || p.from.UnmarshalBinary(addr) != nil || !p.from.IsValid() {
		return false
	}
	control, b, ok := field(b, controlMax)
	if !ok || len(b) == 0 || len(b) > datagramMax {
		return false
	}
	p.control, p.n, p.flags = copy(p.oob[:], control), copy(p.data[:], b), 0
	return true
}

// field cuts off a length of one byte and as many bytes.
func field(b []byte, most int) (value, rest []byte, ok bool) {
	if len(b) == 0 || int(b[0]) > most || len(b) < 1+int(b[0]) {
		return nil, nil, false
	}
	return b[1 : 1+b[0]], b[1+b[0]:], true
}

func (p *parcel) addr() *net.UDPAddr { return net.UDPAddrFromAddrPort(p.from) }
