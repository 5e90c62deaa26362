package doctor

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	stdslices "slices"
	"strings"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// fit gives options for a machine on which every check passes: the real one where it can be, a stand-in where this
// machine may differ (cores, NTP, cgroups).
func fit(t testing.TB) Options {
	t.Helper()
	h := realHost()
	root := t.TempDir()
	h.proc, h.sys = filepath.Join(root, "proc"), filepath.Join(root, "sys")
	h.now = func() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) }
	h.wait = func(context.Context, time.Duration) {}
	h.clockPair = func() (time.Time, time.Duration) { return h.now(), 0 }
	h.adjtimex = func() (int32, int64, error) { return 0, 1000, nil }
	h.disk = func(string) (disk, error) {
		return disk{kind: 0xEF53, free: 4 << 30, files: 1 << 20, freeFiles: 1 << 19}, nil
	}
	h.fileLimit = func() (uint64, error) { return 65536, nil }
	h.kernel = func() (string, error) { return "6.1.0-18-amd64", nil }
	h.lookPath = func(name string) (string, error) { return "/usr/bin/" + name, nil }
	h.cores = func() int { return 4 }
	put(t, filepath.Join(h.proc, "meminfo"), "MemTotal: 8000000 kB\nMemAvailable: 4000000 kB\n")
	put(t, filepath.Join(h.proc, "self/mountinfo"),
		"30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n")
	put(t, filepath.Join(h.sys, "fs/cgroup/cgroup.controllers"), "cpuset cpu io memory pids\n")
	for _, ns := range []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"} {
		put(t, filepath.Join(h.proc, "self/ns", ns), "")
	}
	put(t, filepath.Join(h.proc, "sys/user/max_net_namespaces"), "100\n")
	dir := filepath.Join(t.TempDir(), "data")
	put(t, filepath.Join(dir, "keys", "node"), "x")
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return Options{DataDir: dir, host: h, MaxFsync: time.Minute} // the disk of a test machine may be busy
}

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func find(t testing.TB, checks []Check, name string) Check {
	t.Helper()
	i := stdslices.IndexFunc(checks, func(c Check) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no check %q in %v", name, checks)
	}
	return checks[i]
}

