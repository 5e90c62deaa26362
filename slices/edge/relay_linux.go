package edge

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// backlogMax bounds what is kept of one connection whose client takes less than comes, in bytes. A pump reads no more of a connection that has a
// backlog; what may come still are TLS's own messages.
const backlogMax = 128 << 10

var errBacklog = errors.New("edge: the client takes nothing and keeps TLS talking")

// relay is a backend's connection that has switched protocols, out of the hands of Go's poller, which would be woken by each piece that a pump is there
// to take. A pump moves what moves at once to the client; what the client does not take is the backlog, and a goroutine that is there for as long as there
// is one writes it at the client's pace. It implements farEnd for the other direction; Write is for one goroutine at a time.
type relay struct {
	pump     *pump
	id       int32
	conn     *conn // of the client; these two are set by begin
	user     net.Conn
	once     sync.Once
	closed   chan struct{}
	over     chan struct{} // closed when nothing goes to the client any more
	writable chan struct{} // capacity 1: the backend takes something again

	fdMu sync.RWMutex
	fd   int // -1: closed

	wrote  func(fd uintptr) bool // writes out, made once
	out    []byte
	went   int
	outErr error

	mu       sync.Mutex
	in, room bool   // the pump looks for what the backend says, and for whether it takes more
	watched  uint32 // what the epoll knows of that
	shut     bool   // it is told nothing more
	backlog  []byte // paid for, not written
	flushing bool   // the goroutine that writes the backlog is there, or the end has come
	failure  error  // io.EOF: the backend's end
}

func newRelay(fd int) *relay {
	r := &relay{fd: fd, closed: make(chan struct{}), over: make(chan struct{}), writable: make(chan struct{}, 1)}
	r.wrote = func(fd uintptr) bool {
		r.went, r.outErr = syscall.Write(int(fd), r.out)
		return true
	}
	return r
}

// withFd calls do while the socket cannot be closed. Error: it is closed.
func (r *relay) withFd(do func(fd int) (int, error)) (int, error) {
	r.fdMu.RLock()
	defer r.fdMu.RUnlock()
	if r.fd < 0 {
		return 0, net.ErrClosed
	}
	n, err := do(r.fd)
	return max(n, 0), err
}

// passing reports an error that says: later.
func passing(err error) bool { return err == syscall.EAGAIN || err == syscall.EINTR }

