package edge

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"runtime/debug"
	stdslices "slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lateMost is how long answers are waited for after the last request was due.
	lateMost = 2 * time.Second
	// lorisEvery is the pause between two header lines of one connection.
	lorisEvery = time.Second
	// streamMessage is the size of one broadcast message with its frame header, in bytes.
	streamMessage = broadcastBytes + 4
)

// socket is one connection of a generator.
type socket struct {
	fd        int
	answer    answer
	due       time.Time // of the request under way
	busy      bool
	connected bool
	nextLine  time.Time // shapeLoris
	upgraded  bool
	partial   int64 // bytes of a broadcast message
}

// generator is one thread on one epoll: what it does between two looks at the clock is what the kernel reported, so that it adds
// little of its own to what it measures.
type generator struct {
	job     Job
	request []byte
	remote  unix.Sockaddr
	source  unix.Sockaddr
	epoll   int
	timer   int
	links   []socket
	free    []int32 // links without a request, shapeOpen
	dead    []int32 // links to be opened again
	queue   []time.Time
	scratch []byte

	begin, counts, end time.Time
	next               time.Time // due time of the next request, shapeOpen
	chance             *rand.Rand
	figures            Figures
	latencies          []int64
	lags               []int64
}

// generate does a job on one thread. Errors: no socket, no such address.
func generate(ctx context.Context, job Job) (Figures, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	debug.SetGCPercent(800)
	g := &generator{job: job, scratch: make([]byte, 128<<10), links: make([]socket, job.Connections),
		chance: rand.New(rand.NewPCG(1, 1+job.Seed))} //nolint:gosec // the same arrivals for all who are compared
	if err := g.prepare(); err != nil {
		return Figures{}, err
	}
	defer g.close()
	g.begin = time.Now()
	g.counts = g.begin.Add(job.Warm)
	g.end = g.counts.Add(job.Duration)
	g.next = g.begin.Add(50 * time.Millisecond) // connections come first
	for i := range g.links {
		if err := g.dial(int32(i)); err != nil {
			return Figures{}, err
		}
	}
	if err := g.loop(ctx); err != nil {
		return Figures{}, err
	}
	return g.sum(), nil
}

func (g *generator) prepare() error {
	remote, err := netip.ParseAddrPort(g.job.Addr)
	if err != nil {
		return fmt.Errorf("address %q: %w", g.job.Addr, err)
	}
	source, err := netip.ParseAddr(g.job.Source)
	if err != nil {
		return fmt.Errorf("source %q: %w", g.job.Source, err)
	}
	g.remote = &unix.SockaddrInet4{Port: int(remote.Port()), Addr: remote.Addr().As4()}
	g.source = &unix.SockaddrInet4{Addr: source.As4()}
	g.request = []byte("GET " + g.job.Path + " HTTP/1.1\r\nHost: " + g.job.Host + "\r\n\r\n")
	switch g.job.Shape {
	case shapeStream:
		g.request = []byte("GET " + g.job.Path + " HTTP/1.1\r\nHost: " + g.job.Host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	case shapeLoris:
		g.request = []byte("GET " + g.job.Path + " HTTP/1.1\r\nHost: " + g.job.Host + "\r\n")
	}
	if g.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if g.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return err
	}
	return unix.EpollCtl(g.epoll, unix.EPOLL_CTL_ADD, g.timer, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: -1})
}

func (g *generator) close() {
	for i := range g.links {
		if g.links[i].fd > 0 {
			_ = unix.Close(g.links[i].fd) // the process ends next
		}
	}
	_ = unix.Close(g.timer)
	_ = unix.Close(g.epoll)
}

// dial begins a connection; its end shows as writable.
func (g *generator) dial(i int32) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket %d of %d: %w", i+1, len(g.links), err)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // each is one small write; without it only slower
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	if err := unix.Bind(fd, g.source); err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("bind to %s: %w", g.job.Source, err)
	}
	g.links[i] = socket{fd: fd, answer: answer{head: g.links[i].answer.head[:0]}}
	if err := unix.Connect(fd, g.remote); err != nil && err != unix.EINPROGRESS {
		g.broken(i)
		return nil
	}
	return unix.EpollCtl(g.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLOUT, Fd: i})
}