func TestFitMachinePasses(t *testing.T) {
	t.Parallel()
	o := fit(t)
	o.Addresses = []Address{{"api", "tcp", "127.0.0.1:0"}, {"dns", "udp", "127.0.0.1:0"}}
	var reported []Check
	o.Report = func(c Check) { reported = append(reported, c) }
	checks := Run(t.Context(), o)
	for _, c := range checks {
		if c.Status != wire.StatusPassed || c.Remedy != "" || c.Detail == "" || c.Name == "" {
			t.Errorf("%+v", c)
		}
		if (c.Value == nil) != (c.Unit == "") || (c.Value == nil) != (c.Limit == nil) {
			t.Errorf("value without unit or limit: %+v", c)
		}
	}
	if Verdict(checks) != wire.StatusPassed || len(reported) != len(checks) {
		t.Errorf("verdict %s, %d of %d reported", Verdict(checks), len(reported), len(checks))
	}
	if len(checks) != len(probes())+1+3 {
		t.Errorf("%d checks", len(checks))
	}
	entries, err := os.ReadDir(o.DataDir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestRealMachine runs every check as the product does: none may fail to say something, and those that any machine that
// runs these tests meets must pass.
func TestRealMachine(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "not", "made", "yet")
	checks := Run(t.Context(), Options{DataDir: dir, MinFreeBytes: 1, MinFreeInodes: 1})
	for _, c := range checks {
		if c.Status != wire.StatusPassed && c.Remedy == "" {
			t.Errorf("no remedy: %+v", c)
		}
	}
	for _, name := range []string{"binary", "data directory", "clock", "loopback", "memory", "free disk"} {
		if c := find(t, checks, name); c.Status != wire.StatusPassed {
			t.Errorf("%+v", c)
		}
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Error("the doctor made the data directory")
	}
}

// spoiling is one way to make a machine unfit: the check that must notice, its status, a word of its detail.
type spoiling struct {
	check, status, says string
	spoil               func(t *testing.T, o *Options)
}

var errBoom = errors.New("boom")

func systemSpoilings() []spoiling {
	return []spoiling{
		{"binary", wire.StatusFailed, "build information", func(_ *testing.T, o *Options) {
			o.host.buildInfo = func() (*debug.BuildInfo, bool) { return nil, false }
		}},
		{"binary", wire.StatusFailed, "example.org/x", func(_ *testing.T, o *Options) {
			o.host.buildInfo = func() (*debug.BuildInfo, bool) {
				return &debug.BuildInfo{Main: debug.Module{Path: "example.org/x"}}, true
			}
		}},
		{"operating system", wire.StatusDegraded, "4.19", func(_ *testing.T, o *Options) {
			o.host.kernel = func() (string, error) { return "4.19.0-amd64", nil }
		}},
		{"operating system", wire.StatusDegraded, "plan9", func(_ *testing.T, o *Options) {
			o.host.kernel = func() (string, error) { return "plan9", nil }
		}},
		{"operating system", wire.StatusFailed, "boom", func(_ *testing.T, o *Options) {
			o.host.kernel = func() (string, error) { return "", errBoom }
		}},
		{"cores", wire.StatusDegraded, "1 usable", func(_ *testing.T, o *Options) { o.host.cores = func() int { return 1 } }},
		{"memory", wire.StatusFailed, "3.8 GiB", func(_ *testing.T, o *Options) { o.MinMemoryBytes = 1 << 40 }},
		{"memory", wire.StatusFailed, "MemAvailable", func(t *testing.T, o *Options) {
			put(t, filepath.Join(o.host.proc, "meminfo"), "MemTotal: x kB\n")
		}},
		{"file descriptors", wire.StatusFailed, "256", func(_ *testing.T, o *Options) {
			o.host.fileLimit = func() (uint64, error) { return 256, nil }
		}},
		{"file descriptors", wire.StatusDegraded, "2000", func(_ *testing.T, o *Options) {
			o.host.fileLimit = func() (uint64, error) { return 2000, nil }
		}},
		{"file descriptors", wire.StatusFailed, "boom", func(_ *testing.T, o *Options) {
			o.host.fileLimit = func() (uint64, error) { return 0, errBoom }
		}},
	}
}

func diskSpoilings() []spoiling {
	return []spoiling{
		{"data directory mode", wire.StatusFailed, "0755", func(t *testing.T, o *Options) { chmod(t, o.DataDir, 0o755) }},
		{"key files", wire.StatusFailed, "0750", func(t *testing.T, o *Options) {
			chmod(t, filepath.Join(o.DataDir, "keys"), 0o750)
		}},
		{"key files", wire.StatusFailed, "0604", func(t *testing.T, o *Options) {
			chmod(t, filepath.Join(o.DataDir, "keys", "node"), 0o604)
		}},
		{"file system", wire.StatusDegraded, "tmpfs", onDisk(func(d *disk) { d.kind = 0x01021994 })},
		{"file system", wire.StatusDegraded, "0x1234", onDisk(func(d *disk) { d.kind = 0x1234 })},
		{"file system", wire.StatusFailed, "read-only", onDisk(func(d *disk) { d.readOnly = true })},
		{"fsync", wire.StatusDegraded, "median", func(_ *testing.T, o *Options) { o.MaxFsync = 1 }},
		{"fsync", wire.StatusFailed, "boom", func(_ *testing.T, o *Options) {
			o.host.syncFile = func(*os.File) error { return errBoom }
		}},
		{"free disk", wire.StatusFailed, "4.0 GiB free", func(_ *testing.T, o *Options) { o.MinFreeBytes = 1 << 40 }},
		{"free disk", wire.StatusFailed, "0 B free", onDisk(func(d *disk) { d.free = 0 })},
		{"free inodes", wire.StatusFailed, "3 of", onDisk(func(d *disk) { d.freeFiles = 3 })},
	}
}

func clockSpoilings() []spoiling {
	return []spoiling{
		{"socket path", wire.StatusFailed, "too long", func(_ *testing.T, o *Options) {
			o.SocketPath = "/" + strings.Repeat("d", 107)
		}},
		{"socket path", wire.StatusFailed, "nowhere", func(_ *testing.T, o *Options) { o.SocketPath = "/nowhere/s" }},
		{"clock", wire.StatusFailed, "before", func(_ *testing.T, o *Options) {
			o.host.now = func() time.Time { return time.Date(1970, 1, 1, 0, 0, 5, 0, time.UTC) }
		}},
		{"clock", wire.StatusFailed, "build", func(_ *testing.T, o *Options) {
			o.BuildTime = time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
		}},
		{"clock", wire.StatusFailed, "2500", func(_ *testing.T, o *Options) {
			o.host.now = func() time.Time { return time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC) }
		}},
		{"clock drift", wire.StatusDegraded, "stepped", func(_ *testing.T, o *Options) {
			calls := 0
			o.host.clockPair = func() (time.Time, time.Duration) { // the wall clock is put back a second meanwhile
				calls++
				return time.Unix(1000-int64(calls), 0), time.Duration(calls) * 40 * time.Millisecond
			}
		}},
		{"time synchronisation", wire.StatusDegraded, "nothing keeps", func(_ *testing.T, o *Options) {
			o.host.adjtimex = func() (int32, int64, error) { return staUnsync, 0, nil }
		}},
		{"time synchronisation", wire.StatusDegraded, "off by", func(_ *testing.T, o *Options) {
			o.host.adjtimex = func() (int32, int64, error) { return 0, 2_000_000, nil }
		}},
		{"time synchronisation", wire.StatusDegraded, "boom", func(_ *testing.T, o *Options) {
			o.host.adjtimex = func() (int32, int64, error) { return 0, 0, errBoom }
		}},
	}
}

