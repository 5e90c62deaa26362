//go:build linux

package supervise

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	stdslices "slices"
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
	// Datagrams names the socket of Sockets beside which a UDP port of the same number is bound, "" for none. The workers of the
	// first group have that port, those of each other group one of their own, of any number.
	Datagrams string
	// Groups are the names of the groups of workers, letters only, each a process that serves. The first accepts from the sockets and may hand
	// connections to the others. None: one worker, whose group has no name.
	Groups []string
	// Worker makes the command of a worker with its environment, without files and not started; generation counts from 1 in each group. It is
	// asked anew for each worker, so an upgrade runs what then lies at the command's path. It may be called by several goroutines at once.
	Worker  func(group string, generation int) *exec.Cmd
	OnReady func(group string, generation int, about json.RawMessage) // a worker serves; one call at a time; nil: nobody is told
	// Files are inherited by every worker under their names, letters only. The caller closes them when Run has returned.
	Files  map[string]*os.File
	Logger *slog.Logger // nil: discards

	ReadyFor time.Duration // a worker that does not serve by then is given up; 0: 30 s
	PauseMin time.Duration // before the second start in a row that failed, doubled up to PauseMax; 0: 100 ms
	PauseMax time.Duration // 0: 10 s
	StopFor  time.Duration // from asking a worker to stop to killing it; 0: 20 s
}

// Supervisor runs one worker of each group that serves, and workers that retire. Make it with New. Safe for concurrent use.
type Supervisor struct {
	config    Config
	log       *slog.Logger
	files     []file // the listening sockets and the queues, held for as long as Run
	extra     []file // the caller's
	addrs     map[string]string
	datagrams map[string]*shared // the UDP ports, by group
	upgrade   chan chan error
	workers   sync.WaitGroup
	groups    []*group

	telling sync.Mutex // of OnReady

	mu   sync.Mutex
	made map[string]int      // generations, by group
	live map[*process]string // living workers with their groups
	told map[*process]bool   // those that hear what changes: from before their start until their end
	up   map[string]bool     // groups of which a worker serves
}

// file is one that workers inherit: under the name that Variable says, in one group or, with group "", in all of them.
type file struct {
	*os.File
	name, group string
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
	if len(c.Groups) == 0 {
		c.Groups = []string{""}
	}
	s := &Supervisor{config: c, log: c.Logger.With("component", "edge-supervisor"), addrs: map[string]string{},
		datagrams: map[string]*shared{}, upgrade: make(chan chan error), made: map[string]int{}, live: map[*process]string{}, told: map[*process]bool{},
		up: map[string]bool{}}
	for _, name := range c.Groups {
		s.groups = append(s.groups, &group{name: name, changed: make(chan struct{}, 1)})
	}
	for name, f := range c.Files {
		s.extra = append(s.extra, file{f, name + "=", ""})
	}
	for _, socket := range c.Sockets {
		err := s.bindWith(socket)
		for _, to := range c.Groups[1:] {
			err = errors.Join(err, s.join(socket.Name, to))
		}
		if err != nil {
			return nil, errors.Join(err, s.closeFiles())
		}
	}
	return s, nil
}

// join makes the queue of a socket's connections from the first group to another.
func (s *Supervisor) join(socket, to string) error {
	sender, receiver, err := queuePair()
	if err == nil {
		s.files = append(s.files, file{sender, socket + ">" + to, s.config.Groups[0]}, file{receiver, socket + "<", to})
	}
	return err
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
		s.files = append(s.files, file{f, socket.Name, ""})
	}
	return errors.Join(err, ln.Close())
}

// duplicate makes a file that Go holds for a blocking one. Handing over any other sets the socket itself to blocking each time, and a
// worker that is accepting from it would hang in the kernel.
func duplicate(socket interface{ File() (*os.File, error) }) (*os.File, error) {
	first, err := socket.File()
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
	return os.NewFile(uintptr(fd), "socket"), nil
}

func (s *Supervisor) closeFiles() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	s.files = nil
	for _, d := range s.datagrams {
		errs = append(errs, os.RemoveAll(d.folder))
	}
	clear(s.datagrams)
	return errors.Join(errs...)
}

// Addr is where the socket of this name is bound, "" when there is none.
func (s *Supervisor) Addr(name string) string { return s.addrs[name] }

// Pids gives the process numbers of a group's living workers by generation; the greatest generation serves, others retire.
func (s *Supervisor) Pids(group string) map[int]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[int]int{}
	for p, of := range s.live {
		if of == group {
			out[p.generation] = p.cmd.Process.Pid
		}
	}
	return out
}

