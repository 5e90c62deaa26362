package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

const modulePath = "github.com/BobbyBlanco400/nexus-cos"

// checkBinary reads the build information that the linker put into this program: without it a report could not say what
// ran.
func checkBinary(_ context.Context, o *Options) Check {
	info, ok := o.host.buildInfo()
	rebuild := "build it with: make build"
	if !ok {
		return failed(rebuild, "the binary carries no build information")
	}
	if info.Main.Path != modulePath {
		return failed(rebuild, "the binary is of module %q, not %s", info.Main.Path, modulePath)
	}
	text := fmt.Sprintf("%s, %s", orUnknown(info.Main.Version), orUnknown(info.GoVersion))
	if rev := setting(info, "vcs.revision"); rev != "" {
		text += ", commit " + rev[:min(12, len(rev))]
	}
	if setting(info, "vcs.modified") == "true" {
		text += " with local changes"
	}
	return passed("%s", text)
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown version"
	}
	return s
}

// Oldest kernel that has everything the fabrics use: the one of Debian 11.
const minKernelMajor, minKernelMinor = 5, 10

func checkKernel(_ context.Context, o *Options) Check {
	release, err := o.host.kernel()
	if err != nil {
		return failed("run on Linux", "uname: %v", err)
	}
	text := fmt.Sprintf("%s, Linux %s", distribution(o.host.osRelease), release)
	major, minor, ok := parseRelease(release)
	remedy := fmt.Sprintf("use Linux %d.%d or newer (Debian 11 or later)", minKernelMajor, minKernelMinor)
	if !ok || major < minKernelMajor || major == minKernelMajor && minor < minKernelMinor {
		return degraded(remedy, "%s: older than %d.%d, or not recognised", text, minKernelMajor, minKernelMinor)
	}
	return passed("%s", text)
}

// parseRelease reads the first two numbers of "6.1.0-18-amd64".
func parseRelease(release string) (major, minor int, ok bool) {
	first, rest, found := strings.Cut(release, ".")
	if !found {
		return 0, 0, false
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	major, err1 := strconv.Atoi(first)
	minor, err2 := strconv.Atoi(rest[:end])
	return major, minor, err1 == nil && err2 == nil && major >= 0
}

func distribution(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown distribution"
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(v, `"`)
		}
	}
	return "unknown distribution"
}

func checkCores(_ context.Context, o *Options) Check {
	n := o.host.cores()
	c := passed("%d usable by this process", n)
	if n < o.MinCores {
		c = degraded("give the machine more cores, or unset GOMAXPROCS",
			"%d usable by this process: the edge and the ledger will wait for each other", n)
	}
	return bounded(c, float64(n), float64(o.MinCores), wire.BoundLeast, "cores")
}

func checkMemory(_ context.Context, o *Options) Check {
	const remedy = "stop other programs or give the machine more memory"
	path := filepath.Join(o.host.proc, "meminfo")
	fields, err := readMeminfo(path)
	if err != nil {
		return failed("mount /proc", "%v", err)
	}
	available, total := fields["MemAvailable"], fields["MemTotal"]
	detail := fmt.Sprintf("%s available of %s", bytesText(available), bytesText(total))
	return atLeast(float64(available), float64(o.MinMemoryBytes), "bytes", remedy, detail)
}

// readMeminfo gives the fields of /proc/meminfo in bytes.
func readMeminfo(path string) (map[string]uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	fields := map[string]uint64{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		name, rest, ok := strings.Cut(sc.Text(), ":")
		words := strings.Fields(rest)
		if !ok || len(words) != 2 || words[1] != "kB" {
			continue
		}
		n, err := strconv.ParseUint(words[0], 10, 53)
		if err == nil {
			fields[name] = n << 10
		}
	}
	if _, ok := fields["MemAvailable"]; !ok {
		return nil, fmt.Errorf("%s: no MemAvailable", path)
	}
	return fields, nil
}

func checkFileDescriptors(_ context.Context, o *Options) Check {
	const remedy = "raise it: ulimit -n 65536, or LimitNOFILE=65536 in the service file"
	n, err := o.host.fileLimit()
	if err != nil {
		return failed(remedy, "getrlimit: %v", err)
	}
	c := atLeast(float64(n), float64(o.MinFileDescriptors), "files", remedy, fmt.Sprintf("%d files may be open", n))
	if comfortable := 4 * o.MinFileDescriptors; c.Status == wire.StatusPassed && n < comfortable {
		c.Status, c.Remedy = wire.StatusDegraded, remedy
		c.Detail += fmt.Sprintf("; connections are refused early below %d", comfortable)
	}
	return c
}

// checkTools looks for programs that later fabrics use. They are informative: a missing one is skipped, never failed.
func checkTools(_ context.Context, o *Options) []Check {
	var checks []Check
	for _, t := range []struct{ name, pkg, use string }{
		{"ffmpeg", "ffmpeg", "transcoding of streams and films"},
		{"runc", "runc", "containers of units"},
		{"nft", "nftables", "packet filters of units"},
		{"ip", "iproute2", "networks of units"},
	} {
		c := Check{Status: wire.StatusSkipped, Detail: "not installed; needed for " + t.use, Remedy: "apt install " + t.pkg}
		path, err := o.host.lookPath(t.name)
		if err == nil {
			c = passed("%s", path)
		} else if !errors.Is(err, os.ErrNotExist) && !strings.Contains(err.Error(), "not found") {
			c.Detail = err.Error()
		}
		c.Name = "tool " + t.name
		checks = append(checks, c)
	}
	return checks
}

// bytesText prints a size for people: "1.5 GiB".
func bytesText(n uint64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, suffixes := float64(n)/unit, "KMGTPE"
	i := 0
	for value >= unit && i < len(suffixes)-1 {
		value /= unit
		i++
	}
	return fmt.Sprintf("%.1f %ciB", value, suffixes[i])
}