func kernelSpoilings() []spoiling {
	return []spoiling{
		{"loopback", wire.StatusFailed, "203.0.113.1", func(_ *testing.T, o *Options) { o.host.loopback = "203.0.113.1:0" }},
		{"cgroups", wire.StatusDegraded, "memory", func(t *testing.T, o *Options) {
			put(t, filepath.Join(o.host.sys, "fs/cgroup/cgroup.controllers"), "cpu io pids\n")
		}},
		{"cgroups", wire.StatusDegraded, "cpu, memory, io, pids", func(t *testing.T, o *Options) {
			put(t, filepath.Join(o.host.proc, "self/mountinfo"), "")
		}},
		{"namespaces", wire.StatusDegraded, "net", func(t *testing.T, o *Options) {
			if err := os.Remove(filepath.Join(o.host.proc, "self/ns/net")); err != nil {
				t.Fatal(err)
			}
		}},
		{"namespaces", wire.StatusDegraded, "max_net_namespaces is 0", func(t *testing.T, o *Options) {
			put(t, filepath.Join(o.host.proc, "sys/user/max_net_namespaces"), "0\n")
		}},
		{"tool runc", wire.StatusSkipped, "not installed", func(_ *testing.T, o *Options) {
			o.host.lookPath = func(name string) (string, error) {
				if name == "runc" {
					return "", os.ErrNotExist
				}
				return name, nil
			}
		}},
	}
}

// TestEachCheckCanFail spoils one thing at a time: that check, and no other, stops passing, and names what is wrong.
func TestEachCheckCanFail(t *testing.T) {
	t.Parallel()
	all := stdslices.Concat(systemSpoilings(), diskSpoilings(), clockSpoilings(), kernelSpoilings())
	spoiled := map[string]bool{}
	for _, c := range all {
		spoiled[c.check] = true
		o := fit(t)
		c.spoil(t, &o)
		checks := Run(t.Context(), o)
		got := find(t, checks, c.check)
		if got.Status != c.status || !strings.Contains(got.Detail, c.says) || got.Remedy == "" {
			t.Errorf("%s, %q wanted: %+v", c.check, c.says, got)
		}
		for _, other := range checks {
			if other.Name != c.check && other.Status != wire.StatusPassed {
				t.Errorf("spoiling %s made %+v", c.check, other)
			}
		}
		want := c.status
		if want == wire.StatusSkipped {
			want = wire.StatusPassed
		}
		if got := Verdict(checks); got != want {
			t.Errorf("%s: verdict %s", c.check, got)
		}
	}
	elsewhere := []string{"data directory", "ports", "tools"} // TestUnwritableDataDir, ports_test.go, "tool runc" above
	for _, p := range probes() {
		if !spoiled[p.name] && !stdslices.Contains(elsewhere, p.name) {
			t.Errorf("nothing makes the check %q fail", p.name)
		}
	}
}

