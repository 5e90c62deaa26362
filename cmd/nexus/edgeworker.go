package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge/satellite"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/supervise"
)

// Names of an edge's sockets between supervisor and worker.
const (
	plainSocket = "plain"
	tlsSocket   = "tls"
)

// superviseEdge keeps the sockets, and workers that run this program's file with these arguments.
func (a *app) superviseEdge(ctx context.Context, cmd *cobra.Command) error {
	c, err := a.edgeConfig(cmd)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	var sockets []supervise.Socket
	if c.Addr != "" {
		sockets = append(sockets, supervise.Socket{Name: plainSocket, Addr: c.Addr})
	}
	if c.TLSAddr != "" {
		sockets = append(sockets, supervise.Socket{Name: tlsSocket, Addr: c.TLSAddr})
	}
	s, err := supervise.New(supervise.Config{Sockets: sockets, Logger: c.Logger,
		Worker: func(generation int) *exec.Cmd {
			worker := exec.Command(program, os.Args[1:]...)
			worker.Env, worker.Stderr = os.Environ(), a.err
			// The home tells edges apart by name: the old worker and the new one are both there during an upgrade.
			worker.Args = append(worker.Args, "--name", fmt.Sprintf("%s.%d", c.Name, generation))
			return worker
		},
		OnReady: func(_ int, about json.RawMessage) {
			var r satellite.Ready
			if json.Unmarshal(about, &r) == nil { // written by a worker of ours
				a.printEdge(r)
			}
		}})
	if err != nil {
		return err
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR2)
	defer signal.Stop(asked)
	running, ended := context.WithCancel(ctx)
	defer ended()
	go func() {
		for {
			select {
			case <-asked:
				if err := s.Upgrade(running); err != nil && running.Err() == nil {
					c.Logger.Error("no upgrade: the present worker goes on", "error", err)
				}
			case <-running.Done():
				return
			}
		}
	}()
	return s.Run(ctx)
}

// edgeWorker serves from the sockets of its supervisor.
func (a *app) edgeWorker(ctx context.Context, cmd *cobra.Command, inherited string) error {
	w, err := supervise.Inherit(inherited)
	if err != nil {
		return err
	}
	c, err := a.edgeConfig(cmd)
	if err != nil {
		return err
	}
	c.Addr, c.TLSAddr = "", ""
	c.Listener, c.TLSListener = w.Listener(plainSocket), w.Listener(tlsSocket)
	c.Retire = w.Retire()
	c.RetireFor, _ = cmd.Flags().GetDuration("retire-limit")
	c.OnReady = func(r satellite.Ready) {
		if err := w.Ready(r); err != nil {
			c.Logger.Error("the supervisor was not told", "error", err)
		}
	}
	return satellite.Run(ctx, c)
}