// Upgrade starts a new worker of each group and retires the present ones when all new ones serve. An error means that a new one did not come up
// and the present ones go on. It waits for Run, and must not be called after Run has ended.
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

// Run keeps a worker of each group serving until ctx ends, then stops all workers (SIGTERM, and SIGKILL after StopFor) and returns when none
// lives. Call it once. The error is that of a first worker that never came up: then there is nothing to keep.
func (s *Supervisor) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer s.workers.Wait()
	defer stop()
	defer func() { _ = s.closeFiles() }() // nobody uses them after this
	// The first group's last: it is the one that accepts, and those that it hands connections to are there by then.
	for i := len(s.groups) - 1; i >= 0; i-- {
		p, err := s.start(ctx, s.groups[i].name)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		s.put(s.groups[i], p)
	}
	var keepers sync.WaitGroup
	defer keepers.Wait()
	for _, g := range s.groups {
		keepers.Go(func() { s.keep(ctx, g) })
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case answer := <-s.upgrade:
			answer <- s.exchange(ctx)
		}
	}
}

// exchange is an upgrade: the old workers retire when all new ones serve, those that accept first. When one does not come up, those before it
// retire instead: they may have connections already.
func (s *Supervisor) exchange(ctx context.Context) error {
	next := make([]*process, len(s.groups))
	for i := len(s.groups) - 1; i >= 0; i-- {
		p, err := s.start(ctx, s.groups[i].name)
		if err != nil {
			for _, started := range next[i+1:] {
				started.retire()
			}
			return err
		}
		next[i] = p
	}
	for i, g := range s.groups {
		s.put(g, next[i])
	}
	return nil
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
func (p *process) retire() { p.tell(retireWord) }

// tell says a word to the worker; one that died meanwhile need not hear it.
func (p *process) tell(word string) { _, _ = p.line.WriteString(word + "\n") }

// start runs a worker until it serves. On an error it has ended.
func (s *Supervisor) start(ctx context.Context, group string) (*process, error) {
	p, err := s.spawn(ctx, group)
	if err != nil {
		return nil, nexus.Errf("edge worker", nexus.CodeUnavailable, "worker process", "check that the program's file can be run", "%w", err)
	}
	timer := time.NewTimer(s.config.ReadyFor)
	defer timer.Stop()
	select {
	case about := <-p.ready:
		s.log.Info("worker serves", "group", group, "generation", p.generation, "pid", p.cmd.Process.Pid)
		if s.config.OnReady != nil {
			s.telling.Lock()
			defer s.telling.Unlock()
			s.config.OnReady(group, p.generation, about)
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
func (s *Supervisor) spawn(ctx context.Context, group string) (*process, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.made[group]++
	generation := s.made[group]
	s.mu.Unlock()
	p := &process{generation: generation, cmd: s.config.Worker(group, generation), line: ours, ready: make(chan json.RawMessage, 1),
		done: make(chan struct{})}
	names, files := s.inheritance(group)
	p.cmd.Env = append(p.cmd.Env, Variable+"="+strings.Join(names, ","), GroupVariable+"="+group)
	if d := s.datagrams[group]; d != nil {
		p.cmd.Env = append(p.cmd.Env, d.env(generation))
	}
	p.cmd.ExtraFiles = append([]*os.File{theirs}, files...)
	// A group of its own: Ctrl-C reaches the supervisor, which stops its workers in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.brief(p)
	err = p.cmd.Start()
	if err = errors.Join(err, theirs.Close()); err != nil {
		s.forget(p)
		return nil, errors.Join(err, ours.Close())
	}
	s.mu.Lock()
	s.live[p] = group
	s.mu.Unlock()
	stopped := context.AfterFunc(ctx, func() { s.stop(p) })
	s.workers.Go(func() { p.read() })
	s.workers.Go(func() {
		p.err = p.cmd.Wait()
		stopped()
		s.forget(p)
		close(p.done)
		_ = ours.Close() // ends read
	})
	return p, nil
}

// brief tells a worker that is about to start how things are. It waits on the line for the process, which reads it to briefed before it serves: one
// that accepted before it knew of the other groups would keep their connections.
func (s *Supervisor) brief(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.up {
		p.tell(upWord + name)
	}
	p.tell(briefedWord)
	s.told[p] = true
}

// forget drops a worker that has ended or was never started.
func (s *Supervisor) forget(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, p)
	delete(s.told, p)
}

// inheritance lists what a group's workers inherit.
func (s *Supervisor) inheritance(group string) (names []string, files []*os.File) {
	for _, f := range append(stdslices.Clone(s.files), s.extra...) {
		if f.group == "" || f.group == group {
			names, files = append(names, f.name), append(files, f.File)
		}
	}
	return names, files
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
