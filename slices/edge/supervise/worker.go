//go:build linux

package supervise

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Variable is the environment variable that makes a process a worker: the names of the inherited files, by comma. A plain name is a listening
// socket, name>group the end of a queue by which its connections go to another group, name< the end by which they come to this one, name# a UDP
// port, name= a file of whoever started the supervisor.
const Variable = "NEXUS_EDGE_SOCKETS"

// GroupVariable names the worker's group; empty where there is but one.
const GroupVariable = "NEXUS_EDGE_GROUP"

// firstFile is the descriptor of the line to the supervisor; the files follow in the order of Variable.
const firstFile = 3

// What a supervisor says to a worker. The end of the line means the same as retireWord.
const (
	retireWord  = "retire"
	upWord      = "up "     // with a group: a worker of it serves
	downWord    = "down "   // with a group: none does
	briefedWord = "briefed" // what came before is how things were when this worker was started
)

// Worker is the worker's end of the line to its supervisor.
type Worker struct {
	group     string
	listeners map[string]net.Listener
	queues    map[string]*queue
	passers   map[string]map[string]*Passer // by socket and group
	udp       *net.UDPConn                  // nil without one
	files     map[string]*os.File
	line      *os.File
	retire    chan struct{}
	gone      chan struct{}
}

// Inherit takes over what the supervisor handed to this process, from the variables of its environment. Call it once. An error means that the
// process was not started by a supervisor.
func Inherit(getenv func(string) string) (*Worker, error) {
	names := getenv(Variable)
	if names == "" {
		return nil, nexus.Errf("edge worker", nexus.CodeUsage, Variable, "run nexus slices edge --supervise", "not started by a supervisor")
	}
	syscall.CloseOnExec(firstFile)
	w := &Worker{group: getenv(GroupVariable), listeners: map[string]net.Listener{}, queues: map[string]*queue{},
		passers: map[string]map[string]*Passer{}, files: map[string]*os.File{}, retire: make(chan struct{}),
		gone: make(chan struct{}),
		line: os.NewFile(firstFile, "supervisor")}
	for i, name := range strings.Split(names, ",") {
		if err := w.inherit(name, firstFile+1+i); err != nil {
			return nil, nexus.Errf("edge worker", nexus.CodeUnavailable, "inherited socket "+name, "start the supervisor again", "%w", err)
		}
	}
	for name, q := range w.queues {
		// The listening socket was wanted for its address only; whoever accepts is told of each connection, and this process is not the one.
		ln := w.listeners[name]
		q.addr = ln.Addr()
		if err := ln.Close(); err != nil {
			return nil, err
		}
		w.listeners[name] = q
	}
	in := bufio.NewScanner(w.line)
	for in.Scan() && in.Text() != briefedWord { // at its end it fails again, in listen
		w.hear(in.Text())
	}
	go w.listen(in)
	return w, nil
}

// inherit takes over one file.
func (w *Worker) inherit(name string, fd int) error {
	socket, group, sends := strings.Cut(name, ">")
	if sends {
		f, raw, err := inherited(fd)
		if err != nil {
			return err
		}
		if w.passers[socket] == nil {
			w.passers[socket] = map[string]*Passer{}
		}
		w.passers[socket][group] = &Passer{file: f, raw: raw}
		return nil
	}
	if socket, receives := strings.CutSuffix(name, "<"); receives {
		if w.listeners[socket] == nil {
			return errors.New("a queue without its listening socket")
		}
		q, err := newQueue(fd, nil)
		w.queues[socket] = q
		return err
	}
	if strings.HasSuffix(name, datagramMark) {
		return w.inheritDatagrams(fd)
	}
	if name, plain := strings.CutSuffix(name, "="); plain {
		syscall.CloseOnExec(fd)
		w.files[name] = os.NewFile(uintptr(fd), name)
		return nil
	}
	f := os.NewFile(uintptr(fd), name)
	ln, err := net.FileListener(f)
	if err = errors.Join(err, f.Close()); err != nil { // ln has a descriptor of its own
		return err
	}
	w.listeners[name] = ln
	return nil
}

// listen ends with the line: a supervisor that has gone retires its worker.
func (w *Worker) listen(in *bufio.Scanner) {
	defer close(w.gone)
	retire := sync.OnceFunc(func() { close(w.retire) })
	defer retire()
	for in.Scan() {
		if in.Text() == retireWord {
			retire() // what it accepted before may still have to be handed over, so it goes on listening
			continue
		}
		w.hear(in.Text())
	}
}

// hear takes a word about another group.
func (w *Worker) hear(word string) {
	if group, ok := strings.CutPrefix(word, upWord); ok {
		w.note(group, true)
	}
	if group, ok := strings.CutPrefix(word, downWord); ok {
		w.note(group, false)
	}
}

// note keeps whether a worker of another group serves.
func (w *Worker) note(group string, up bool) {
	for _, by := range w.passers {
		if p := by[group]; p != nil {
			p.up.Store(up)
		}
	}
}

// File gives an inherited file, nil when the supervisor has none of this name. The caller closes it.
func (w *Worker) File(name string) *os.File { return w.files[name] }

// Group is the name of this worker's group, "" where there is but one.
func (w *Worker) Group() string { return w.group }

// Passer hands connections that came by a socket to the workers of another group; nil when this worker hands none to it.
func (w *Worker) Passer(socket, group string) *Passer { return w.passers[socket][group] }

// Listener gives an inherited socket, nil when the supervisor has none of this name: the listening one, or in a group that is handed its
// connections the queue of them, with the address of the listening one. The caller closes it.
func (w *Worker) Listener(name string) net.Listener {
	ln, ok := w.listeners[name]
	if !ok {
		return nil
	}
	return ln
}

// Retire is closed when this worker is to accept nothing more and finish what it has.
func (w *Worker) Retire() <-chan struct{} { return w.retire }

// Gone is closed when the supervisor has ended without its workers: what the next one on the same addresses needs must be set free.
func (w *Worker) Gone() <-chan struct{} { return w.gone }

// Ready tells the supervisor that this worker serves. About is JSON for whoever started the supervisor.
func (w *Worker) Ready(about any) error {
	b, err := json.Marshal(about)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.line, "%s\n", b)
	return err
}