func onDisk(change func(*disk)) func(*testing.T, *Options) {
	return func(_ *testing.T, o *Options) {
		real := o.host.disk
		o.host.disk = func(path string) (disk, error) {
			st, err := real(path)
			change(&st)
			return st, err
		}
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// TestUnwritableDataDir uses places where even root cannot make a directory.
func TestUnwritableDataDir(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	put(t, file, "")
	for dir, says := range map[string]string{"": "no data directory", file: "not a directory",
		filepath.Join(file, "below"): "not a directory", "/proc/nexus/data": "cannot write in /proc"} {
		c := checkDataDir(t.Context(), &Options{DataDir: dir, host: realHost()})
		if c.Status != wire.StatusFailed || !strings.Contains(c.Detail, says) || c.Remedy == "" {
			t.Errorf("%q: %+v", dir, c)
		}
	}
	o := Options{DataDir: "/proc/nexus/data"}
	o.setDefaults()
	if c := checkFsync(t.Context(), &o); c.Status != wire.StatusFailed {
		t.Errorf("fsync in /proc: %+v", c)
	}
}

func TestForeignOwner(t *testing.T) {
	t.Parallel()
	o := fit(t)
	o.host.uid++ // as if run by another user than the directory's
	for _, name := range []string{"data directory mode", "key files"} {
		c := find(t, Run(t.Context(), o), name)
		if c.Status != wire.StatusFailed || !strings.Contains(c.Detail,
			"belongs to user") || !strings.Contains(c.Remedy, "chown") {
			t.Errorf("%+v", c)
		}
	}
}

func TestUnprivilegedNamespaces(t *testing.T) {
	t.Parallel()
	for setting, says := range map[string]string{
		"kernel/apparmor_restrict_unprivileged_userns": "AppArmor",
		"kernel/unprivileged_userns_clone":             "unprivileged_userns_clone",
		"user/max_user_namespaces":                     "max_user_namespaces",
	} {
		value := "0\n"
		if says == "AppArmor" {
			value = "1\n"
		}
		o := fit(t)
		o.host.uid = 1000
		put(t, filepath.Join(o.host.proc, "sys", setting), value)
		c := checkNamespaces(t.Context(), &o)
		if c.Status != wire.StatusDegraded || !strings.Contains(c.Detail, says) {
			t.Errorf("%s: %+v", setting, c)
		}
		o.host.uid = 0 // root needs none of them
		if c := checkNamespaces(t.Context(), &o); c.Status != wire.StatusPassed {
			t.Errorf("%s as root: %+v", setting, c)
		}
	}
}

func TestCgroupV1(t *testing.T) {
	t.Parallel()
	o := fit(t)
	put(t, filepath.Join(o.host.proc, "self/mountinfo"), strings.Join([]string{
		"31 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct",
		"32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
		"33 30 0:29 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio",
		"34 30 0:30 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids",
		"35 30 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw", ""}, "\n"))
	put(t, filepath.Join(o.host.sys, "fs/cgroup/unified/cgroup.controllers"), "\n")
	c := checkCgroups(t.Context(), &o)
	if c.Status != wire.StatusPassed || !strings.Contains(c.Detail, "memory (v1)") || !strings.Contains(c.Detail,
		"buffered") {
		t.Errorf("%+v", c)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	checks := Run(ctx, fit(t))
	for _, c := range checks {
		if c.Status != wire.StatusSkipped || c.Name == "" {
			t.Errorf("%+v", c)
		}
	}
	if len(checks) != len(probes()) {
		t.Errorf("%d checks", len(checks))
	}
}

func TestBytesText(t *testing.T) {
	t.Parallel()
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1 << 30: "1.0 GiB",
		3 << 29: "1.5 GiB", math.MaxUint64: "16.0 EiB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d gives %s", n, got)
		}
	}
}
