package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

const (
	startWithin = 15 * time.Second
	stopWithin  = 3 * time.Second
)

// tail keeps the last bytes that a process said, for the error of one that failed.
type tail struct {
	mu sync.Mutex
	b  []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - 2048; over > 0 {
		t.b = t.b[over:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.b))
}

// process is a child in a process group of its own.
type process struct {
	cmd  *exec.Cmd
	said *tail
	done chan struct{} // closed when it has ended
	err  error         // valid after done
}

// startProcess starts cmd; its standard error is kept unless the caller took it.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, said: &tail{}, done: make(chan struct{})}
	cmd.Stderr = p.said
	// When the bench is killed its children go too: SIGTERM, because a master process takes its workers along.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.WaitDelay = stopWithin
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop ends it, and what is left of its group after a while.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-p.done:
	case <-time.After(stopWithin):
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // the group that was made for it; ESRCH when all have gone
	<-p.done
}

// processorTime is what it and its descendants have used so far, user and system, in steps of processorTick. False: there is no process.
func (p *process) processorTime() (time.Duration, bool) {
	if p == nil {
		return 0, false
	}
	return processorTimeOf(p.cmd.Process.Pid)
}

// processorTimeOf is processorTime of any process.
func processorTimeOf(root int) (time.Duration, bool) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, false
	}
	parents, ticks := map[int]int{}, map[int]int64{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // ended since
		}
		if s, ok := parseStat(b); ok {
			parents[s.pid], ticks[s.pid] = s.parent, s.ticks
		}
	}
	_, found := parents[root]
	var sum int64
	for pid := range parents {
		for at, steps := pid, 0; at > 1 && steps < len(parents); at, steps = parents[at], steps+1 {
			if at == root {
				sum += ticks[pid]
				break
			}
		}
	}
	return time.Duration(sum) * processorTick, found
}

// processorTick is the unit of times in /proc: USER_HZ is 100 on every machine that Go runs on.
const processorTick = 10 * time.Millisecond

// stat is what a line of /proc/PID/stat (proc(5)) says of a process: its parent, and the ticks of user and system time.
type stat struct {
	pid, parent int
	ticks       int64
}

// parseStat reads such a line. The name in it, in parentheses, may hold anything.
func parseStat(b []byte) (stat, bool) {
	begin, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if begin < 0 || end < begin {
		return stat{}, false
	}
	fields := strings.Fields(string(b[end+1:])) // from the third on
	if len(fields) < 13 {
		return stat{}, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:begin])))
	parent, err1 := strconv.Atoi(fields[1])
	user, err2 := strconv.ParseInt(fields[11], 10, 64)
	system, err3 := strconv.ParseInt(fields[12], 10, 64)
	return stat{pid, parent, user + system}, err == nil && err1 == nil && err2 == nil && err3 == nil
}

// failed makes the error of a process that ended when it should serve.
func (p *process) failed(name string) error {
	return nexus.Errf("bench edge", nexus.CodeUnavailable, name, "see what it says", "ended: %v: %s", p.err, p.said)
}

// part starts this program as one part of the bench, with its job on the standard input.
func (r *rig) part(name string, job any) (*process, *bytes.Buffer, error) {
	in, err := json.Marshal(job)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(r.Binary, "bench-part", name)
	cmd.Stdin = bytes.NewReader(in)
	var out bytes.Buffer
	cmd.Stdout = &out
	p, err := startProcess(cmd)
	return p, &out, err
}

// generator runs a job to its end in a process of its own.
func (r *rig) generator(ctx context.Context, job Job) (Figures, error) {
	p, out, err := r.part(PartGenerator, job)
	if err != nil {
		return Figures{}, err
	}
	defer p.stop()
	select {
	case <-p.done:
	case <-ctx.Done():
		return Figures{}, ctx.Err()
	case <-time.After(job.Warm + job.Duration + startWithin):
		return Figures{}, nexus.Errf("bench edge", nexus.CodeUnavailable, "generator", "", "did not end in time")
	}
	if p.err != nil {
		return Figures{}, p.failed("generator")
	}
	var f Figures
	if err := json.Unmarshal(out.Bytes(), &f); err != nil {
		return Figures{}, fmt.Errorf("generator said %q: %w", out, err)
	}
	return f, nil
}

// result is what a generator came to.
type result struct {
	Figures
	err error
}

// begin runs a job beside others; its result comes once.
func (r *rig) begin(ctx context.Context, job Job) <-chan result {
	done := make(chan result, 1)
	go func() {
		f, err := r.generator(ctx, job)
		done <- result{f, err}
	}()
	return done
}

// serves waits until the proxy answers the victim's host.
func serves(ctx context.Context, p *process, name, addr string) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	deadline := time.Now().Add(startWithin)
	last := errors.New("no answer")
	for time.Now().Before(deadline) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
		if err != nil {
			return err
		}
		req.Host = victimHost
		resp, err := client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(resp.Status)
		}
		last = err
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.done:
			return p.failed(name)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nexus.Errf("bench edge", nexus.CodeUnavailable, name, "", "does not serve within %v: %w; it says: %s", startWithin, last, p.said)
}

// freePorts gives two ports that nobody listens on now.
func freePorts() (plain, secure string, err error) {
	a, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer func() { _ = a.Close() }()
	b, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer func() { _ = b.Close() }()
	return a.Addr().String(), b.Addr().String(), nil
}
