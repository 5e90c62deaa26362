package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
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
