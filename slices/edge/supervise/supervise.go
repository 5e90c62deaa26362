package supervise

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Socket is one listening socket: a name for the worker and an address to bind.
type Socket struct {
	Name string // letters only
	Addr string // host:port; port 0 takes any
}

// Config of a supervisor. Zero values of times mean the defaults written beside them.
type Config struct {
	Sockets []Socket
	// Worker makes the command of a worker with its environment, without files and not started; generation counts from 1. It is asked anew for each
	// worker, so an upgrade runs what then lies at the command's path.
	Worker  func(generation int) *exec.Cmd
	OnReady func(generation int, about json.RawMessage) // a worker serves; one call at a time; nil: nobody is told
	Logger  *slog.Logger                                // nil: discards

	ReadyFor time.Duration // a worker that does not serve by then is given up; 0: 30 s
	PauseMin time.Duration // before the second start in a row that failed, doubled up to PauseMax; 0: 100 ms
	PauseMax time.Duration // 0: 10 s
	StopFor  time.Duration // from asking a worker to stop to killing it; 0: 20 s
}

// Supervisor runs one worker that serves, and workers that retire. Make it with New. Safe for concurrent use.
type Supervisor struct {
	config  Config
	log     *slog.Logger
	files   []*os.File // the listening sockets, held for as long as Run
	addrs   map[string]string
	upgrade chan chan error
	workers sync.WaitGroup
	made    int // generations; the loop's alone

	mu   sync.Mutex
	pids map[int]int // of living workers, by generation
}

// New binds the sockets. An address that cannot be bound is an error that names it, and nothing is left bound.
func New(c Config) (*Supervisor, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for v, d := range map[*time.Duration]time.Duration{&c.ReadyFor: 30 * time.Second, &c.PauseMin: 100 * time.Millisecond,
		&c.PauseMax: 10 * time.Second, &c.StopFor: 20 * time.Second} {
		if *v <= 0 {
			*v = d
		}
	}
	s := &Supervisor{config: c, log: c.Logger.With("component", "edge-supervisor"), addrs: map[string]string{},
		upgrade: make(chan chan error), pids: map[int]int{}}
	for _, socket := range c.Sockets {
		if err := s.bind(socket); err != nil {
			return nil, errors.Join(err, s.closeFiles())
		}
	}
	return s, nil
}

// bind keeps a duplicate of the listening socket, not the listener: the supervisor never accepts.
func (s *Supervisor) bind(socket Socket) error {
	ln, err := net.Listen("tcp", socket.Addr)
	if err != nil {
		return &nexus.Error{Op: "edge listen", Code: nexus.CodeConflict, Subject: "address " + socket.Addr, Cause: err,
			Hint: "free the port or configure another; port 0 takes any"}
	}
	s.addrs[socket.Name] = ln.Addr().String()
	f, err := duplicate(ln.(*net.TCPListener))
	if err == nil {
		s.files = append(s.files, f)
	}
	return errors.Join(err, ln.Close())
}

// duplicate makes a file that Go holds for a blocking one. Handing over any other sets the socket itself to blocking each time, and a
// worker that is accepting from it would hang in the kernel.
func duplicate(ln *net.TCPListener) (*os.File, error) {
	first, err := ln.File()
	if err != nil {
		return nil, err
	}
	syscall.ForkLock.RLock()                // no process that is started now inherits it by chance
	fd, err := syscall.Dup(int(first.Fd())) // Fd makes it blocking; workers undo that as they inherit
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err = errors.Join(err, first.Close()); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), ln.Addr().String()), nil
}

func (s *Supervisor) closeFiles() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	s.files = nil
	return errors.Join(errs...)
}

// Addr is where the socket of this name is bound, "" when there is none.
func (s *Supervisor) Addr(name string) string { return s.addrs[name] }

// Pids gives the process numbers of the living workers by generation; the greatest generation serves, others retire.
func (s *Supervisor) Pids() map[int]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[int]int, len(s.pids))
	for g, pid := range s.pids {
		out[g] = pid
	}
	return out
}

// Upgrade starts a new worker and retires the present one when the new one serves. An error means that the new one did not come up
// and the present one goes on. It waits for Run, and must not be called after Run has ended.
func (s *Supervisor) Upgrade(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case s.upgrade <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run keeps a worker serving until ctx ends, then stops all workers (SIGTERM, and SIGKILL after StopFor) and returns when none
// lives. Call it once. The error is that of a first worker that never came up: then there is nothing to keep.
func (s *Supervisor) Run(ctx context.Context) error {
	defer s.workers.Wait()
	defer func() { _ = s.closeFiles() }() // nobody uses them after this
	current, err := s.start(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	since, failures := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case answer := <-s.upgrade:
			next, err := s.start(ctx)
			if err == nil {
				current.retire()
				current, since = next, time.Now()
			}
			answer <- err
			continue
		case <-current.done:
		}
		if ctx.Err() != nil {
			return nil
		}
		s.log.Error("worker died", "generation", current.generation, "error", current.err)
		if time.Since(since) > s.config.PauseMax {
			failures = 0
		}
		if current, failures = s.restart(ctx, failures); current == nil {
			return nil
		}
		since = time.Now()
	}
}

