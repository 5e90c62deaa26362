package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// Check is one named measurement, as launch reports it.
type Check = wire.Check

// Address is one configured listener. Port 0 lets the kernel choose and is never taken.
type Address struct {
	Name    string // "api", "gateway"
	Network string // "tcp" or "udp"
	Addr    string // host:port
}

// Options says what to examine. A zero limit takes the default written beside it.
type Options struct {
	DataDir    string    // need not exist yet
	SocketPath string    // of the node's local socket; empty: nexus.sock in DataDir
	Addresses  []Address // of every configured listener
	NodePID    int       // a running node of this data directory: ports that it holds are not taken; 0: none
	BuildTime  time.Time // no clock may stand before it; zero: the commit time in the binary, else a fixed day

	MinFreeBytes       uint64        // free disk for this user; 1 GiB
	MinFreeInodes      uint64        // 10,000
	MaxFsync           time.Duration // median of 4 KiB writes with fsync before the check degrades; 50 ms
	MinFileDescriptors uint64        // 1,024; below four times that the check degrades
	MinMemoryBytes     uint64        // available memory; 256 MiB
	MinCores           int           // fewer degrade; 2

	// Report, if set, gets each check as soon as it is known, from the calling goroutine.
	Report func(Check)

	host *host // the machine; tests put another in its place
}

// host is what the checks ask of the machine beside plain files and sockets.
type host struct {
	proc, sys, osRelease string // roots of the kernel's files
	loopback             string // address for the loopback check
	now                  func() time.Time
	wait                 func(context.Context, time.Duration)
	clockPair            func() (wall time.Time, monotonic time.Duration)
	buildInfo            func() (*debug.BuildInfo, bool)
	adjtimex             func() (status int32, maxErrorUs int64, err error)
	disk                 func(path string) (disk, error)
	fileLimit            func() (uint64, error)
	kernel               func() (string, error)
	lookPath             func(string) (string, error)
	syncFile             func(*os.File) error
	cores                func() int
	uid                  int
}

func realHost() *host {
	started := time.Now()
	return &host{
		proc: "/proc", sys: "/sys", osRelease: "/etc/os-release", loopback: "127.0.0.1:0",
		now: time.Now, wait: waitFor, uid: os.Geteuid(),
		clockPair: func() (time.Time, time.Duration) {
			now := time.Now()
			return now.Round(0), now.Sub(started) // Round strips the monotonic reading, Sub uses it
		},
		buildInfo: debug.ReadBuildInfo,
		adjtimex:  adjtimex,
		disk:      diskOf,
		fileLimit: fileLimit,
		kernel:    kernelRelease,
		lookPath:  exec.LookPath,
		syncFile:  (*os.File).Sync,
		cores:     func() int { return runtime.GOMAXPROCS(0) },
	}
}

// disk is the file system that a path lies on.
type disk struct {
	kind             uint32 // f_type of linux/magic.h
	readOnly         bool
	free             uint64 // bytes that a user without privileges may still write
	files, freeFiles uint64 // inodes; 0 files: the file system counts none
}

func waitFor(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// probe is one entry of the list: what it is called and how it is done. A probe with several results names them itself.
type probe struct {
	name string
	run  func(context.Context, *Options) []Check
}

// probes is the ordered list of what is examined.
func probes() []probe {
	return []probe{
		{"binary", one(checkBinary)},
		{"operating system", one(checkKernel)},
		{"cores", one(checkCores)},
		{"memory", one(checkMemory)},
		{"file descriptors", one(checkFileDescriptors)},
		{"data directory", one(checkDataDir)},
		{"data directory mode", one(checkDataDirMode)},
		{"key files", one(checkKeyFiles)},
		{"file system", one(checkFileSystem)},
		{"fsync", one(checkFsync)},
		{"free disk", one(checkFreeDisk)},
		{"free inodes", one(checkFreeInodes)},
		{"socket path", one(checkSocketPath)},
		{"clock", one(checkClock)},
		{"clock drift", one(checkDrift)},
		{"time synchronisation", one(checkTimeSync)},
		{"loopback", one(checkLoopback)},
		{"ports", checkPorts},
		{"cgroups", one(checkCgroups)},
		{"namespaces", one(checkNamespaces)},
		{"tools", checkTools},
	}
}

func one(run func(context.Context, *Options) Check) func(context.Context, *Options) []Check {
	return func(ctx context.Context, o *Options) []Check { return []Check{run(ctx, o)} }
}

// Run does every check in order and returns the results; it takes well below a second on a healthy machine. When ctx
// ends, the checks not yet done are reported as skipped.
func Run(ctx context.Context, o Options) []Check {
	o.setDefaults()
	var all []Check
	for _, p := range probes() {
		results := []Check{{Status: wire.StatusSkipped, Detail: "interrupted before it was done", Remedy: "run it again"}}
		if ctx.Err() == nil {
			results = p.run(ctx, &o)
		}
		for _, c := range results {
			if c.Name == "" {
				c.Name = p.name
			}
			if o.Report != nil {
				o.Report(c)
			}
			all = append(all, c)
		}
	}
	return all
}

func (o *Options) setDefaults() {
	if o.host == nil {
		o.host = realHost()
	}
	setDefault(&o.SocketPath, filepath.Join(o.DataDir, "nexus.sock"))
	setDefault(&o.MinFreeBytes, 1<<30)
	setDefault(&o.MinFreeInodes, 10_000)
	setDefault(&o.MaxFsync, 50*time.Millisecond)
	setDefault(&o.MinFileDescriptors, 1024)
	setDefault(&o.MinMemoryBytes, 256<<20)
	setDefault(&o.MinCores, 2)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Verdict is the worst status among checks: failed, then degraded, else passed. A skipped check is informative here (a
// tool that is not installed) and changes nothing.
func Verdict(checks []Check) string {
	verdict := wire.StatusPassed
	for _, c := range checks {
		switch c.Status {
		case wire.StatusFailed:
			return wire.StatusFailed
		case wire.StatusDegraded:
			verdict = wire.StatusDegraded
		}
	}
	return verdict
}

func passed(format string, args ...any) Check {
	return Check{Status: wire.StatusPassed, Detail: fmt.Sprintf(format, args...)}
}

func failed(remedy, format string, args ...any) Check {
	return Check{Status: wire.StatusFailed, Remedy: remedy, Detail: fmt.Sprintf(format, args...)}
}

func degraded(remedy, format string, args ...any) Check {
	return Check{Status: wire.StatusDegraded, Remedy: remedy, Detail: fmt.Sprintf(format, args...)}
}

// measured adds the value and the limit that it must not pass.
func measured(c Check, value, limit float64, unit string) Check {
	c.Value, c.Limit, c.Unit, c.Bound = &value, &limit, unit, wire.BoundMost
	return c
}

// bounded is measured for a limit that is another bound than the usual one.
func bounded(c Check, value, limit float64, bound, unit string) Check {
	c = measured(c, value, limit, unit)
	c.Bound = bound
	return c
}

// atLeast judges a value that must not be below need; the detail is completed by the numbers that Check carries.
func atLeast(value, need float64, unit, remedy, detail string) Check {
	c := passed("%s", detail)
	if value < need {
		c = failed(remedy, "%s", detail)
	}
	return bounded(c, value, need, wire.BoundLeast, unit)
}

func notExist(err error) bool { return err != nil && os.IsNotExist(err) }

func modeText(m fs.FileMode) string { return fmt.Sprintf("%04o", m.Perm()) }
