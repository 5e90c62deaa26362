package cluster

import (
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func TestViewAdmitsOnlyKeysItWasGiven(t *testing.T) {
	t.Parallel()
	a, b, c := signer(1).Public(), signer(2).Public(), signer(3).Public()
	nodes := []Node{
		{Name: NodeName(b), Key: b, Label: "b", State: StateAlive, Admitted: true}, // claims to be admitted
		{Name: NodeName(a), Key: a, Label: "a", State: StateAlive},
		{Name: NodeName(a), Key: c, Label: "c", State: StateAlive}, // name of another key
		{Name: NodeName(c), Key: c, Label: "d", State: StateFailed},
	}
	v := NewView(4, nodes, map[nexus.PublicKey]bool{a: true, c: true})
	got := v.Nodes()
	want := []struct {
		label, status string
		routable      bool
	}{{"a", "alive", true}, {"b", "unadmitted", false}, {"c", "unadmitted", false}, {"d", "failed", false}}
	for i, w := range want {
		if got[i].Label != w.label || got[i].Status() != w.status || got[i].Routable() != w.routable {
			t.Errorf("node %d: %s %s routable %v, want %+v", i, got[i].Label, got[i].Status(), got[i].Routable(), w)
		}
	}
	if v.Len() != 4 || v.Alive() != 3 || v.Version() != 4 || nodes[0].Label != "b" {
		t.Errorf("view %+v, input %+v", v, nodes[0])
	}
	got[0].Label = "changed"
	if v.Nodes()[0].Label != "a" {
		t.Error("a caller changed the view")
	}
	if n, ok := v.Get(NodeName(b)); !ok || n.Label != "b" {
		t.Errorf("get: %+v, %v", n, ok)
	}
	if _, ok := v.Get("nobody"); ok {
		t.Error("found nobody")
	}
}

func TestRecordSignature(t *testing.T) {
	t.Parallel()
	id := nexus.ID{7}
	s, err := SignRecord(signer(1), Record{Cluster: id, Label: "edge-1", Role: string(RoleEdge),
		GossipAddr: "127.0.0.1:1", APIAddr: "127.0.0.1:2", IssuedMs: 5})
	if err != nil {
		t.Fatal(err)
	}
	read, err := DecodeRecord(s.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if err := read.Verify(id); err != nil || read.Digest() != s.Digest() {
		t.Errorf("verify: %v", err)
	}
	if err := read.Verify(nexus.ID{8}); nexus.CodeOf(err) != nexus.CodeRefused {
		t.Errorf("foreign cluster: %v", err)
	}
	read.Record.APIAddr = "127.0.0.1:3"
	if err := read.Verify(id); nexus.CodeOf(err) != nexus.CodeRefused {
		t.Errorf("changed record: %v", err)
	}
	if read.Digest() == s.Digest() {
		t.Error("digest does not cover the address")
	}
	for _, bad := range []Record{{Role: "edge"}, {Label: "x", Role: "king"}} {
		if _, err := SignRecord(signer(1), bad); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	s, err := SignRecord(signer(1), Record{Cluster: nexus.ID{7}, Label: "edge-1", Role: string(RoleEdge)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := DecodeRecord(b)
		if err == nil && string(got.Encode()) != string(b) {
			t.Fatalf("accepted %x", b)
		}
	})
}
