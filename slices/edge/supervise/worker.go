package supervise

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Variable is the environment variable that makes a process a worker: the names of the inherited sockets, by comma.
const Variable = "NEXUS_EDGE_SOCKETS"

// firstFile is the descriptor of the line to the supervisor; the sockets follow in the order of Variable.
const firstFile = 3

// retireWord is what a supervisor says to a worker that is to retire. The end of the line means the same.
const retireWord = "retire"

// Worker is the worker's end of the line to its supervisor.
type Worker struct {
	listeners map[string]net.Listener
	line      *os.File
	retire    chan struct{}
}

// Inherit takes over what the supervisor handed to this process; names is the value of Variable. Call it once. An error means that the
// process was not started by a supervisor.
func Inherit(names string) (*Worker, error) {
	if names == "" {
		return nil, nexus.Errf("edge worker", nexus.CodeUsage, Variable, "run nexus slices edge --supervise", "not started by a supervisor")
	}
	syscall.CloseOnExec(firstFile)
	w := &Worker{listeners: map[string]net.Listener{}, retire: make(chan struct{}), line: os.NewFile(firstFile, "supervisor")}
	for i, name := range strings.Split(names, ",") {
		f := os.NewFile(uintptr(firstFile+1+i), name)
		ln, err := net.FileListener(f)
		if err != nil {
			return nil, nexus.Errf("edge worker", nexus.CodeUnavailable, "inherited socket "+name, "start the supervisor again", "%w", err)
		}
		if err := f.Close(); err != nil { // ln has a descriptor of its own
			return nil, err
		}
		w.listeners[name] = ln
	}
	go w.listen()
	return w, nil
}

// listen ends with the line: a supervisor that has gone retires its worker.
func (w *Worker) listen() {
	defer close(w.retire)
	in := bufio.NewScanner(w.line)
	for in.Scan() {
		if in.Text() == retireWord {
			return
		}
	}
}

// Listener gives an inherited socket, nil when the supervisor has none of this name. The caller closes it.
func (w *Worker) Listener(name string) net.Listener {
	ln, ok := w.listeners[name]
	if !ok {
		return nil
	}
	return ln
}

// Retire is closed when this worker is to accept nothing more and finish what it has.
func (w *Worker) Retire() <-chan struct{} { return w.retire }

// Ready tells the supervisor that this worker serves. About is JSON for whoever started the supervisor.
func (w *Worker) Ready(about any) error {
	b, err := json.Marshal(about)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.line, "%s\n", b)
	return err
}
