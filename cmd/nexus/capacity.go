package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// hostLimit is one thing this host has, and how much of it an envelope asks for.
type hostLimit struct {
	name  string
	limit float64
	text  string
	of    func(wire.Envelope) float64
}

// hostCapacity measures this host, for the note about ceilings above it. What cannot be read is left out.
func hostCapacity() []hostLimit {
	cores := runtime.NumCPU()
	out := []hostLimit{{"cpu", float64(cores), fmt.Sprintf("%d cores", cores), func(e wire.Envelope) float64 { return e.CPUCores }}}
	if total := memoryTotal(); total > 0 {
		out = append(out, hostLimit{"memory", float64(total), bytesText(total), func(e wire.Envelope) float64 { return float64(e.MemoryBytes) }})
	}
	return out
}

// memoryTotal is MemTotal of /proc/meminfo in bytes, 0 where there is none.
func memoryTotal() uint64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(b), "\n") {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == "MemTotal:" {
			kib, _ := strconv.ParseUint(fields[1], 10, 54)
			return kib << 10
		}
	}
	return 0
}