// broken notes a connection that ended. With a request in hand that request is broken, and still due: its latency goes on until it is answered on
// another one. A connection at a fixed rate that has no request in hand owes none: closing it is its server's right, and breaks nothing.
func (g *generator) broken(i int32) {
	l := &g.links[i]
	counts := &g.figures.Broken
	if g.job.Shape == shapeOpen {
		if l.busy {
			g.queue = append([]time.Time{l.due}, g.queue...) // it is older than those that wait
		} else if l.connected {
			counts = &g.figures.Idle
		}
	}
	if g.counting(time.Now()) {
		*counts++
	}
	g.renew(i)
}

// renew ends a connection; it is opened again at the next tick.
func (g *generator) renew(i int32) {
	l := &g.links[i]
	if l.fd > 0 {
		_ = unix.Close(l.fd) // nothing is read from it any more
	}
	l.fd, l.busy, l.connected = 0, false, false
	g.dead = append(g.dead, i)
}

func (g *generator) counting(now time.Time) bool { return !now.Before(g.counts) && now.Before(g.end) }

func (g *generator) loop(ctx context.Context) error {
	events := make([]unix.EpollEvent, 256)
	for {
		now := time.Now()
		if ctx.Err() != nil || g.done(now) {
			return nil
		}
		if err := g.turn(now); err != nil {
			return err
		}
		if err := g.arm(now); err != nil {
			return err
		}
		n, err := unix.EpollWait(g.epoll, events, 100)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("epoll: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			if e.Fd < 0 {
				_, _ = unix.Read(g.timer, g.scratch[:8]) // empties it; nothing more to know
				continue
			}
			g.event(e)
		}
	}
}

// done says whether the job is over: at its end, or when the last answer that was due has come.
func (g *generator) done(now time.Time) bool {
	if now.Before(g.end) {
		return false
	}
	if g.job.Shape != shapeOpen || now.After(g.end.Add(lateMost)) {
		return true
	}
	return len(g.queue) == 0 && !stdslices.ContainsFunc(g.links, func(l socket) bool { return l.busy })
}

// turn does what the clock asks for.
func (g *generator) turn(now time.Time) error {
	dead := g.dead
	g.dead = nil
	for _, i := range dead {
		if err := g.dial(i); err != nil {
			return err
		}
	}
	switch g.job.Shape {
	case shapeOpen:
		for !g.next.After(now) && g.next.Before(g.end) {
			if g.counting(g.next) {
				g.lags = append(g.lags, now.Sub(g.next).Microseconds())
			}
			g.queue = append(g.queue, g.next)
			g.next = g.next.Add(g.gap())
		}
		g.send()
	case shapeLoris:
		for i := range g.links {
			if l := &g.links[i]; l.connected && !l.nextLine.After(now) {
				l.nextLine = now.Add(lorisEvery)
				g.write(int32(i), []byte("X-A: b\r\n"))
			}
		}
	}
	return nil
}

// gap is the time between two requests of shapeOpen: half to one and a half of what the rate says, the same series in every run. With even gaps a
// load whose period divides theirs (200 a second, and a broadcast every 5 ms) would meet every request or none, by the chance of when each began.
func (g *generator) gap() time.Duration {
	return g.job.Pause + time.Duration((0.5+g.chance.Float64())*float64(time.Second)/g.job.Rate)
}

// send gives requests that are due to connections that are free, oldest first.
func (g *generator) send() {
	for len(g.queue) > 0 && len(g.free) > 0 {
		i := g.free[len(g.free)-1]
		g.free = g.free[:len(g.free)-1]
		l := &g.links[i]
		if !l.connected || l.busy {
			continue
		}
		l.due, l.busy = g.queue[0], true
		g.queue = g.queue[1:]
		g.write(i, g.request)
	}
}

// write sends bytes that a socket's buffer always takes; one that does not is stuck.
func (g *generator) write(i int32, b []byte) {
	n, err := unix.Write(g.links[i].fd, b)
	if err == nil && n == len(b) {
		g.bytes(time.Now(), n)
		return
	}
	g.broken(i)
}

