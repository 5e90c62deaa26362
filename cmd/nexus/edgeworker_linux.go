package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/quicshare"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/satellite"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/supervise"
)

// Names of an edge's sockets between supervisor and worker.
const (
	plainSocket = "plain"
	tlsSocket   = "tls"
	linkFile    = "link" // the capacity that its workers share
)

// isWorker reports whether a supervisor started this process.
func (a *app) isWorker() bool { return a.getenv(supervise.Variable) != "" }

// superviseEdge keeps the sockets, and a worker of each latency group that run this program's file with these arguments.
func (a *app) superviseEdge(ctx context.Context, cmd *cobra.Command) error {
	c, err := a.edgeConfig(cmd)
	if err != nil {
		return err
	}
	if _, err := patientNice(cmd); err != nil {
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
	var groups []string
	for _, g := range slices.Groups() {
		groups = append(groups, string(g))
	}
	page, err := linkPage()
	if err != nil {
		return err
	}
	defer func() { _ = page.Close() }() // its workers have gone
	s, err := supervise.New(supervise.Config{Sockets: sockets, Groups: groups, Datagrams: tlsSocket, Logger: c.Logger,
		Files: map[string]*os.File{linkFile: page},
		Worker: func(group string, generation int) *exec.Cmd {
			worker := exec.Command(program, os.Args[1:]...)
			worker.Env, worker.Stderr = os.Environ(), a.err
			worker.Args = append(worker.Args, "--name", workerName(c.Name, group, generation))
			return worker
		},
		OnReady: func(_ string, _ int, about json.RawMessage) {
			var r satellite.Ready
			if json.Unmarshal(about, &r) == nil { // written by a worker of ours
				a.printEdge(r)
			}
		}})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	asked := a.upgradeSignals()
	defer signal.Stop(asked)
	go func() {
		for {
			select {
			case by := <-asked:
				if by == syscall.SIGHUP && terminal(a.in) {
					c.Logger.Info("the terminal has gone: stopping")
					stop()
				} else if err := s.Upgrade(running); err != nil && running.Err() == nil {
					c.Logger.Error("no upgrade: the present worker goes on", "error", err)
				}
			case <-running.Done():
				return
			}
		}
	}()
	return s.Run(running)
}

// upgradeSignals gives the signals that ask for an upgrade: SIGUSR2, and SIGHUP, by which other gateways are told to begin anew, unless it was
// to be ignored from the start (nohup).
func (a *app) upgradeSignals() chan os.Signal {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR2)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(asked, syscall.SIGHUP)
	}
	return asked
}

// workerName tells workers apart at the home: an old one and a new one are both there during an upgrade, and each group has its own.
func workerName(edge, group string, generation int) string {
	if group == string(slices.Groups()[0]) {
		return fmt.Sprintf("%s.%d", edge, generation)
	}
	return fmt.Sprintf("%s.%s.%d", edge, group, generation)
}

// edgeOfWorker is the edge that workerName made a name for.
func edgeOfWorker(worker, group string) string {
	name := worker[:max(strings.LastIndexByte(worker, '.'), 0)]
	return strings.TrimSuffix(name, "."+group)
}

// patientNice checks --patient-nice.
func patientNice(cmd *cobra.Command) (int, error) {
	nice, _ := cmd.Flags().GetInt("patient-nice")
	if nice < 0 || nice > niceMost {
		return 0, usage(fmt.Sprintf("--patient-nice %d", nice), fmt.Sprintf("0 to %d", niceMost), "out of range")
	}
	return nice, nil
}

// niceMost is the lowest weight that the scheduler knows.
const niceMost = 19

// edgeWorker serves from the sockets of its supervisor.
func (a *app) edgeWorker(ctx context.Context, cmd *cobra.Command) error {
	w, err := supervise.Inherit(a.getenv)
	if err != nil {
		return err
	}
	c, err := a.edgeConfig(cmd)
	if err != nil {
		return err
	}
	nice, err := patientNice(cmd)
	if err != nil {
		return err
	}
	c.Group, c.Edge = slices.Group(w.Group()), edgeOfWorker(c.Name, w.Group())
	if c.Group == slices.GroupPatient && nice > 0 {
		// All threads of the process: the supervisor made a process group of it, which is the only way to name them at once.
		if err := syscall.Setpriority(syscall.PRIO_PGRP, 0, nice); err != nil {
			c.Logger.Error("the weight stays as it is", "nice", nice, "error", err)
		}
	}
	if c.Link, c.Work, err = sharedPage(w.File(linkFile)); err != nil {
		return err
	}
	c.LinkClock = monotonicNs
	c.Pass = passTo(w, slices.GroupPatient)
	c.Addr, c.TLSAddr = "", ""
	c.Listener, c.TLSListener = w.Listener(plainSocket), w.Listener(tlsSocket)
	if c.QUICShare, err = sharedQUIC(w, a.getenv(supervise.DatagramVariable), c.Logger); err != nil {
		return err
	}
	c.Retire, c.Gone = w.Retire(), w.Gone()
	c.RetireFor, _ = cmd.Flags().GetDuration("retire-limit")
	c.OnReady = func(r satellite.Ready) {
		if err := w.Ready(r); err != nil {
			c.Logger.Error("the supervisor was not told", "error", err)
		}
	}
	return satellite.Run(ctx, c)
}

// passTo hands connections to a group's workers; nil where this worker hands none to them.
func passTo(w *supervise.Worker, group slices.Group) func(socket syscall.RawConn, secure bool) bool {
	plain, secure := w.Passer(plainSocket, string(group)), w.Passer(tlsSocket, string(group))
	if plain == nil && secure == nil {
		return nil
	}
	return func(socket syscall.RawConn, overTLS bool) bool {
		to := plain
		if overTLS {
			to = secure
		}
		return to != nil && to.Pass(socket) == nil // what cannot be handed on is served here, and counted
	}
}

// sharedQUIC is the UDP port that the worker inherited, nil without one.
func sharedQUIC(w *supervise.Worker, inherited string, log *slog.Logger) (*quicshare.Config, error) {
	d, err := w.Datagrams(inherited)
	if d == nil || err != nil {
		return nil, err
	}
	secret, err := quicshare.ParseSecret(d.Secret)
	if err != nil {
		return nil, errors.Join(err, d.UDP.Close())
	}
	return &quicshare.Config{UDP: d.UDP, Folder: d.Folder, Secret: secret, Owner: d.Number, Logger: log}, nil
}
