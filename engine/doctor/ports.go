package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

const loopbackTimeout = 2 * time.Second

func checkLoopback(ctx context.Context, o *Options) Check {
	const remedy = "bring the loopback interface up: ip link set lo up"
	took, err := tryLoopback(ctx, o.host.loopback)
	if err != nil {
		return failed(remedy, "%v", err)
	}
	return measured(passed("connected to itself and read a byte back"), milliseconds(took),
		milliseconds(loopbackTimeout), "ms")
}

// tryLoopback sends one byte to itself through a real connection.
func tryLoopback(ctx context.Context, addr string) (time.Duration, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	start := time.Now()
	d := net.Dialer{Timeout: loopbackTimeout}
	client, err := d.DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return 0, err
	}
	defer func() { _ = client.Close() }()
	if tl, ok := l.(*net.TCPListener); ok {
		_ = tl.SetDeadline(start.Add(loopbackTimeout))
	}
	server, err := l.Accept()
	if err != nil {
		return 0, err
	}
	defer func() { _ = server.Close() }()
	if err := errors.Join(client.SetDeadline(start.Add(loopbackTimeout)),
		server.SetDeadline(start.Add(loopbackTimeout))); err != nil {
		return 0, err
	}
	if _, err := client.Write([]byte{1}); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}

// checkPorts binds every configured address for a moment.
func checkPorts(ctx context.Context, o *Options) []Check {
	if len(o.Addresses) == 0 {
		return []Check{passed("none configured: the kernel chooses")}
	}
	checks := make([]Check, 0, len(o.Addresses))
	for _, a := range o.Addresses {
		c := checkPort(ctx, o, a)
		c.Name = "port " + a.Name
		checks = append(checks, c)
	}
	return checks
}

func checkPort(ctx context.Context, o *Options, a Address) Check {
	other := fmt.Sprintf("configure another address for %s", a.Name)
	if a.Network != "tcp" && a.Network != "udp" {
		return failed(other, "network %q is neither tcp nor udp", a.Network)
	}
	err := tryBind(ctx, a)
	shown := a.Network + " " + a.Addr
	switch {
	case err == nil:
		return passed("%s is free", shown)
	case errors.Is(err, syscall.EADDRINUSE):
		return taken(o, a, other)
	case errors.Is(err, os.ErrPermission):
		return failed(other+" above 1023, or allow it: setcap cap_net_bind_service=+ep $(command -v nexus)",
			"%s: this user may not bind it", shown)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return failed(other+": ip addr shows those of this machine", "%s: this machine does not have the address", shown)
	default:
		return failed(other, "%s: %v", shown, err)
	}
}

func tryBind(ctx context.Context, a Address) error {
	var lc net.ListenConfig
	if a.Network == "udp" {
		c, err := lc.ListenPacket(ctx, "udp", a.Addr)
		if err != nil {
			return err
		}
		return c.Close()
	}
	l, err := lc.Listen(ctx, "tcp", a.Addr)
	if err != nil {
		return err
	}
	return l.Close()
}

// taken names who holds the port.
func taken(o *Options, a Address, other string) Check {
	shown := a.Network + " " + a.Addr
	h, err := findHolder(o.host.proc, a)
	switch {
	case err != nil:
		return failed(other, "%s is taken; its holder cannot be seen: %v", shown, err)
	case h.pid == 0:
		return failed(other+", or run nexus doctor as root to see the holder",
			"%s is taken by a process of user %d that this user may not look into", shown, h.uid)
	case h.pid == o.NodePID:
		return passed("%s is held by the running node (pid %d)", shown, h.pid)
	}
	stop := fmt.Sprintf("stop it (kill %d)", h.pid)
	if h.name == "nexus" { // most likely another node, which a kill would take out of its order
		stop = "stop that node (nexus stop --data-dir DIR, with its directory)"
	}
	return failed(stop+", or "+other, "%s is taken by %s (pid %d)", shown, h.name, h.pid)
}
