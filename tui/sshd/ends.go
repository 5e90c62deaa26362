package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// leaveGrace is how long clients whose sessions are over may take to hang up before a server that closes does it.
const leaveGrace = 500 * time.Millisecond

// unsentMost bounds what the kernel keeps of one connection's output, in bytes; Linux doubles it for its own books. A client that takes
// nothing is found out when this, its own buffer and its window are full.
const unsentMost = 64 << 10

// ending is why a session ends that its user did not end: what is said, and the exit code. Exit codes are those of the command line.
type ending struct {
	words string
	code  int
}

// Error implements error: an ending is the cause of its session's context.
func (e *ending) Error() string { return e.words }

var (
	endStop   = &ending{"this session ends: the node is stopping", 3}
	endSignal = &ending{"this session ends: its client sent a signal", 130}
	errGone   = errors.New("the connection is gone")
)

func endIdle(d time.Duration) *ending {
	return &ending{fmt.Sprintf("this session ends: no key was pressed for %v", d), 1}
}

func endMost(d time.Duration) *ending {
	return &ending{fmt.Sprintf("this session ends: none lasts longer than %v; come again", d), 1}
}

func endStalled(d time.Duration) *ending {
	return &ending{fmt.Sprintf("this session ends: the client took none of its output for %v", d), 1}
}

// code says why a session was ended, on the terminal that its console has given back or beside a command's results, and gives the code
// to exit with. A command that was done all the same keeps its own.
func (v *visit) code(s *Session, code int) int {
	var why *ending
	if !errors.As(context.Cause(v.ctx), &why) || s.Command != "" && code == 0 {
		return code
	}
	_, _ = fmt.Fprintf(s.Err, "nexus: %s\n", why.words) // a client that takes nothing is cut off after Farewell
	return why.code
}

// patient is output to a client that may be slow but not stand still: a write that it does not take in time ends the session.
type patient struct {
	io.Writer
	most  time.Duration
	stall func()
}

func (p patient) Write(b []byte) (int, error) {
	late := time.AfterFunc(p.most, p.stall)
	defer late.Stop()
	return p.Writer.Write(b)
}

// patience gives the session's outputs. The first that stalls ends it: words no longer come through, so the protocol's own message says
// why, and the log does.
func (v *visit) patience() (out, diag io.Writer) {
	most := v.server.limits.Stall
	var once sync.Once
	stall := func() {
		once.Do(func() {
			why := endStalled(most)
			v.cancel(why)
			v.server.cfg.Log.Warn("ssh session took no output", "component", "ssh", "session", v.session.ID, "remote", v.session.Remote,
				"limit_ms", most.Milliseconds())
			// RFC 4254, 6.10. Both may block; the connection's end after Farewell frees them.
			_, _ = v.ch.SendRequest("exit-signal", false, gossh.Marshal(struct {
				Signal string
				Core   bool
				Why    string
				Lang   string
			}{"PIPE", false, why.words, "en"}))
			_ = v.ch.Close()
		})
	}
	return patient{v.ch, most, stall}, patient{v.ch.Stderr(), most, stall}
}
