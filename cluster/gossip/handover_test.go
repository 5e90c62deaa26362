package gossip

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster"
)

func keyOf(generation uint64) cluster.GossipKey {
	return cluster.GossipKey{Generation: generation, Secret: sha256.Sum256([]byte{5, byte(generation), byte(generation >> 8)})}
}

var handoverCluster = nexus.ID{3}

func TestKeysAreHandedToAdmittedNodesAlone(t *testing.T) {
	t.Parallel()
	home, node := signer(1), signer(2)
	ring := cluster.SettledKeyring(keyOf(4))
	admitted := func(k nexus.PublicKey) bool { return k == node.Public() }
	question, open, err := ask(node, handoverCluster, home.Public())
	if err != nil {
		t.Fatal(err)
	}
	reply, err := answer(home, handoverCluster, admitted, ring, question)
	if err != nil {
		t.Fatal(err)
	}
	got, err := open(reply)
	if err != nil || !bytes.Equal(got.Encode(), ring.Encode()) {
		t.Fatalf("handed over %+v: %v", got, err)
	}
	secret := keyOf(4).Secret
	if bytes.Contains(reply, secret[:8]) || bytes.Contains(question, secret[:8]) {
		t.Error("the key goes over the network in the clear")
	}
	// The same answer to another question, of the same node or of another, opens nothing.
	_, again, err := ask(node, handoverCluster, home.Public())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again(reply); err == nil {
		t.Error("an old answer was taken for a new one")
	}
	// Each byte of an answer counts.
	for i := range reply {
		bad := bytes.Clone(reply)
		bad[i] ^= 1
		if _, err := open(bad); err == nil {
			t.Fatalf("byte %d of the answer does not count", i)
		}
	}
	for i := range question {
		bad := bytes.Clone(question)
		bad[i] ^= 1
		if _, err := answer(home, handoverCluster, func(nexus.PublicKey) bool { return true }, ring, bad); err == nil {
			t.Fatalf("byte %d of the question does not count", i)
		}
	}
}

func TestKeysAreNotHandedToOrByOthers(t *testing.T) {
	t.Parallel()
	home, node, stranger := signer(1), signer(2), signer(3)
	ring := cluster.SettledKeyring(keyOf(4))
	admitted := func(k nexus.PublicKey) bool { return k == node.Public() }
	refused, open, err := ask(stranger, handoverCluster, home.Public())
	if err != nil {
		t.Fatal(err)
	}
	reply, err := answer(home, handoverCluster, admitted, ring, refused)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(reply); !errors.Is(err, errNotAdmitted) {
		t.Errorf("to a stranger: %v", err)
	}
	_, again, err := ask(stranger, handoverCluster, home.Public())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again(reply); err == nil || errors.Is(err, errNotAdmitted) {
		t.Errorf("an old refusal was taken for a new one: %v", err)
	}
	// An answer that somebody else than the keeper made.
	mine, open, err := ask(node, handoverCluster, home.Public())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := answer(stranger, handoverCluster, admitted, ring, mine); err == nil {
		t.Error("a node answered in the keeper's place")
	}
	var r keyRequest
	if err := nexus.Decode(mine, &r); err != nil {
		t.Fatal(err)
	}
	r.Keeper = stranger.Public()
	if r.Signature, err = node.Sign(r.signed()); err != nil {
		t.Fatal(err)
	}
	reply, err = answer(stranger, handoverCluster, admitted, ring, nexus.Encode(r))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(reply); err == nil {
		t.Error("took another node's keys")
	}
}

func TestKeptKeys(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gossip.keys")
	home := signer(1).Public()
	if _, err := loadKeys(path, handoverCluster, home); nexus.CodeOf(err) != nexus.CodeNotFound {
		t.Errorf("no file: %v", err)
	}
	for generation := uint64(1); generation < 3; generation++ {
		ring := cluster.SettledKeyring(keyOf(generation))
		if err := os.WriteFile(path+".new", []byte("left by a crash"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := saveKeys(path, keyFile{Cluster: handoverCluster, Keeper: home, Ring: ring.Encode()}); err != nil {
			t.Fatal(err)
		}
		got, err := loadKeys(path, handoverCluster, home)
		if err != nil || got.Version != ring.Version || !HasKeys(path, handoverCluster, home) {
			t.Errorf("%+v: %v", got, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
	if HasKeys(path, nexus.ID{4}, home) || HasKeys(path, handoverCluster, signer(2).Public()) {
		t.Error("keys of another cluster or keeper were taken")
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if _, err := decodeKeyFile(bad, handoverCluster, home); err == nil {
			t.Fatalf("byte %d of the file does not count", i)
		}
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("x", maxKeyFile+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadKeys(path, handoverCluster, home); nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Errorf("a long file: %v", err)
	}
}

func FuzzDecodeKeyFile(f *testing.F) {
	home := signer(1).Public()
	f.Add(encodeKeyFile(keyFile{Cluster: handoverCluster, Keeper: home, Ring: cluster.SettledKeyring(keyOf(4)).Encode()}))
	f.Fuzz(func(t *testing.T, b []byte) {
		ring, err := decodeKeyFile(b, handoverCluster, home)
		if err == nil && !bytes.Equal(encodeKeyFile(keyFile{Cluster: handoverCluster, Keeper: home, Ring: ring.Encode()}), b) {
			t.Fatalf("accepted %x", b)
		}
	})
}

// FuzzHandover gives both sides what the network may bring.
func FuzzHandover(f *testing.F) {
	home, node := signer(1), signer(2)
	ring := cluster.SettledKeyring(keyOf(4))
	all := func(nexus.PublicKey) bool { return true }
	question, _, err := ask(node, handoverCluster, home.Public())
	if err != nil {
		f.Fatal(err)
	}
	reply, err := answer(home, handoverCluster, all, ring, question)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append([]byte{1, 0}, question...), reply)
	f.Fuzz(func(t *testing.T, asked, replied []byte) {
		if b, err := readFrame(bytes.NewReader(asked)); err == nil {
			if len(b) > maxHandoverBytes {
				t.Fatalf("a frame of %d bytes", len(b))
			}
			asked = b
		}
		var r keyRequest
		if _, err := answer(home, handoverCluster, all, ring, asked); err == nil &&
			(nexus.Decode(asked, &r) != nil || !r.Node.Verify(r.signed(), r.Signature)) {
			t.Fatalf("answered %x", asked)
		}
		_, open, err := ask(node, handoverCluster, home.Public())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := open(replied); err == nil {
			t.Fatalf("took %x for an answer to a question that was never asked", replied)
		}
	})
}
