package quicshare

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/net/ipv4"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

const (
	batch      = 8   // datagrams read in one call
	inboxMax   = 512 // parcels that wait for QUIC; then the kernel's buffer fills, and it drops
	mailBuffer = 1 << 20
)

// Config of a process's end of a port.
type Config struct {
	UDP    *net.UDPConn // shared: the same open socket in every process; the Port closes this descriptor
	Folder string       // where the processes' own sockets lie; only they may enter it
	Secret Secret
	Owner  uint16 // the process's number, never used twice with one secret
	Logger *slog.Logger
}

// Stats count a port's datagrams since it was opened.
type Stats struct {
	PassedOn uint64 // read here, handed to another process
	Received uint64 // read by another process, handed to this one
	Dropped  uint64 // the other process did not keep up
	Orphans  uint64 // of a process that has gone; answered here by a stateless reset
}

// Port is one process's end of a shared UDP port. It implements quic.OOBCapablePacketConn and reads in batches. Make it with Open; safe
// for concurrent use, but for reading, which one goroutine does (quic.Transport).
type Port struct {
	IDs    *IDs
	secret Secret
	folder string
	log    *slog.Logger
	udp    *net.UDPConn
	mail   *net.UnixConn
	inbox  chan *parcel
	until  *deadline
	closed chan struct{}
	once   sync.Once
	loops  sync.WaitGroup
	err    atomic.Pointer[error] // why the shared socket cannot be read
	failed chan struct{}

	retired atomic.Bool
	reading chan struct{} // closed when nobody reads the shared socket any more

	mu     sync.Mutex
	routes map[uint16]*route

	passedOn, received, dropped, orphans atomic.Uint64
}

var _ quic.OOBCapablePacketConn = (*Port)(nil)

// Open begins to read. On an error the descriptor is closed.
func Open(c Config) (*Port, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	mail, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: mailbox(c.Folder, c.Owner)})
	if err != nil {
		_ = c.UDP.Close() // the other error says why
		return nil, &nexus.Error{Op: "edge listen", Code: nexus.CodeUnavailable, Subject: "folder of the QUIC port " + c.Folder, Cause: err,
			Hint: "start the supervisor again"}
	}
	_ = mail.SetReadBuffer(mailBuffer) // a smaller one drops sooner
	p := &Port{IDs: NewIDs(c.Secret, c.Owner), secret: c.Secret, folder: c.Folder, log: c.Logger.With("component", "edge-quic"), udp: c.UDP, mail: mail,
		inbox: make(chan *parcel, inboxMax), until: newDeadline(), closed: make(chan struct{}), failed: make(chan struct{}),
		reading: make(chan struct{}), routes: map[uint16]*route{}}
	p.loops.Go(func() { defer close(p.reading); p.readShared() })
	p.loops.Go(p.readMail)
	return p, nil
}

func mailbox(folder string, owner uint16) string {
	return filepath.Join(folder, strconv.Itoa(int(owner)))
}

// Transport makes a QUIC transport over the port, with its ids and keys.
func (p *Port) Transport() *quic.Transport {
	return &quic.Transport{Conn: p, ConnectionIDGenerator: p.IDs, StatelessResetKey: p.secret.ResetKey(), TokenGeneratorKey: p.secret.TokenKey()}
}

// Retire stops reading the shared socket: new connections go to the other processes, which pass on what is for this one. Sending goes on.
// When it returns, nothing is read any more.
func (p *Port) Retire() {
	p.retired.Store(true)
	_ = p.udp.SetReadDeadline(time.Unix(1, 0)) // closed meanwhile: nothing is read either way
	<-p.reading
}

// Waiting is the number of datagrams that were read and not yet taken by QUIC.
func (p *Port) Waiting() int { return len(p.inbox) }

// Stats gives the counts.
func (p *Port) Stats() Stats {
	return Stats{PassedOn: p.passedOn.Load(), Received: p.received.Load(), Dropped: p.dropped.Load(), Orphans: p.orphans.Load()}
}

// readShared hands each datagram of the shared socket to its process.
func (p *Port) readShared() {
	conn := ipv4.NewPacketConn(p.udp) // reads IPv6 as well
	held, ms := [batch]*parcel{}, make([]ipv4.Message, batch)
	for {
		for i := range ms {
			if held[i] == nil {
				held[i] = parcels.Get().(*parcel)
			}
			ms[i] = ipv4.Message{Buffers: [][]byte{held[i].data[:]}, OOB: held[i].oob[:]}
		}
		n, err := conn.ReadBatch(ms, 0)
		if err != nil {
			if !p.retired.Load() && !p.isClosed() {
				p.err.Store(&err)
				close(p.failed)
			}
			return
		}
		for i, m := range ms[:n] {
			from, ok := m.Addr.(*net.UDPAddr)
			if !ok || m.N == 0 {
				continue
			}
			v := held[i]
			held[i], v.from, v.n, v.control, v.flags = nil, from.AddrPort(), m.N, m.NN, m.Flags
			p.sort(v)
		}
	}
}

