package node

import (
	"context"
	"log/slog"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// Door is a way in beside the local socket: the SSH console. It belongs to the node, which closes it first of all.
type Door interface {
	// Addr is where it listens, with the port that was chosen.
	Addr() string
	// Fingerprint is the host key's, as ssh-keygen -l prints it.
	Fingerprint() string
	// Close ends all sessions and returns when they have ended.
	Close() error
}

// openDoor opens the SSH console, once, and says so as a check of phase 1. Clients are known as soon as the ledger is open.
func (n *Node) openDoor() wire.Check {
	check := wire.Check{Name: "ssh console", Status: wire.StatusPassed}
	n.mu.Lock()
	door := n.door
	n.mu.Unlock()
	if door == nil {
		var err error
		if door, err = n.cfg.OpenSSH(n); err != nil {
			detail := strings.TrimPrefix(err.Error(), check.Name+": ") // which is said already
			return wire.Check{Name: check.Name, Status: wire.StatusFailed, Detail: detail, Remedy: "give another --ssh address, or mend what is named"}
		}
		n.mu.Lock()
		n.door = door
		n.mu.Unlock()
		if err := n.writeNodeFile(); err != nil {
			n.log.Error("node file not written", "component", "node", "error", err)
		}
		n.view.touch()
	}
	check.Detail = "listens on " + door.Addr() + ", host key " + door.Fingerprint()
	return check
}

func (n *Node) closeDoor() error {
	n.mu.Lock()
	door := n.door
	n.door = nil
	n.mu.Unlock()
	if door == nil {
		return nil
	}
	return door.Close()
}

// Knows gives the name of the identity that a key is of. The error is for whoever holds the key: it says what to do.
func (n *Node) Knows(key nexus.PublicKey) (name string, err error) {
	e := n.Engine()
	if e == nil {
		return "", nexus.Errf("", nexus.CodeUnavailable, "the node", "try again in a moment", "is starting and does not know anybody yet")
	}
	e.View(func(s *state.State) {
		id := s.Identities[key]
		switch {
		case id == nil:
			err = nexus.Errf("", nexus.CodeRefused, "",
				"send an operator of the node this line, with your name for NAME: nexus identity import '"+identity.AuthorizedLine(key, "")+"' NAME",
				"this key is of no identity here yet")
		case id.Role == gates.RoleNode || id.Role == gates.RolePlatform:
			err = nexus.Errf("", nexus.CodeRefused, "this key", "use one of your own", "is the %s's", engine.RoleName(id.Role))
		default:
			name = id.Name
		}
	})
	return name, err
}

// OpenSession lets a session over SSH read as the holder of key until end is called (engine/control).
func (n *Node) OpenSession(id string, key nexus.PublicKey, readOnly bool) (token string, end func()) {
	return n.server.OpenSession(id, key, readOnly)
}

// WatchSession shows the pictures of this process to such a session, by pointer (engine/control).
func (n *Node) WatchSession(ctx context.Context, token string, show func(*wire.Overview)) error {
	return n.server.WatchSession(ctx, token, show)
}

// Cluster is the cluster's id; zero before there is one.
func (n *Node) Cluster() nexus.ID {
	if e := n.Engine(); e != nil {
		return e.Cluster()
	}
	return nexus.ID{}
}

// LogHandler writes to the node's log.
func (n *Node) LogHandler() slog.Handler { return n.log.Handler() }

// Socket is the path of the local API.
func (n *Node) Socket() string { return n.socket }
