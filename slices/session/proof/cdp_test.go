//go:build browser

package proof_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// chromium is a headless Chromium driven over the pipe of its debugging protocol: JSON ended by a zero byte, to its descriptor 3 and
// from its descriptor 4. The few calls that a test makes need no library. Safe for concurrent use.
type chromium struct {
	cmd *exec.Cmd
	in  *os.File
	tab string // the session of the one tab

	mu      sync.Mutex
	next    int
	waiting map[int]chan answer
	console []string // what the page said, and its errors
}

type answer struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// startChromium starts the browser with one tab. It reaches nothing but this machine.
func startChromium(t *testing.T) *chromium {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v: run make browser, which installs it", err)
	}
	toIn, toOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromIn, fromOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	profile, err := os.MkdirTemp("", "nxchromium")
	if err != nil {
		t.Fatal(err)
	}
	c := &chromium{in: toOut, waiting: map[int]chan answer{}}
	c.cmd = exec.Command(path, "--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--user-data-dir="+profile, "--disable-gpu",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
		"--disable-dev-shm-usage", "--host-resolver-rules=MAP *.localhost 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
		"--window-size=900,600", "about:blank")
	c.cmd.ExtraFiles = []*os.File{toIn, fromOut}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = toIn.Close(), fromOut.Close() // the browser's now
	read := make(chan struct{})
	go func() { defer close(read); c.read(fromIn) }()
	t.Cleanup(func() {
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) // the browser with all its processes
		_ = c.cmd.Wait()                                      // killed: an error by design
		_, _ = toOut.Close(), fromIn.Close()
		<-read
		_ = os.RemoveAll(profile)
	})
	var target struct{ TargetID, SessionID string }
	c.must(t, "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	c.must(t, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	c.tab = target.SessionID
	c.must(t, "Page.enable", nil, nil)
	c.must(t, "Runtime.enable", nil, nil)
	return c
}

func (c *chromium) read(from *os.File) {
	in := bufio.NewReaderSize(from, 1<<20)
	for {
		b, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		var m struct {
			ID     int             `json:"id"`
			Method string          `json:"method"`
			Params json.RawMessage `json:"params"`
			answer
		}
		if json.Unmarshal(b[:len(b)-1], &m) != nil {
			continue
		}
		c.mu.Lock()
		if ch := c.waiting[m.ID]; ch != nil {
			delete(c.waiting, m.ID)
			ch <- m.answer
		} else if m.Method == "Runtime.exceptionThrown" || m.Method == "Runtime.consoleAPICalled" {
			c.console = append(c.console, string(m.Params))
		}
		c.mu.Unlock()
	}
}

// call makes one call of the protocol. Errors: what the browser answers, or silence for half a minute.
func (c *chromium) call(ctx context.Context, method string, params, result any) error {
	ch := make(chan answer, 1)
	c.mu.Lock()
	c.next++
	id := c.next
	c.waiting[id] = ch
	if params == nil {
		params = struct{}{}
	}
	m := map[string]any{"id": id, "method": method, "params": params}
	if c.tab != "" {
		m["sessionId"] = c.tab
	}
	b, err := json.Marshal(m)
	if err == nil {
		_, err = c.in.Write(append(b, 0))
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	select {
	case a := <-ch:
		if a.Error != nil {
			return fmt.Errorf("%s: %s", method, a.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(a.Result, result)
	case <-ctx.Done():
		return errors.Join(ctx.Err(), errors.New(method+" was not answered"))
	}
}

func (c *chromium) must(t *testing.T, method string, params, result any) {
	t.Helper()
	if err := c.call(t.Context(), method, params, result); err != nil {
		t.Fatal(err)
	}
}

// eval gives the value of an expression in the page, waiting for a promise.
func (c *chromium) eval(t *testing.T, expression string, result any) {
	t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	c.must(t, "Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &r)
	if r.ExceptionDetails != nil {
		t.Fatalf("%s: %s", expression, r.ExceptionDetails)
	}
	if result != nil {
		if err := json.Unmarshal(r.Result.Value, result); err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
	}
}

// screenshot writes a PNG of the page.
func (c *chromium) screenshot(t *testing.T, path string) {
	t.Helper()
	var r struct{ Data string }
	c.must(t, "Page.captureScreenshot", map[string]any{"format": "png"}, &r)
	b, err := base64.StdEncoding.DecodeString(r.Data)
	if err == nil {
		err = os.WriteFile(path, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// said is what the page's console has.
func (c *chromium) said() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.console...)
}
