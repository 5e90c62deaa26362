package edge

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"runtime/debug"

	"golang.org/x/sys/unix"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Parts that a process of the bench can be.
const (
	PartBackend   = "backend"
	PartGenerator = "generator"
	PartProxy     = "proxy"
	PartRelay     = "relay"
)

// Part is one process of the bench: it reads its job from in and writes what it has to say to out as one line of JSON. A backend, a
// proxy and a relay serve until ctx ends. Errors: CodeUsage for an unknown part, and those of the job.
func Part(ctx context.Context, part string, in io.Reader, out io.Writer) error {
	switch part {
	case PartBackend:
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		debug.SetGCPercent(800)
		if err := json.NewEncoder(out).Encode(ln.Addr().String()); err != nil {
			return err
		}
		newBackend().serve(ctx, ln)
		return nil
	case PartProxy:
		p, err := decodeProxy(in)
		if err != nil {
			return err
		}
		return p.Serve(ctx)
	case PartRelay:
		var to string
		if err := json.NewDecoder(in).Decode(&to); err != nil {
			return err
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		if err := json.NewEncoder(out).Encode(ln.Addr().String()); err != nil {
			return err
		}
		relay(ctx, ln, to)
		return nil
	case PartGenerator:
		var job Job
		if err := json.NewDecoder(in).Decode(&job); err != nil {
			return err
		}
		if err := weigh(job.Nice); err != nil {
			return err
		}
		do := generate
		switch job.Shape {
		case shapeTLSDials:
			do = handshakes
		case shapeQUIC:
			do = quicHandshakes
		case shapeHellos:
			do = hellos
		case shapeClients:
			do = clients
		}
		f, err := do(ctx, job)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(f)
	}
	return nexus.Errf("bench edge", nexus.CodeUsage, fmt.Sprintf("part %q", part), "it is started by nexus bench edge", "unknown")
}

// weigh lowers the scheduling weight of every thread of this process, those to come too.
func weigh(nice int) error {
	if nice == 0 {
		return nil
	}
	// A priority is a thread's on Linux: the group's reaches all of them. The bench starts each part in a group of its own.
	return unix.Setpriority(unix.PRIO_PGRP, 0, nice)
}
