package quicshare

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
)

// TestOwner: an id is read by every holder of the secret, in both forms of header, and by nobody else; two ids of one process share nothing.
func TestOwner(t *testing.T) {
	secret := NewSecret()
	maker, reader, stranger := NewIDs(secret, 513), NewIDs(secret, 1), NewIDs(NewSecret(), 513)
	seen := map[string]bool{}
	for range 200 {
		id, err := maker.GenerateConnectionID()
		if err != nil {
			t.Fatal(err)
		}
		if id.Len() != maker.ConnectionIDLen() || seen[string(id.Bytes()[:4])] {
			t.Fatalf("id %x: of another length, or like an earlier one", id.Bytes())
		}
		seen[string(id.Bytes()[:4])] = true
		short := append([]byte{0x41}, append(id.Bytes(), 1, 2, 3)...)
		long := append([]byte{0xC1, 0, 0, 0, 1, IDBytes}, append(id.Bytes(), 0, 9)...)
		for name, datagram := range map[string][]byte{"short": short, "long": long} {
			if owner, ok := reader.Owner(datagram); owner != 513 || !ok {
				t.Fatalf("%s header: owner %d, %t", name, owner, ok)
			}
			if _, ok := stranger.Owner(datagram); ok {
				t.Fatalf("%s header: read without the secret", name)
			}
		}
	}
}

// TestNotOurs: what clients choose, and what is no QUIC, belongs to nobody.
func TestNotOurs(t *testing.T) {
	ids := NewIDs(NewSecret(), 1)
	for n := range 40 {
		for _, first := range []byte{0x00, 0x40, 0x80, 0xC0} {
			b := make([]byte, n)
			_, _ = rand.Read(b)
			if n > 0 {
				b[0] = first
			}
			if n > 5 {
				b[5] = byte(n - 6)
			}
			if owner, ok := ids.Owner(b); ok {
				t.Fatalf("%x belongs to %d", b, owner)
			}
		}
	}
}

func TestSecret(t *testing.T) {
	secret := NewSecret()
	again, err := ParseSecret(secret.String())
	if err != nil || again != secret || *again.ResetKey() != *secret.ResetKey() || *again.TokenKey() != *secret.TokenKey() {
		t.Errorf("another secret came back: %v", err)
	}
	if bytes.Equal(secret.ResetKey()[:], secret.TokenKey()[:]) {
		t.Error("one key for two purposes")
	}
	for _, bad := range []string{"", "00", secret.String() + "00", "zz" + secret.String()[2:]} {
		if _, err := ParseSecret(bad); err == nil {
			t.Errorf("%q taken for a secret", bad)
		}
	}
}

// FuzzOwner: no datagram is more than a datagram.
func FuzzOwner(f *testing.F) {
	ids := NewIDs(Secret{1}, 9)
	id, err := ids.GenerateConnectionID()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append([]byte{0x40}, id.Bytes()...))
	f.Add([]byte{0xC0, 0, 0, 0, 1, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		if owner, ok := ids.Owner(b); ok && owner == 9 && len(b) < 1+IDBytes {
			t.Errorf("%x is too short to hold an id", b)
		}
	})
}

// FuzzParcel: what parses is what append writes.
func FuzzParcel(f *testing.F) {
	for _, from := range []string{"127.0.0.1:1", "[::1]:65535", "[fe80::1%eth0]:443"} {
		v := &parcel{from: netip.MustParseAddrPort(from), n: 3, control: 2}
		f.Add(v.append(nil))
	}
	f.Add([]byte{})
	f.Add([]byte{0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var v parcel
		if !v.parse(b) {
			return
		}
		var again parcel
		if !again.parse(v.append(nil)) || again != v {
			t.Errorf("%x does not come back", b)
		}
		p := &Port{inbox: make(chan *parcel, 2), until: newDeadline(), closed: make(chan struct{}), failed: make(chan struct{})}
		p.inbox <- &v
		p.inbox <- &again
		var data [datagramMax]byte
		var oob [controlMax]byte
		n, oobn, _, from, err := p.ReadMsgUDP(data[:], oob[:])
		if err != nil || n == 0 || !bytes.HasSuffix(b, data[:n]) || oobn > len(b) || from == nil {
			t.Errorf("%x is read as %d bytes and %d, from %s, %v", b, n, oobn, from, err)
		}
		if n, from, err := p.ReadFrom(data[:1]); err != nil || n != 1 || from == nil {
			t.Errorf("%x is read short as %d bytes, from %s, %v", b, n, from, err)
		}
	})
}

