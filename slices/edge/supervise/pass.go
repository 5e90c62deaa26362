//go:build linux

package supervise

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// A connection goes from one group of workers to another as a file descriptor (SCM_RIGHTS) in a message on a pair of sockets that the
// supervisor made and holds, as it holds the listening ones: what lies in the queue outlives the worker at either end.

// passTag is all that a message says beside the connection that it carries; another word is not understood.
const passTag = 'c'

// filesMost is the room for descriptors in one message: more than there should be, so that too many are seen and closed.
const filesMost = 4

// queueBytes is half of the kernel's memory for a queue, which takes about 770 bytes a connection: 4,000 of them, as many as a listening socket's
// backlog holds. Without the right to go over the system's limit (net.core.wmem_max) it is what that allows, some 500 connections.
const queueBytes = 1536 << 10

// queuePair makes the two ends of a queue. Both are blocking for Go here, as listening sockets are (see duplicate): workers undo that.
func queuePair() (sender, receiver *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	if syscall.SetsockoptInt(fds[0], syscall.SOL_SOCKET, syscall.SO_SNDBUFFORCE, queueBytes) != nil {
		_ = syscall.SetsockoptInt(fds[0], syscall.SOL_SOCKET, syscall.SO_SNDBUF, queueBytes) // a shorter queue is one too
	}
	return os.NewFile(uintptr(fds[0]), "to workers"), os.NewFile(uintptr(fds[1]), "from workers"), nil
}

// ErrNoWorker is the error of Pass while no worker of the other group serves.
var ErrNoWorker = errors.New("no worker of that group serves")

// Passer hands accepted connections to the workers of another group. Safe for concurrent use.
type Passer struct {
	file *os.File
	raw  syscall.RawConn
	up   atomic.Bool // a worker of the other group serves
}

