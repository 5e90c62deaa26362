package node_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/node"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// TestAJoinedNodeComesBackAfterRotations: it was admitted, then down for two rotations and past its token's end. It starts with what it has on disk, is handed
// the present key and is a member. A node that was never there does not get in with that token, before its end (the key is out) or after.
func TestAJoinedNodeComesBackAfterRotations(t *testing.T) {
	t.Parallel()
	dir, joinedDir := t.TempDir(), t.TempDir()
	first, _, _ := start(t, node.Config{DataDir: dir, NodeName: "ledger-1"})
	c := client(t, dir)
	do := func(kind string, body any) {
		t.Helper()
		a, err := engine.NewAction(c.Signer(), c.Cluster(), kind, nexus.ID{}, body, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(context.Background(), a); err != nil {
			t.Fatal(err)
		}
	}
	settled := func(n *node.Node, generation uint64) func() bool {
		return func() bool {
			k, err := n.GossipKeys()
			return err == nil && k.Generation == generation && k.Step == "settled"
		}
	}
	member := func(state string) func() bool {
		return func() bool {
			for _, m := range first.Members() {
				if m.Name == "edge-2" {
					return m.State == state
				}
			}
			return false
		}
	}
	invite, err := first.Invite(context.Background(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	second := joined(t, joinedDir, invite.Token)
	do(state.KindNodeAdmit, state.NodeAdmit{Key: memberKey(t, first, "edge-2"), Name: "edge-2"})
	eventually(t, "the admitted node is handed the keys", settled(second, 1))
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is down", func() bool { return !member("alive")() })
	do(state.KindClusterRekey, state.ClusterRekey{Generation: 2})
	do(state.KindClusterRekey, state.ClusterRekey{Generation: 3})
	eventually(t, "both rotations are over", settled(first, 3))

	expired := expire(t, dir, invite.Token)
	for what, token := range map[string]string{"a token of an old key": invite.Token, "a token that is over": expired} {
		n, err := node.Start(node.Config{DataDir: t.TempDir(), NodeName: "new", JoinToken: token, Version: "test"})
		if err != nil {
			continue
		}
		n.Launch(context.Background())
		if phase := n.Results()[2]; phase.Status != wire.StatusFailed {
			t.Errorf("%s lets a new node in: %s", what, phase.Status)
		}
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	}
	second = joined(t, joinedDir, expired)
	eventually(t, "it is there again", member("alive"))
	eventually(t, "with the present key", settled(second, 3))
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	noSecretIsReadable(t, dir)
	noSecretIsReadable(t, joinedDir)
}

func joined(t *testing.T, dir, token string) *node.Node {
	t.Helper()
	n, err := node.Start(node.Config{DataDir: dir, NodeName: "edge-2", JoinToken: token, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	n.Launch(context.Background())
	if phase := n.Results()[2]; phase.Status == wire.StatusFailed {
		t.Fatalf("phase 3: %s", phase.Reason)
	}
	return n
}

func memberKey(t *testing.T, n *node.Node, name string) nexus.PublicKey {
	t.Helper()
	var key nexus.PublicKey
	eventually(t, name+" is a member", func() bool {
		for _, m := range n.Members() {
			if m.Name == name {
				return key.UnmarshalText([]byte(m.Node)) == nil
			}
		}
		return false
	})
	return key
}

// expire signs a token anew with an end that is past.
func expire(t *testing.T, dir, token string) string {
	t.Helper()
	tok, err := cluster.ParseToken(token)
	if err != nil {
		t.Fatal(err)
	}
	key, err := identity.LoadKey(identity.KeyPath(dir, identity.NodeName))
	if err != nil {
		t.Fatal(err)
	}
	tok.ExpiresMs = 1
	if tok, err = cluster.SignToken(key, tok); err != nil {
		t.Fatal(err)
	}
	return cluster.EncodeToken(tok)
}

// noSecretIsReadable looks for the present gossip key, as bytes, hex and base64, in every other file of a data directory.
func noSecretIsReadable(t *testing.T, dir string) {
	t.Helper()
	const head = len("nexus-gossip-keys-1\n") + 32
	path := filepath.Join(dir, "gossip.keys")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v: %v", info.Mode(), err)
	}
	var kept struct {
		Cluster nexus.ID
		Keeper  nexus.PublicKey
		Ring    []byte
	}
	if err := nexus.Decode(b[head:], &kept); err != nil {
		t.Fatal(err)
	}
	ring, err := cluster.DecodeKeyring(kept.Ring)
	if err != nil {
		t.Fatal(err)
	}
	used := ring.Used()
	secret := used.Secret[:]
	forms := []string{string(secret), hex.EncodeToString(secret), base64.RawStdEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(secret)}
	if !strings.Contains(string(b), forms[0]) {
		t.Fatal("the search is blind")
	}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == "gossip.keys" {
			return err
		}
		b, err := os.ReadFile(path)
		for _, form := range forms {
			if strings.Contains(string(b), form) {
				t.Errorf("%s holds the gossip key", path)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
