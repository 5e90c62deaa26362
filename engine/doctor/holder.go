package doctor

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// holder is a process that has a port.
type holder struct {
	pid  int // 0 when the kernel does not let this user see it
	uid  int
	name string
}

// socketEntry is a line of /proc/net/tcp and its kin.
type socketEntry struct {
	local netip.AddrPort
	state int
	uid   int
	inode uint64
}

const stateListen = 0x0A // TCP_LISTEN of net/tcp_states.h

// findHolder looks for the socket that occupies an address in /proc/net and for the process that has it open.
func findHolder(proc string, a Address) (holder, error) {
	want, err := resolve(a)
	if err != nil {
		return holder{}, err
	}
	var found []socketEntry
	for _, family := range []string{a.Network, a.Network + "6"} {
		entries, err := readSockets(filepath.Join(proc, "net", family))
		if err != nil && !notExist(err) { // no tcp6: the kernel has no IPv6
			return holder{}, err
		}
		for _, e := range entries {
			if (a.Network == "udp" || e.state == stateListen) && overlaps(e.local, want) {
				found = append(found, e)
			}
		}
	}
	if len(found) == 0 {
		return holder{}, errors.New("no socket of this network namespace has it")
	}
	for _, e := range found {
		if pid := pidOfInode(proc, e.inode); pid != 0 {
			return holder{pid: pid, uid: e.uid, name: processName(proc, pid)}, nil
		}
	}
	return holder{uid: found[0].uid}, nil
}

func resolve(a Address) (netip.AddrPort, error) {
	if a.Network == "udp" {
		u, err := net.ResolveUDPAddr("udp", a.Addr)
		if err != nil {
			return netip.AddrPort{}, err
		}
		return u.AddrPort(), nil
	}
	t, err := net.ResolveTCPAddr("tcp", a.Addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return t.AddrPort(), nil
}

// overlaps reports whether two sockets cannot stand side by side: same port, same or any address.
func overlaps(have, want netip.AddrPort) bool {
	if have.Port() != want.Port() {
		return false
	}
	h, w := have.Addr().Unmap(), want.Addr().Unmap()
	return h == w || h.IsUnspecified() || w.IsUnspecified() || !w.IsValid()
}

func readSockets(path string) ([]socketEntry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return parseSockets(f)
}

// maxSocketLines bounds the table that is read: a machine with more sockets than this has other worries.
const maxSocketLines = 1 << 20

// parseSockets reads the format of proc_net(5): a heading, then one socket a line. A line that it cannot read is an
// error, for a missed line could be the holder.
func parseSockets(r io.Reader) ([]socketEntry, error) {
	var entries []socketEntry
	sc := bufio.NewScanner(r)
	for n := 0; sc.Scan(); n++ {
		if n == 0 {
			continue
		}
		if n > maxSocketLines {
			return nil, fmt.Errorf("more than %d sockets", maxSocketLines)
		}
		e, err := parseSocket(sc.Text())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		entries = append(entries, e)
	}
	return entries, sc.Err()
}

func parseSocket(line string) (socketEntry, error) {
	fields := strings.Fields(line)
	if len(fields) < 10 {
		return socketEntry{}, fmt.Errorf("%d fields, 10 are wanted", len(fields))
	}
	local, err := parseHexAddr(fields[1])
	if err != nil {
		return socketEntry{}, err
	}
	state, err1 := strconv.ParseUint(fields[3], 16, 8)
	uid, err2 := strconv.ParseUint(fields[7], 10, 32)
	inode, err3 := strconv.ParseUint(fields[9], 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return socketEntry{}, err
	}
	return socketEntry{local: local, state: int(state), uid: int(uid), inode: inode}, nil
}

// parseHexAddr reads "0100007F:1F90": the address in 32-bit words of the machine's byte order (little endian on every
// machine this is built for), the port as a number.
func parseHexAddr(s string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	if !ok || err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, fmt.Errorf("address %q", s)
	}
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port of %q", s)
	}
	for i := 0; i < len(raw); i += 4 {
		raw[i], raw[i+1], raw[i+2], raw[i+3] = raw[i+3], raw[i+2], raw[i+1], raw[i]
	}
	addr, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr, uint16(p)), nil
}

// pidOfInode gives the process that has a socket open, 0 when none is visible.
func pidOfInode(proc string, inode uint64) int {
	want := fmt.Sprintf("socket:[%d]", inode)
	entries, err := os.ReadDir(proc)
	if err != nil {
		return 0
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join(proc, e.Name(), "fd")
		fds, err := os.ReadDir(dir)
		if err != nil {
			continue // ended meanwhile, or of another user
		}
		for _, fd := range fds {
			if target, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && target == want {
				return pid
			}
		}
	}
	return 0
}

func processName(proc string, pid int) string {
	b, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "comm"))
	if name := strings.TrimSpace(string(b)); err == nil && name != "" {
		return name
	}
	return "a process without a name"
}