// sort gives a parcel to its process.
func (p *Port) sort(v *parcel) {
	owner, ok := p.IDs.Owner(v.data[:v.n])
	if !ok || owner == p.IDs.owner {
		p.deliver(v)
		return
	}
	p.routeTo(owner).send(v)
}

// deliver puts a parcel where ReadBatch finds it.
func (p *Port) deliver(v *parcel) {
	select {
	case p.inbox <- v:
	case <-p.closed:
	}
}

// readMail takes what other processes read for this one.
func (p *Port) readMail() {
	b := make([]byte, parcelMax+1)
	for {
		n, err := p.mail.Read(b)
		if err != nil {
			if !p.isClosed() {
				p.log.Error("datagrams of other processes are lost from now on", "error", err)
			}
			return
		}
		if v := parcels.Get().(*parcel); n <= parcelMax && v.parse(b[:n]) {
			p.received.Add(1)
			p.deliver(v)
		}
	}
}

// next waits for a parcel.
func (p *Port) next() (*parcel, error) {
	select {
	case v := <-p.inbox:
		return v, nil
	case <-p.until.wait():
		return nil, os.ErrDeadlineExceeded
	case <-p.closed:
		return nil, net.ErrClosed
	case <-p.failed:
		return nil, *p.err.Load()
	}
}

// ReadBatch gives the datagrams that have come, at least one: what quic-go reads instead of the socket.
func (p *Port) ReadBatch(ms []ipv4.Message, _ int) (int, error) {
	v, err := p.next()
	if err != nil {
		return 0, err
	}
	for i := range ms {
		m := &ms[i]
		m.N, m.NN = copy(m.Buffers[0], v.data[:v.n]), copy(m.OOB, v.oob[:v.control])
		m.Addr, m.Flags = v.addr(), v.flags
		parcels.Put(v)
		if i == len(ms)-1 {
			break
		}
		select {
		case v = <-p.inbox:
		default:
			return i + 1, nil
		}
	}
	return len(ms), nil
}

// ReadMsgUDP implements quic.OOBCapablePacketConn.
func (p *Port) ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error) {
	v, err := p.next()
	if err != nil {
		return 0, 0, 0, nil, err
	}
	defer parcels.Put(v)
	return copy(b, v.data[:v.n]), copy(oob, v.oob[:v.control]), v.flags, v.addr(), nil
}

// ReadFrom implements net.PacketConn.
func (p *Port) ReadFrom(b []byte) (int, net.Addr, error) {
	n, _, _, addr, err := p.ReadMsgUDP(b, nil)
	if err != nil {
		return 0, nil, err
	}
	return n, addr, nil
}

// WriteMsgUDP implements quic.OOBCapablePacketConn: each process sends for itself.
func (p *Port) WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error) {
	return p.udp.WriteMsgUDP(b, oob, addr)
}

// WriteTo implements net.PacketConn.
func (p *Port) WriteTo(b []byte, addr net.Addr) (int, error) { return p.udp.WriteTo(b, addr) }

// LocalAddr implements net.PacketConn.
func (p *Port) LocalAddr() net.Addr { return p.udp.LocalAddr() }

// SyscallConn gives the shared socket, for its options.
func (p *Port) SyscallConn() (syscall.RawConn, error) { return p.udp.SyscallConn() }

// SetReadBuffer sets the shared socket's buffer, in bytes.
func (p *Port) SetReadBuffer(n int) error { return p.udp.SetReadBuffer(n) }

// SetWriteBuffer sets the shared socket's buffer, in bytes.
func (p *Port) SetWriteBuffer(n int) error { return p.udp.SetWriteBuffer(n) }

// SetReadDeadline implements net.PacketConn.
func (p *Port) SetReadDeadline(t time.Time) error {
	p.until.set(t)
	return nil
}

// SetWriteDeadline implements net.PacketConn.
func (p *Port) SetWriteDeadline(t time.Time) error { return p.udp.SetWriteDeadline(t) }

// SetDeadline implements net.PacketConn.
func (p *Port) SetDeadline(t time.Time) error {
	return errors.Join(p.SetReadDeadline(t), p.SetWriteDeadline(t))
}

func (p *Port) isClosed() bool {
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

// Close ends this process's part: its descriptor, its socket, its goroutines. The others' go on. Closing twice is harmless.
func (p *Port) Close() error {
	err := error(nil)
	p.once.Do(func() {
		close(p.closed)
		err = errors.Join(p.udp.Close(), p.mail.Close())
		p.mu.Lock()
		for _, r := range p.routes {
			r.close()
		}
		p.mu.Unlock()
		p.loops.Wait()
	})
	return err
}
