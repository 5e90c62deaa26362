package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// session is a node started by this command as a process group of its own: it outlives this command and its terminal.
type session struct {
	cmd   *exec.Cmd
	lines *os.File      // the launch lines it writes
	errs  *os.File      // what it says on stderr
	ended chan struct{} // closed when the process has ended
}

// startSession starts this same binary as the node, with the effective configuration. Its lines go to files without a name,
// so that nothing breaks for it when this command goes.
func (a *app) startSession(extra ...string) (*session, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir := a.conf.text("data_dir")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nexus.Errf("launch", nexus.CodeUnfit, "data directory "+dir, "choose another --data-dir or mend its permissions", "%w", err)
	}
	s := &session{ended: make(chan struct{})}
	args := append([]string{"launch", "--no-tui", "--serve", "--output", "json"}, extra...)
	for _, set := range settings(a.getenv) {
		v := a.conf.values[set.key]
		switch set.key {
		case "no_tui", "output", "plain", "timeout", "read_only", "theme", "mouse", "ascii", "keys":
			continue
		}
		if v.origin != "default" && v.text != "" {
			args = append(args, "--"+set.flag()+"="+v.text)
		}
	}
	s.cmd = exec.Command(self, args...)
	s.cmd.Env = append(os.Environ(), "NEXUS_TIMEOUT=0s")
	s.cmd.SysProcAttr = ownSession()
	var out, errs *os.File
	if out, s.lines, err = unnamed(); err == nil {
		errs, s.errs, err = unnamed()
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.cmd.Stdout, s.cmd.Stderr = out, errs
	err = s.cmd.Start()
	if err := errors.Join(err, out.Close(), errs.Close()); err != nil {
		return nil, errors.Join(err, s.close())
	}
	go func() { // ends with the process, or with this command
		_ = s.cmd.Wait() // how it ended is read from ProcessState
		close(s.ended)
	}()
	return s, nil
}

// unnamed gives a file without a name, once to write and once to read.
func unnamed() (write, read *os.File, err error) {
	if write, err = os.CreateTemp("", "nexus-launch-"); err != nil {
		return nil, nil, err
	}
	read, err = os.Open(write.Name())
	if rerr := os.Remove(write.Name()); err == nil {
		err = rerr
	}
	if err != nil {
		return nil, nil, errors.Join(err, write.Close())
	}
	return write, read, nil
}

func (s *session) close() error {
	var errs []error
	for _, f := range []*os.File{s.lines, s.errs} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// failure words what the process said before it ended, with its exit code.
func (s *session) failure() error {
	const most = 64 << 10
	b, _ := io.ReadAll(io.LimitReader(s.errs, most))
	fmt.Fprint(os.Stderr, clean(string(b)))
	code := exitFailed
	if st := s.cmd.ProcessState; st != nil && st.Exited() && st.ExitCode() != exitDone {
		code = st.ExitCode()
	}
	return failed{code}
}

// pollEvery is how often files and processes are looked at while something is waited for.
const pollEvery = 25 * time.Millisecond

// follow hands each launch line to fn until the last one, or until the process ends without it.
func (s *session) follow(ctx context.Context, fn func(raw []byte, line any)) (wire.LaunchFinishedLine, error) {
	r := bufio.NewReader(s.lines)
	part := ""
	over := false
	for {
		text, err := r.ReadString('\n')
		part += text
		if err == nil {
			line, perr := parseLine([]byte(part))
			if perr != nil {
				return wire.LaunchFinishedLine{}, perr
			}
			fn([]byte(strings.TrimRight(part, "\n")), line)
			part = ""
			if last, ok := line.(wire.LaunchFinishedLine); ok {
				return last, nil
			}
			continue
		}
		if !errors.Is(err, io.EOF) {
			return wire.LaunchFinishedLine{}, err
		}
		if over {
			return wire.LaunchFinishedLine{}, s.failure()
		}
		select {
		case <-ctx.Done():
			return wire.LaunchFinishedLine{}, ctx.Err()
		case <-s.ended:
			over = true // read once more what was written last
		case <-time.After(pollEvery):
		}
	}
}

// launchDetached starts the node as a session of its own, follows its launch, returns the verdict and leaves it serving.
func (a *app) launchDetached(ctx context.Context) error {
	s, err := a.startSession()
	if err != nil {
		return err
	}
	defer func() { _ = s.close() }()
	shown := a.newHeadless()
	last, err := s.follow(ctx, func(_ []byte, line any) { shown.line(line) })
	shown.stop()
	if err != nil {
		if ctx.Err() != nil { // an interrupted launch leaves nothing running
			_ = s.cmd.Process.Signal(syscall.SIGTERM)
			<-s.ended
		}
		return err
	}
	if last.Status == wire.StatusFailed {
		<-s.ended // only failed stops it
	} else if !a.conf.json() {
		a.say("serving as pid %d; see nexus status, end it with nexus stop", s.cmd.Process.Pid)
	}
	return a.verdict(last.Status)
}

// launchTerminal starts the node as a session of its own and attaches the console. Quitting a failed launch stops it and
// exits 1; whatever else ends the console, the node goes on unless the user said stop.
func (a *app) launchTerminal(ctx context.Context, _ *cobra.Command) error {
	if _, err := a.consoleOptions(&backend{app: a}, true); err != nil { // a mistake in the user's files starts no node
		return err
	}
	s, err := a.startSession("--keep-failed")
	if err != nil {
		return err
	}
	defer func() { _ = s.close() }()
	file, err := a.sessionUp(ctx, s)
	if err != nil {
		return err
	}
	return a.attach(ctx, &backend{app: a, file: file}, true)
}

// sessionUp waits until the node answers.
func (a *app) sessionUp(ctx context.Context, s *session) (control.NodeFile, error) {
	for {
		file, err := control.ReadNodeFile(a.conf.text("data_dir"))
		if err == nil && file.PID == s.cmd.Process.Pid && file.Addresses["api"] != "" {
			probe := control.NewClient(file.Addresses["api"], file.Cluster, nil)
			_, err := probe.Hello(ctx)
			probe.Close()
			if err == nil {
				return file, nil
			}
		}
		select {
		case <-ctx.Done():
			return file, ctx.Err()
		case <-s.ended:
			return file, s.failure()
		case <-time.After(pollEvery):
		}
	}
}