// restart starts workers until one serves, with a pause before each but the first since things were well. It gives no worker when
// ctx ended.
func (s *Supervisor) restart(ctx context.Context, failures int) (*process, int) {
	for {
		if !s.pause(ctx, failures) {
			return nil, failures
		}
		failures++
		next, err := s.start(ctx)
		if err == nil {
			return next, failures
		}
		s.log.Error("worker not started", "failures", failures, "error", err)
	}
}

// pause waits as long as so many failures in a row ask for. It reports false when ctx ended.
func (s *Supervisor) pause(ctx context.Context, failures int) bool {
	wait := time.Duration(0)
	if failures > 0 {
		wait = min(s.config.PauseMin<<min(failures-1, 20), s.config.PauseMax)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// process is one worker.
type process struct {
	generation int
	cmd        *exec.Cmd
	line       *os.File
	ready      chan json.RawMessage // capacity 1
	done       chan struct{}        // closed when the process has ended
	err        error                // of the process, once done is closed
}

// retire asks the worker to finish; it stays a child until it has.
func (p *process) retire() {
	_, _ = p.line.WriteString(retireWord + "\n") // a worker that died meanwhile has nothing to finish
}

// start runs a worker until it serves. On an error it has ended.
func (s *Supervisor) start(ctx context.Context) (*process, error) {
	p, err := s.spawn(ctx)
	if err != nil {
		return nil, nexus.Errf("edge worker", nexus.CodeUnavailable, "worker process", "check that the program's file can be run", "%w", err)
	}
	timer := time.NewTimer(s.config.ReadyFor)
	defer timer.Stop()
	select {
	case about := <-p.ready:
		s.log.Info("worker serves", "generation", p.generation, "pid", p.cmd.Process.Pid)
		if s.config.OnReady != nil {
			s.config.OnReady(p.generation, about)
		}
		return p, nil
	case <-p.done:
		return nil, nexus.Errf("edge worker", nexus.CodeUnavailable, "worker process", "its own words are above, on stderr", "ended before it served: %v", p.err)
	case <-timer.C:
		err = nexus.Errf("edge worker", nexus.CodeUnavailable, "worker process", "is the node up? its socket gives the worker its table",
			"did not serve within %s", s.config.ReadyFor)
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = p.cmd.Process.Kill() // may have ended by itself
	<-p.done
	return nil, err
}

// spawn starts a worker and the goroutines that watch it.
func (s *Supervisor) spawn(ctx context.Context) (*process, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	s.made++
	p := &process{generation: s.made, cmd: s.config.Worker(s.made), line: ours, ready: make(chan json.RawMessage, 1), done: make(chan struct{})}
	var names []string
	for _, socket := range s.config.Sockets {
		names = append(names, socket.Name)
	}
	p.cmd.Env = append(p.cmd.Env, Variable+"="+strings.Join(names, ","))
	p.cmd.ExtraFiles = append([]*os.File{theirs}, s.files...)
	// A group of its own: Ctrl-C reaches the supervisor, which stops its workers in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = p.cmd.Start()
	if err = errors.Join(err, theirs.Close()); err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	s.note(p.generation, p.cmd.Process.Pid)
	stopped := context.AfterFunc(ctx, func() { s.stop(p) })
	s.workers.Go(func() { p.read() })
	s.workers.Go(func() {
		p.err = p.cmd.Wait()
		stopped()
		s.note(p.generation, 0)
		close(p.done)
		_ = ours.Close() // ends read
	})
	return p, nil
}

func (s *Supervisor) note(generation, pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pid == 0 {
		delete(s.pids, generation)
	} else {
		s.pids[generation] = pid
	}
}

// stop ends a worker as the end of ctx demands.
func (s *Supervisor) stop(p *process) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // may have ended by itself
	timer := time.NewTimer(s.config.StopFor)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		s.log.Error("worker killed: it did not stop", "generation", p.generation, "after", s.config.StopFor)
		_ = p.cmd.Process.Kill()
	}
}

// read takes the worker's word that it serves; the rest of the line is for the end of it.
func (p *process) read() {
	in := json.NewDecoder(p.line)
	for first := true; ; first = false {
		var about json.RawMessage
		if in.Decode(&about) != nil {
			return
		}
		if first {
			p.ready <- about
		}
	}
}

// socketPair makes the line between supervisor and worker: it ends for one when the other has gone.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "worker"), os.NewFile(uintptr(fds[1]), "supervisor"), nil
}