// TestDeadline: set before, during and after a wait; a passed one is taken back.
func TestDeadline(t *testing.T) {
	p := &Port{inbox: make(chan *parcel), until: newDeadline(), closed: make(chan struct{}), failed: make(chan struct{})}
	expired := func() {
		t.Helper()
		if _, err := p.next(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v", err)
		}
	}
	_ = p.SetReadDeadline(time.Now().Add(-time.Second))
	expired()
	_ = p.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	expired()
	_ = p.SetReadDeadline(time.Time{})
	select {
	case <-p.until.wait():
		t.Error("no deadline has passed")
	default:
	}
	done := make(chan struct{})
	go func() { defer close(done); expired() }()
	time.Sleep(5 * time.Millisecond)
	_ = p.SetReadDeadline(time.Now())
	<-done
}

// TestRandomRest: each byte behind the zeros is random, or ids would repeat.
func TestRandomRest(t *testing.T) {
	ids := NewIDs(NewSecret(), 3)
	var differs [IDBytes]bool
	var first [IDBytes]byte
	for n := range 64 {
		id, err := ids.GenerateConnectionID()
		if err != nil {
			t.Fatal(err)
		}
		var plain [IDBytes]byte
		ids.block.Decrypt(plain[:], id.Bytes())
		if n == 0 {
			first = plain
		}
		for i := range plain {
			differs[i] = differs[i] || plain[i] != first[i]
		}
	}
	for i, d := range differs {
		if random := i >= ownerBytes+zeroBytes; d != random {
			t.Errorf("byte %d: changes %t, should %t", i, d, random)
		}
	}
}

// TestParcel: what no process sends is refused; what one sends arrives with its control messages.
func TestParcel(t *testing.T) {
	good := &parcel{from: netip.MustParseAddrPort("127.0.0.1:9"), n: 4, control: 3, data: [datagramMax]byte{1, 2, 3, 4}, oob: [controlMax]byte{7, 8, 9}}
	b := good.append(nil)
	var v parcel
	for n := range b[:len(b)-4] {
		if v.parse(b[:n+1]) {
			t.Errorf("%d bytes of %d taken", n+1, len(b))
		}
	}
	for name, bad := range map[string][]byte{"no address": {2, 0, 9, 0, 1}, "too long": append(b, make([]byte, datagramMax)...), "nothing": nil} {
		if v.parse(bad) {
			t.Errorf("%s: taken", name)
		}
	}
	if !v.parse(b) {
		t.Fatal("refused")
	}
	p := &Port{inbox: make(chan *parcel, 2), until: newDeadline(), closed: make(chan struct{}), failed: make(chan struct{})}
	p.inbox <- &v
	ms := []ipv4.Message{{Buffers: [][]byte{make([]byte, 9)}, OOB: make([]byte, 9)}, {Buffers: [][]byte{nil}}}
	n, err := p.ReadBatch(ms, 0)
	m := ms[0]
	if n != 1 || err != nil || !bytes.Equal(m.Buffers[0][:m.N], []byte{1, 2, 3, 4}) ||
		!bytes.Equal(m.OOB[:m.NN], []byte{7, 8, 9}) || m.Addr.String() != "127.0.0.1:9" {
		t.Errorf("%d messages, %v: %+v", n, err, m)
	}
}

// FuzzSecret: what parses is what String gives.
func FuzzSecret(f *testing.F) {
	f.Add(NewSecret().String())
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := ParseSecret(text); err == nil && s.String() != strings.ToLower(text) {
			t.Errorf("%q does not come back", text)
		}
	})
}
