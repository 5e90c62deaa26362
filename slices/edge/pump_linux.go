package edge

import (
	"os"
	"runtime"
	"sync"
	"syscall"
)

// What backends say on switched connections comes in bursts: a broadcast is a message to each of hundreds of clients at one moment. With a goroutine
// for each, hundreds would be runnable at once, and a request of another slice would wait behind all of them, because goroutines have no
// priority. So a slice's connections are served by its pumps: each is one goroutine that asks the kernel which of them have something, and takes a
// piece of each in turn. docs/decisions/0058-pumps-for-switched-connections.md has the figures.

const (
	// pumpEvents is how many connections a pump serves before it lets others run.
	pumpEvents = 64
	// pumpBytes is the most that it takes of one at a time.
	pumpBytes = 16 << 10
	// pumpCrowd is how many connections a pump has that gets a thread of its own.
	pumpCrowd = 32
)

// pumps are those of one slice, half as many as processors, each there while it has connections. Safe for concurrent use.
type pumps struct {
	threads *pumpThreads // of the gateway

	mu   sync.Mutex
	list []*pump
	next int
}

// farEnd makes a relay of a connection on which the answer 101 was read, or, where there is no descriptor for one, what is copied.
func (p *pumps) farEnd(up *upstream, buffers *bufferPool) farEnd {
	if r := p.take(up); r != nil {
		return r
	}
	return newCopiedEnd(up, buffers)
}

// take makes a relay; nil: nothing has changed, because there is no descriptor for it.
func (p *pumps) take(up *upstream) *relay {
	fd, errno := -1, syscall.Errno(0)
	err := up.raw.Control(func(s uintptr) {
		var d uintptr
		if d, _, errno = syscall.Syscall(syscall.SYS_FCNTL, s, syscall.F_DUPFD_CLOEXEC, 0); errno == 0 {
			fd = int(d)
		}
	})
	if err != nil || fd < 0 {
		return nil
	}
	r := newRelay(fd)
	if !p.join(r) {
		_ = syscall.Close(fd) // the connection has its own
		return nil
	}
	_ = up.Close() // its descriptor, not the connection: that is the relay's
	return r
}

// join gives a relay to a pump. It reports false when there is none.
func (p *pumps) join(r *relay) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.list == nil {
		p.list = make([]*pump, max(1, runtime.GOMAXPROCS(0)/2))
	}
	i := p.next % len(p.list)
	if p.list[i] == nil {
		if p.list[i] = p.start(i); p.list[i] == nil {
			return false
		}
	}
	p.next++
	r.pump = p.list[i]
	r.pump.add(r)
	return true
}

// start makes a pump; nil when there is no descriptor for it.
func (p *pumps) start(place int) *pump {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // so that Go's poller takes it
		_ = syscall.Close(fd) // the error before says it
		return nil
	}
	one := &pump{pumps: p, place: place, fd: fd, file: os.NewFile(uintptr(fd), "pump"), relays: map[int32]*relay{}}
	raw, err := one.file.SyscallConn()
	if err != nil {
		_ = one.file.Close() // the error before says it
		return nil
	}
	go one.run(raw)
	return one
}

// pump serves connections from one goroutine. They are in an epoll of its own, of which Go's poller sees the one descriptor: a burst to hundreds of
// connections wakes one goroutine. Level-triggered, so that no read is needed to learn that there is nothing more.
type pump struct {
	pumps *pumps
	place int
	fd    int // open for as long as it has relays
	file  *os.File
	own   bool // it has a thread for itself; run's

	mu     sync.Mutex
	next   int32
	relays map[int32]*relay
}

func (p *pump) run(raw syscall.RawConn) {
	buf := make([]byte, pumpBytes)
	events := make([]syscall.EpollEvent, pumpEvents)
	n := 0
	look := func(fd uintptr) bool {
		var err error
		n, err = syscall.EpollWait(int(fd), events, 0)
		return n > 0 || err != nil && err != syscall.EINTR
	}
	defer p.ownThread(false)
	for raw.Read(look) == nil { // its error: closed
		p.ownThread(p.connections() >= pumpCrowd)
		for _, e := range events[:max(n, 0)] {
			if r := p.find(e.Fd); r != nil {
				r.serve(e.Events, buf)
			}
		}
		runtime.Gosched()
	}
}

// ownThread gives the goroutine that calls it a thread of its own while it has a crowd. To let others run then is to hand the processor to another
// thread, and to be woken is to be scheduled by the kernel among all threads of the machine: between two parts of a burst the machine's other
// processes have their turn, the client and the backend of another slice's request too. A goroutine among others goes on at once when its process has
// nothing else, which it learns of late.
func (p *pump) ownThread(want bool) {
	switch {
	case want && !p.own && p.pumps.threads.take():
		runtime.LockOSThread()
		p.own = true
	case !want && p.own:
		p.pumps.threads.give()
		runtime.UnlockOSThread()
		p.own = false
	}
}

func (p *pump) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.relays)
}

func (p *pump) find(id int32) *relay {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.relays[id]
}

// add gives a connection its number.
func (p *pump) add(r *relay) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for taken := true; taken; {
		p.next++
		_, taken = p.relays[p.next]
	}
	r.id = p.next
	p.relays[r.id] = r
}

// drop takes a connection back. A pump without any ends.
func (p *pump) drop(r *relay) {
	p.pumps.mu.Lock() // nobody joins meanwhile
	defer p.pumps.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.relays, r.id)
	if len(p.relays) == 0 {
		p.pumps.list[p.place] = nil
		_ = p.file.Close() // nothing was written
	}
}

// watch tells the epoll what is looked for; the caller holds r.mu. Who looks for nothing is taken out altogether: errors are told to all who are in.
func (r *relay) watch() {
	want := uint32(0)
	if r.in {
		want |= syscall.EPOLLIN | syscall.EPOLLRDHUP
	}
	if r.room {
		want |= syscall.EPOLLOUT
	}
	if want == r.watched || r.shut {
		return
	}
	op := syscall.EPOLL_CTL_MOD
	switch {
	case want == 0:
		op = syscall.EPOLL_CTL_DEL
	case r.watched == 0:
		op = syscall.EPOLL_CTL_ADD
	}
	_, err := r.withFd(func(fd int) (int, error) {
		return 0, syscall.EpollCtl(r.pump.fd, op, fd, &syscall.EpollEvent{Events: want, Fd: r.id})
	})
	if r.watched = want; err != nil && r.failure == nil {
		r.failure = err
		r.flush()
		tell(r.writable)
	}
}
