package cluster

import (
	"fmt"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func gossipKey(generation uint64) GossipKey {
	return GossipKey{Generation: generation, Secret: [32]byte{7, byte(generation)}}
}

func TestARotationsSteps(t *testing.T) {
	t.Parallel()
	k := SettledKeyring(gossipKey(1))
	for generation := uint64(2); generation < 6; generation++ {
		before := k.Version
		installed, err := k.Install(gossipKey(generation))
		if err != nil {
			t.Fatal(err)
		}
		used := installed.Advance()
		for _, c := range []struct {
			ring          Keyring
			step          KeyStep
			keys          int
			used, version uint64
		}{{k, KeysSettled, 1, generation - 1, before}, {installed, KeysInstalled, 2, generation - 1, before + 1},
			{used, KeysInUse, 2, generation, before + 2}, {used.Advance(), KeysSettled, 1, generation, before + 3}} {
			if c.ring.Step() != c.step || len(c.ring.Keys) != c.keys || c.ring.Used() != gossipKey(c.used) || c.ring.Version != c.version {
				t.Errorf("%s: %d keys, version %d, in use %s", c.ring.Step(), len(c.ring.Keys), c.ring.Version, c.ring.Used())
			}
			if err := c.ring.Validate(); err != nil {
				t.Error(err)
			}
			if c.step == KeysSettled {
				continue
			}
			if _, err := c.ring.Install(gossipKey(9)); nexus.CodeOf(err) != nexus.CodeConflict {
				t.Errorf("a second rotation in the midst of one: %v", err)
			}
		}
		k = used.Advance()
		if k.Advance().Version != k.Version {
			t.Error("a settled ring moved")
		}
	}
	if _, err := k.Install(gossipKey(5)); nexus.CodeOf(err) != nexus.CodeConflict {
		t.Errorf("rotated to the key in use: %v", err)
	}
	jumped, err := k.Install(gossipKey(9)) // a node that restarts after several decisions goes to the last
	if err != nil || jumped.Validate() != nil || jumped.Advance().Advance().Version != SettledKeyring(gossipKey(9)).Version {
		t.Errorf("jump: %v", err)
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	t.Parallel()
	k := SettledKeyring(GossipKey{Generation: 1, Secret: [32]byte([]byte("0123456789abcdefghijklmnopqrstuv"))})
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s %x", k, k, k, k.Keys[0], k.Keys[0])} {
		for _, secret := range []string{"0123456789ab", "48 49 50 51", "30313233", "0x30, 0x31"} {
			if strings.Contains(text, secret) {
				t.Errorf("printed: %s", text)
			}
		}
	}
	if other := gossipKey(1); other.ID() == k.Keys[0].ID() || len(other.ID()) != 16 {
		t.Errorf("ids %s and %s", other.ID(), k.Keys[0].ID())
	}
}

func TestRingsThatDoNotFit(t *testing.T) {
	t.Parallel()
	good, err := SettledKeyring(gossipKey(3)).Install(gossipKey(4))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Keyring){
		"version":   func(k *Keyring) { k.Version++ },
		"primary":   func(k *Keyring) { k.Primary = 4 },
		"order":     func(k *Keyring) { k.Keys = []GossipKey{k.Keys[1], k.Keys[0]} },
		"one key":   func(k *Keyring) { k.Keys = k.Keys[:1] },
		"no key":    func(k *Keyring) { k.Keys = nil },
		"empty key": func(k *Keyring) { k.Keys = []GossipKey{k.Keys[0], {Generation: 4}} },
		"same key":  func(k *Keyring) { k.Keys = []GossipKey{k.Keys[0], {Generation: 4, Secret: k.Keys[0].Secret}} },
		"overflow":  func(k *Keyring) { *k = SettledKeyring(GossipKey{Generation: 1 << 61, Secret: [32]byte{1}}) },
	} {
		k := good
		change(&k)
		if _, err := DecodeKeyring(k.Encode()); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
	got, err := DecodeKeyring(good.Encode())
	if err != nil || got.Version != good.Version {
		t.Errorf("%v", err)
	}
}

func FuzzDecodeKeyring(f *testing.F) {
	f.Add(SettledKeyring(gossipKey(1)).Encode())
	if k, err := SettledKeyring(gossipKey(3)).Install(gossipKey(4)); err == nil {
		f.Add(k.Encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := DecodeKeyring(b)
		if err == nil && (string(got.Encode()) != string(b) || got.Used().Secret == [32]byte{}) {
			t.Fatalf("accepted %x", b)
		}
	})
}