// Pass gives the socket to whichever worker of the other group takes it first and never waits. On success the caller closes its own
// descriptor: the connection goes on. On an error (ErrNoWorker, or that of the queue: EAGAIN when it is full) nothing has happened.
func (p *Passer) Pass(socket syscall.RawConn) error {
	if !p.up.Load() {
		return ErrNoWorker
	}
	var sent, inner error
	outer := socket.Control(func(fd uintptr) {
		inner = p.raw.Control(func(queue uintptr) {
			for {
				sent = syscall.Sendmsg(int(queue), []byte{passTag}, syscall.UnixRights(int(fd)), nil, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
				if sent != syscall.EINTR {
					return
				}
			}
		})
	})
	return errors.Join(outer, inner, sent)
}

// queue is the receiving end as a listener.
type queue struct {
	file   *os.File
	raw    syscall.RawConn
	addr   net.Addr // of the socket that the connections were accepted from
	once   sync.Once
	closed chan struct{}
	lost   atomic.Uint64 // messages that brought no usable connection
}

func newQueue(fd int, addr net.Addr) (*queue, error) {
	if err := checkSender(fd); err != nil {
		return nil, errors.Join(err, syscall.Close(fd))
	}
	f, raw, err := inherited(fd)
	if err != nil {
		return nil, err
	}
	return &queue{file: f, raw: raw, addr: addr, closed: make(chan struct{})}, nil
}

// checkSender refuses a queue that somebody else made: what comes over it is served as if this process had accepted it.
func checkSender(fd int) error {
	maker, err := syscall.GetsockoptUcred(fd, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if int(maker.Uid) != os.Geteuid() {
		return nexus.Errf("edge worker", nexus.CodeRefused, "queue of connections", "start worker and supervisor as the same user",
			"made by user %d, this process runs as %d", maker.Uid, os.Geteuid())
	}
	return nil
}

// inherited makes a file that waits without a thread of a descriptor that was inherited, which it takes over.
func inherited(fd int) (*os.File, syscall.RawConn, error) {
	syscall.CloseOnExec(fd)
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, nil, errors.Join(os.NewSyscallError("setnonblock", err), syscall.Close(fd))
	}
	f := os.NewFile(uintptr(fd), "queue")
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, raw, nil
}

// Accept implements net.Listener. A message without a living connection is passed over. When no sender is left at all it waits for Close: the
// end of the supervisor retires the worker, it does not fail it.
func (q *queue) Accept() (net.Conn, error) {
	for {
		fd, err := q.receive()
		switch {
		case err == io.EOF:
			<-q.closed
			return nil, net.ErrClosed
		case err != nil:
			select {
			case <-q.closed:
				return nil, net.ErrClosed
			default:
				return nil, err
			}
		case fd < 0:
			q.lost.Add(1)
			continue
		}
		if c := adopt(fd); c != nil {
			return c, nil
		}
		q.lost.Add(1)
	}
}

// receive waits for a message and gives its descriptor, -1 when it has none to be used. Error: io.EOF when there are no senders; EMFILE
// and its like before anything is taken out of the queue, so that nothing is lost for want of descriptors.
func (q *queue) receive() (fd int, err error) {
	var word [2]byte
	oob := make([]byte, syscall.CmsgSpace(4*filesMost))
	fd = -1
	failed := q.raw.Read(func(queue uintptr) bool {
		if err = spare(int(queue)); err != nil {
			return true
		}
		var n, oobn, flags int
		for {
			n, oobn, flags, _, err = syscall.Recvmsg(int(queue), word[:], oob, syscall.MSG_CMSG_CLOEXEC|syscall.MSG_DONTWAIT)
			if err != syscall.EINTR {
				break
			}
		}
		switch {
		case err == syscall.EAGAIN:
			err = nil
			return false
		case err != nil:
			return true
		case n == 0 && oobn == 0:
			err = io.EOF
			return true
		}
		fd = only(oob[:oobn], flags&(syscall.MSG_CTRUNC|syscall.MSG_TRUNC) == 0 && n == 1 && word[0] == passTag)
		return true
	})
	if failed != nil {
		return -1, failed
	}
	return fd, err
}

// spare fails when the process has no descriptor left. Without one the kernel would deliver the message and drop the connection.
func spare(fd int) error {
	extra, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return errno
	}
	return syscall.Close(int(extra))
}

// only gives the one descriptor of a proper message. Of any other it closes all that came, and gives -1.
func only(oob []byte, proper bool) int {
	var fds []int
	messages, err := syscall.ParseSocketControlMessage(oob)
	for i := range messages {
		if got, err := syscall.ParseUnixRights(&messages[i]); err == nil { // of another kind: it carries none
			fds = append(fds, got...)
		}
	}
	if proper && err == nil && len(fds) == 1 {
		return fds[0]
	}
	for _, fd := range fds {
		_ = syscall.Close(fd) // nobody else has it
	}
	return -1
}

// adopt makes a connection of a received descriptor, which it takes over; nil when it is no connected TCP socket, which is also what one is whose
// client has reset it on the way.
func adopt(fd int) net.Conn {
	if !isTCP(fd) || syscall.SetNonblock(fd, true) != nil {
		_ = syscall.Close(fd) // nobody else has it
		return nil
	}
	f := os.NewFile(uintptr(fd), "connection")
	c, err := net.FileConn(f)
	_ = f.Close() // c has a descriptor of its own
	if err != nil {
		return nil
	}
	return c
}

func isTCP(fd int) bool {
	is := func(option, want int) bool {
		v, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, option)
		return err == nil && v == want
	}
	if !is(syscall.SO_TYPE, syscall.SOCK_STREAM) || !is(syscall.SO_PROTOCOL, syscall.IPPROTO_TCP) {
		return false
	}
	_, err := syscall.Getpeername(fd) // a listening socket has none
	return err == nil
}

// Close implements net.Listener. What lies in the queue stays there for the next worker.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return q.file.Close()
}

// Addr implements net.Listener.
func (q *queue) Addr() net.Addr { return q.addr }
