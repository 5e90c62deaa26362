package node

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// machine describes where this runs, for the report.
func machine() map[string]string {
	m := map[string]string{"cores": fmt.Sprint(runtime.NumCPU()), "memory_bytes": fmt.Sprint(memoryBytes()), "go": runtime.Version(),
		"os": runtime.GOOS, "arch": runtime.GOARCH}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m["kernel"] = unix.ByteSliceToString(u.Release[:])
	}
	return m
}

func desiredHash(e *engine.Engine) (h nexus.Hash) {
	e.View(func(s *state.State) { h = s.DesiredHash() })
	return h
}
