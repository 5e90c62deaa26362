package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// controllers are what an envelope needs (SPEC section 3), by their names in v2 and v1.
func controllers() []struct{ v2, v1 string } {
	return []struct{ v2, v1 string }{{"cpu", "cpu"}, {"memory", "memory"}, {"io", "blkio"}, {"pids", "pids"}}
}

// checkCgroups reports which ceilings the kernel can enforce, by which version of control groups.
func checkCgroups(_ context.Context, o *Options) Check {
	const remedy = "boot with systemd.unified_cgroup_hierarchy=1, or add cgroup_enable=memory to the kernel line"
	mounts, err := cgroupMounts(filepath.Join(o.host.proc, "self", "mountinfo"))
	if err != nil {
		return degraded("mount /proc", "%v", err)
	}
	v2 := map[string]bool{}
	if mounts.v2 != "" {
		path := filepath.Join(o.host.sys, strings.TrimPrefix(mounts.v2, "/sys"), "cgroup.controllers")
		b, err := os.ReadFile(path)
		if err != nil {
			return degraded(remedy, "%v", err)
		}
		for _, c := range strings.Fields(string(b)) {
			v2[c] = true
		}
	}
	var have, missing []string
	for _, c := range controllers() {
		switch {
		case v2[c.v2]:
			have = append(have, c.v2+" (v2)")
		case mounts.v1[c.v1]:
			have = append(have, c.v2+" (v1)")
		default:
			missing = append(missing, c.v2)
		}
	}
	detail := "kernel can limit " + strings.Join(have, ", ")
	if mounts.v1["blkio"] && !v2["io"] {
		detail += "; v1 does not throttle buffered writes"
	}
	check := passed("%s", detail)
	if len(missing) > 0 {
		check = degraded(remedy, "no control of %s; %s", strings.Join(missing, ", "), detail)
	}
	return bounded(check, float64(len(have)), float64(len(controllers())), wire.BoundEqual, "controllers")
}

type cgroups struct {
	v2 string          // mount point, empty when there is none
	v1 map[string]bool // controllers
}

// cgroupMounts reads proc_pid_mountinfo(5): the part after " - " has type, source and super options.
func cgroupMounts(path string) (cgroups, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return cgroups{}, err
	}
	found := cgroups{v1: map[string]bool{}}
	for line := range strings.Lines(string(b)) {
		before, after, ok := strings.Cut(strings.TrimSpace(line), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 5 || len(right) < 3 {
			continue
		}
		switch right[0] {
		case "cgroup2":
			found.v2 = left[4]
		case "cgroup":
			for _, option := range strings.Split(right[2], ",") {
				found.v1[option] = true
			}
		}
	}
	return found, nil
}

// checkNamespaces reads whether this user may make the namespaces that isolate units; it makes none.
func checkNamespaces(_ context.Context, o *Options) Check {
	const remedy = "use a kernel with namespaces, or run as root"
	var missing []string
	for _, ns := range []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"} {
		if _, err := os.Lstat(filepath.Join(o.host.proc, "self", "ns", ns)); err != nil {
			missing = append(missing, ns)
		}
	}
	if len(missing) > 0 {
		sort.Strings(missing)
		return degraded(remedy, "the kernel has no namespace of %s", strings.Join(missing, ", "))
	}
	limits := []string{"user/max_net_namespaces", "user/max_mnt_namespaces", "user/max_pid_namespaces"}
	if o.host.uid != 0 {
		limits = append(limits, "user/max_user_namespaces", "kernel/unprivileged_userns_clone")
		if n, ok := readNumber(filepath.Join(o.host.proc, "sys/kernel/apparmor_restrict_unprivileged_userns")); ok && n != 0 {
			return degraded("sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run as root",
				"AppArmor keeps user %d from making user namespaces", o.host.uid)
		}
	}
	for _, name := range limits {
		if n, ok := readNumber(filepath.Join(o.host.proc, "sys", name)); ok && n == 0 {
			key := strings.ReplaceAll(name, "/", ".")
			return degraded(fmt.Sprintf("raise it: sysctl %s=10000", key), "%s is 0: none may be made", key)
		}
	}
	who := "root"
	if o.host.uid != 0 {
		who = fmt.Sprintf("user %d, through a user namespace", o.host.uid)
	}
	return passed("all seven kinds, as %s", who)
}

// readNumber reads a number of /proc/sys; ok is false when this kernel has no such setting.
func readNumber(path string) (n int64, ok bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err = strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}
