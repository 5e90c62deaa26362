package consensus

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// start runs raft and, for a lone voter, waits until it leads and has replayed its log.
func (g *Group) start(hlog hclog.Logger, transport raft.Transport) error {
	conf := g.raftConfig()
	conf.Logger = hlog.Named("raft")
	r, err := g.newRaft(conf, transport)
	if err != nil {
		return err
	}
	g.raft = r
	servers := r.GetConfiguration().Configuration().Servers
	known := false
	for _, s := range servers {
		known = known || s.ID == conf.LocalID
	}
	if !known {
		return nexus.Errf("open log", nexus.CodeConflict, "node "+g.cfg.NodeID, "start it with its own data directory",
			"the log in %s belongs to other nodes", g.cfg.Dir)
	}
	if len(servers) > 1 {
		return nil
	}
	timer := time.NewTimer(leaderWait)
	defer timer.Stop()
	for {
		select {
		case leads := <-r.LeaderCh():
			if !leads {
				continue
			}
			if err := g.Barrier(context.Background()); err != nil {
				if failed := g.failure(); failed != nil {
					return failed
				}
				return err
			}
			return nil
		case err := <-g.failedOut:
			return err
		case <-timer.C:
			return nexus.Errf("open log", nexus.CodeUnavailable, "node "+g.cfg.NodeID, "look at the node's log",
				"the lone voter did not elect itself within %s", leaderWait)
		}
	}
}

// newRaft makes a panic of the library on a damaged entry an error: it reads the log in this goroutine.
func (g *Group) newRaft(conf *raft.Config, transport raft.Transport) (r *raft.Raft, err error) {
	defer func() {
		if p := recover(); p != nil {
			r = nil
			if e, ok := p.(error); ok {
				err = &nexus.Error{Op: "open log", Code: nexus.CodeOf(e), Subject: g.cfg.Dir, Cause: e,
					Hint: "restore the directory from a backup"}
				return
			}
			err = nexus.Errf("open log", nexus.CodeInternal, g.cfg.Dir, "report this as a bug", "%s", fmt.Sprint(p))
		}
	}()
	snapshots := markerStore{dir: filepath.Join(g.cfg.Dir, "snapshots"), watch: g.cfg.Watch}
	r, err = raft.NewRaft(conf, &fsm{machine: g.machine, group: g}, g.store, g.store, snapshots, transport)
	if err != nil {
		return nil, &nexus.Error{Op: "open log", Code: nexus.CodeOf(err), Subject: g.cfg.Dir, Cause: err,
			Hint: "restore the directory from a backup"}
	}
	return r, nil
}