// arm sets the timer to the next moment that the clock asks for something.
func (g *generator) arm(now time.Time) error {
	wait := tick
	if g.job.Shape == shapeOpen && g.next.Before(g.end) {
		wait = min(wait, max(g.next.Sub(now), time.Microsecond))
	}
	return unix.TimerfdSettime(g.timer, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(wait.Nanoseconds())}, nil)
}

func (g *generator) event(e unix.EpollEvent) {
	i := e.Fd
	l := &g.links[i]
	if l.fd == 0 {
		return // ended by an earlier event of the same look
	}
	if !l.connected {
		if code, err := unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || code != 0 {
			g.broken(i)
			return
		}
		l.connected = true
		if err := unix.EpollCtl(g.epoll, unix.EPOLL_CTL_MOD, l.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: i}); err != nil {
			g.broken(i)
			return
		}
		g.ready(i)
		return
	}
	n, err := unix.Read(l.fd, g.scratch)
	if err == unix.EAGAIN {
		return
	}
	if err != nil || n == 0 {
		g.broken(i)
		return
	}
	now := time.Now()
	g.bytes(now, n)
	g.read(i, now, g.scratch[:n])
}

// ready puts a connection to work, fresh or with its answer complete.
func (g *generator) ready(i int32) {
	l := &g.links[i]
	switch g.job.Shape {
	case shapeOpen:
		g.free = append(g.free, i)
		g.send()
	case shapeLoris:
		// Spread over the second, as two thousand machines would be.
		l.nextLine = time.Now().Add(time.Duration(i) * lorisEvery / time.Duration(len(g.links)))
		g.write(i, g.request)
	default:
		l.busy = true
		g.write(i, g.request)
	}
}

func (g *generator) read(i int32, now time.Time, b []byte) {
	l := &g.links[i]
	if l.upgraded {
		l.partial += int64(len(b))
		if g.counting(now) {
			g.figures.Good += l.partial / streamMessage
		}
		l.partial %= streamMessage
		return
	}
	complete, err := l.answer.feed(b)
	if err != nil {
		g.broken(i)
		return
	}
	if l.answer.stream {
		l.upgraded = true
		return
	}
	for range complete {
		g.complete(i, now)
	}
}

// complete counts one answer and puts the connection to work again.
func (g *generator) complete(i int32, now time.Time) {
	l := &g.links[i]
	if l.fd == 0 {
		return
	}
	if g.job.Shape == shapeOpen && l.busy && !l.due.Before(g.counts) {
		g.latencies = append(g.latencies, now.Sub(l.due).Microseconds())
	}
	g.figures.Answers++
	if g.counting(now) {
		if l.answer.status == 200 {
			g.figures.Good++
		} else {
			g.figures.Refused++
		}
	}
	l.busy = false
	if l.answer.closes || g.job.Shape == shapeLoris {
		g.renew(i) // answered: not broken
		return
	}
	g.ready(i)
}

func (g *generator) bytes(now time.Time, n int) {
	if !g.counting(now) {
		return
	}
	g.figures.Bytes += int64(n)
	w := int(now.Sub(g.counts) / windowLength)
	for len(g.figures.WindowsBy) <= w {
		g.figures.WindowsBy = append(g.figures.WindowsBy, 0)
	}
	g.figures.WindowsBy[w] += int64(n)
}

func (g *generator) sum() Figures {
	f := &g.figures
	now := time.Now()
	late := func(due time.Time) {
		if g.counting(due) {
			f.Late++
			g.latencies = append(g.latencies, now.Sub(due).Microseconds())
		}
	}
	for _, due := range g.queue {
		late(due)
	}
	for _, l := range g.links {
		if l.connected {
			f.Open++
		}
		if l.busy && g.job.Shape == shapeOpen {
			late(l.due)
		}
	}
	f.Seconds = g.job.Duration.Seconds()
	f.quantiles(g.latencies)
	f.lag(g.lags)
	whole := int(g.job.Duration / windowLength)
	f.WindowsBy = f.WindowsBy[:min(whole, len(f.WindowsBy))]
	return *f
}
