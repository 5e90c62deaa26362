package node

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/launch"
)

// deploymentLog holds the same lines as the plain progress (SPEC section 2). Safe for concurrent use.
type deploymentLog struct {
	path string

	mu   sync.Mutex
	file *os.File
}

func newDeploymentLog(dir string, now time.Time) (*deploymentLog, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nexus.Errf("launch", nexus.CodeUnfit, "log directory "+dir, "give another --log-dir", "%v", err)
	}
	path := filepath.Join(dir, "deployment-"+now.UTC().Format("20060102-150405")+".log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, nexus.Errf("launch", nexus.CodeUnfit, path, "give another --log-dir", "%v", err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		abs = path
	}
	return &deploymentLog{path: abs, file: f}, nil
}

func (d *deploymentLog) line(line any) {
	text := launch.Plain(line)
	if text == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file != nil {
		fmt.Fprintln(d.file, text)
	}
}

func (d *deploymentLog) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.file
	d.file = nil
	return f.Close()
}