// Write implements io.Writer: it waits until the backend has taken all of p.
func (r *relay) Write(p []byte) (done int, err error) {
	for done < len(p) {
		n, err := r.withFd(func(fd int) (int, error) { return syscall.Write(fd, p[done:]) })
		done += n
		switch {
		case err == nil:
		case !passing(err):
			return done, os.NewSyscallError("write", err)
		default:
			if err := r.awaitRoom(); err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

func (r *relay) awaitRoom() error {
	r.mu.Lock()
	r.room = true
	r.watch()
	r.mu.Unlock()
	select {
	case <-r.writable:
		return nil
	case <-r.closed:
		return net.ErrClosed
	}
}

// CloseWrite ends our side of the stream and keeps the other.
func (r *relay) CloseWrite() error {
	_, err := r.withFd(func(fd int) (int, error) { return 0, syscall.Shutdown(fd, syscall.SHUT_WR) })
	return err
}

// Close implements io.Closer. It ends every wait.
func (r *relay) Close() error {
	err := net.ErrClosed
	r.once.Do(func() {
		close(r.closed)
		r.mu.Lock()
		r.in, r.room, r.failure = false, false, net.ErrClosed
		r.watch()
		r.shut = true // the pump may end now, and the number of its epoll be another's
		r.flush()
		r.mu.Unlock()
		r.pump.drop(r)
		r.fdMu.Lock()
		defer r.fdMu.Unlock()
		err = syscall.Close(r.fd)
		r.fd = -1
	})
	return err
}

// begin takes what the backend says to the client from now on.
func (r *relay) begin(c *conn, user net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conn, r.user = c, user
	c.relay.Store(r)
	if r.failure != nil { // closed before
		r.flush()
		return
	}
	r.in = true
	r.watch()
}

func (r *relay) ended() <-chan struct{} { return r.over }

// flush sees to it that the backlog is written, and the end told; the caller holds the mutex. Until begin there is neither.
func (r *relay) flush() {
	if r.flushing || r.conn == nil {
		return
	}
	r.flushing = true
	go r.writeBacklog()
}

// writeBacklog writes what the client did not take until there is nothing more, and lets the pump go on, or ends what goes to the client.
func (r *relay) writeBacklog() {
	for {
		part, failure := r.takeBacklog()
		if len(part) > 0 {
			_, err := r.conn.writePaid(r.conn.bound.Load(), part)
			if err == nil {
				continue
			}
			failure = err
		}
		if failure == nil {
			return
		}
		r.conn.relay.Store(nil)
		if errors.Is(failure, io.EOF) {
			failure = nil
		}
		endUser(r.user, failure)
		close(r.over)
		return
	}
}

// takeBacklog gives what is to be written next. When there is nothing, and no end, the pump goes on.
func (r *relay) takeBacklog() (part []byte, failure error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	part, r.backlog = r.backlog, nil
	if len(part) == 0 && r.failure == nil {
		r.flushing = false
		r.in = true
		r.watch()
	}
	return part, r.failure
}

// serve moves one piece, or says that there is room. Called by the pump.
func (r *relay) serve(events uint32, buf []byte) {
	const broken = syscall.EPOLLERR | syscall.EPOLLHUP
	r.mu.Lock()
	in := r.in && events&(syscall.EPOLLIN|syscall.EPOLLRDHUP|broken) != 0
	if r.room && events&(syscall.EPOLLOUT|broken) != 0 {
		r.room = false
		r.watch()
		tell(r.writable)
	}
	r.mu.Unlock()
	if !in {
		return
	}
	r.fdMu.RLock()
	n, err := 0, error(net.ErrClosed)
	if r.fd >= 0 {
		n, err = syscall.Read(r.fd, buf)
	}
	r.fdMu.RUnlock()
	switch {
	case err != nil && passing(err):
		return
	case err == nil && n == 0:
		err = io.EOF
	case err == nil:
		_, err = r.user.Write(buf[:n])
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && r.failure == nil {
		r.failure = err
	}
	if r.failure != nil || r.flushing {
		r.in = false
		r.watch()
		if r.failure != nil {
			r.flush()
		}
	}
}

func tell(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // told already
	}
}

// write is the client connection's Write while the relay has it: it never waits for the client. Called by the pump, and by TLS for messages of
// its own.
func (r *relay) write(p []byte) (int, error) {
	s := r.conn.bound.Load()
	quantum := shape.QuantumBytes
	if s != nil {
		quantum = int(s.quantum.Load())
	}
	for done := 0; done < len(p); {
		chunk := p[done:min(done+quantum, len(p))]
		if err := r.conn.payForWrite(s, len(chunk)); err != nil {
			return done, err
		}
		if err := r.writeSome(s, chunk); err != nil {
			return done, err
		}
		done += len(chunk)
	}
	return len(p), nil
}

// writeSome writes what the socket takes and keeps the rest.
func (r *relay) writeSome(s *sliceState, chunk []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.flushing {
		now := time.Now()
		r.conn.armWrite(now)
		r.out = chunk
		err := r.conn.raw.Write(r.wrote)
		r.out = nil
		if err == nil && r.outErr != nil && !passing(r.outErr) {
			err = os.NewSyscallError("write", r.outErr)
		}
		if err != nil {
			return err
		}
		n := max(r.went, 0)
		r.conn.countWritten(s, now, n)
		chunk = chunk[n:]
	}
	if len(chunk) == 0 {
		return nil
	}
	if len(r.backlog)+len(chunk) > backlogMax {
		return errBacklog
	}
	r.backlog = append(r.backlog, chunk...)
	r.flush()
	return nil
}
