package doctor

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

func TestTakenPortNamesItsHolder(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	any6, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = any6.Close() }()
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = u.Close() }()
	_, port, _ := net.SplitHostPort(any6.Addr().String())

	o := Options{host: realHost(), Addresses: []Address{{"api", "tcp", l.Addr().String()},
		{"dns", "udp", u.LocalAddr().String()}, {"gateway", "tcp", ":" + port}}}
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range checkPorts(t.Context(), &o) {
		want := fmt.Sprintf("taken by %s (pid %d)", strings.TrimSpace(string(comm)), os.Getpid())
		if c.Status != wire.StatusFailed || !strings.Contains(c.Detail, want) || c.Name != "port "+o.Addresses[i].Name ||
			!strings.Contains(c.Remedy, "kill") {
			t.Errorf("%+v", c)
		}
	}
	// The node's own ports are not taken from it.
	o.NodePID = os.Getpid()
	for _, c := range checkPorts(t.Context(), &o) {
		if c.Status != wire.StatusPassed || !strings.Contains(c.Detail, "running node") {
			t.Errorf("%+v", c)
		}
	}
}

// TestHolderInAnotherProcess starts this test binary again as the holder.
func TestHolderInAnotherProcess(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHoldPort$")
	cmd.Env = append(os.Environ(), "NEXUS_TEST_HOLD_PORT=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stdin.Close() // the holder ends when its input does
		_ = cmd.Wait()
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	o := Options{host: realHost()}
	c := checkPort(t.Context(), &o, Address{"api", "tcp", strings.TrimSpace(line)})
	if c.Status != wire.StatusFailed || !strings.Contains(c.Detail, fmt.Sprintf("(pid %d)", cmd.Process.Pid)) {
		t.Errorf("%+v", c)
	}
}

// TestHoldPort is the other process of TestHolderInAnotherProcess; alone it checks that a free port passes.
func TestHoldPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("NEXUS_TEST_HOLD_PORT") != "" {
		fmt.Println(l.Addr())
		_, _ = os.Stdin.Read(make([]byte, 1))
		_ = l.Close()
		return
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o := Options{host: realHost()}
	if c := checkPort(t.Context(), &o, Address{"api", "tcp", "127.0.0.1:0"}); c.Status != wire.StatusPassed {
		t.Errorf("%+v", c)
	}
}

func TestPortsThatCannotBeBound(t *testing.T) {
	t.Parallel()
	o := Options{host: realHost()}
	for _, c := range []struct {
		a    Address
		says string
	}{
		{Address{"api", "tcp", "203.0.113.1:0"}, "does not have the address"},
		{Address{"api", "tcp", "127.0.0.1:99999"}, "99999"},
		{Address{"api", "tcp", "127.0.0.1"}, "127.0.0.1"},
		{Address{"api", "sctp", "127.0.0.1:0"}, "sctp"},
	} {
		got := checkPort(t.Context(), &o, c.a)
		if got.Status != wire.StatusFailed || !strings.Contains(got.Detail, c.says) || got.Remedy == "" {
			t.Errorf("%+v: %+v", c.a, got)
		}
	}
}

// TestHolderThatCannotBeSeen: the socket is in the table, but no process shows it.
func TestHolderThatCannotBeSeen(t *testing.T) {
	t.Parallel()
	o := Options{host: realHost()}
	o.host.proc = t.TempDir()
	const heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	put(t, filepath.Join(o.host.proc, "net/tcp"), heading+
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 4242 1 0 100 0 0 10 0\n")
	c := taken(&o, Address{"api", "tcp", "127.0.0.1:8080"}, "configure another address")
	if c.Status != wire.StatusFailed || !strings.Contains(c.Detail, "user 1001") || !strings.Contains(c.Remedy, "root") {
		t.Errorf("%+v", c)
	}
	if c := taken(&o, Address{"api", "tcp", "127.0.0.1:8081"}, "x"); !strings.Contains(c.Detail, "cannot be seen") {
		t.Errorf("%+v", c)
	}
	put(t, filepath.Join(o.host.proc, "net/tcp"), heading+"garbage\n")
	if c := taken(&o, Address{"api", "tcp", "127.0.0.1:8080"}, "x"); !strings.Contains(c.Detail, "line 2") {
		t.Errorf("%+v", c)
	}
}

func TestParseHexAddr(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0100007F:1F90": "127.0.0.1:8080", "00000000:0050": "0.0.0.0:80",
		"00000000000000000000000001000000:0016":   "[::1]:22",
		"0000000000000000FFFF00000100007F:FFFF":   "[::ffff:127.0.0.1]:65535",
		"B80D01200000000000000000 01000000:0016x": "", "": "", ":": "", "0100007F": "", "01:1": "", "0100007F:10000": "",
	} {
		got, err := parseHexAddr(text)
		if want == "" {
			if err == nil {
				t.Errorf("%q gives %v", text, got)
			}
			continue
		}
		if err != nil || got != netip.MustParseAddrPort(want) {
			t.Errorf("%q gives %v, %v", text, got, err)
		}
	}
}

func FuzzParseSockets(f *testing.F) {
	for _, name := range []string{"tcp", "tcp6", "udp"} {
		if b, err := os.ReadFile("/proc/net/" + name); err == nil {
			f.Add(string(b))
		}
	}
	f.Add("h\n 0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 1\n")
	f.Fuzz(func(t *testing.T, s string) {
		entries, err := parseSockets(strings.NewReader(s))
		if err == nil && len(entries) > strings.Count(s, "\n")+1 {
			t.Fatalf("%d sockets in %q", len(entries), s)
		}
		for _, e := range entries {
			if !e.local.Addr().IsValid() {
				t.Fatalf("invalid address in %q", s)
			}
		}
	})
}

func FuzzKernelFiles(f *testing.F) {
	f.Add("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "6.1.0-18-amd64", "MemAvailable: 1 kB\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, mounts, release, memory string) {
		path := filepath.Join(dir, "file")
		put(t, path, mounts)
		if _, err := cgroupMounts(path); err != nil {
			t.Fatal(err)
		}
		if major, minor, ok := parseRelease(release); ok && (major < 0 || minor < 0) {
			t.Fatalf("%q gives %d.%d", release, major, minor)
		}
		put(t, path, memory)
		if fields, err := readMeminfo(path); err == nil && len(fields) == 0 {
			t.Fatal("no fields and no error")
		}
	})
}
