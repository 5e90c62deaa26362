package node

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// machine describes where this runs, for the report.
func machine() map[string]string {
	m := map[string]string{"cores": fmt.Sprint(runtime.NumCPU()), "memory_bytes": fmt.Sprint(memoryBytes()), "go": runtime.Version(),
		"os": runtime.GOOS, "arch": runtime.GOARCH}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil { // Linux: what uname -r prints
		m["kernel"] = strings.TrimSpace(string(release))
	}
	return m
}

func desiredHash(e *engine.Engine) (h nexus.Hash) {
	e.View(func(s *state.State) { h = s.DesiredHash() })
	return h
}
