package verify_test

import (
	"bytes"
	"context"
	"testing"
	"testing/fstest"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// FuzzParseManifest: what is taken for a manifest is written again as it was read, and names no file outside its folder.
func FuzzParseManifest(f *testing.F) {
	m := verify.Manifest{Format: verify.BundleFormat, Files: []verify.ManifestFileLine{{Path: "a/b", Size: 1}}, NotHeld: []verify.ManifestNote{}}
	raw, err := m.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range []string{"a/b", "../b", "/b", "a//b", "MANIFEST.json", "."} {
		f.Add(bytes.Replace(raw, []byte("a/b"), []byte(path), 1))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := verify.ParseManifest(b)
		if err != nil {
			return
		}
		again, err := m.Bytes()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("read %q, written %q, %v", b, again, err)
		}
		for _, x := range m.Files {
			if _, err := (fstest.MapFS{}).Open(x.Path); err != nil && x.Path[0] == '/' {
				t.Errorf("a manifest names %q", x.Path)
			}
		}
	})
}

// FuzzParseKey: a key that is taken names the same key when it is written again.
func FuzzParseKey(f *testing.F) {
	k, err := verify.VerifierKey(verify.Options{Cluster: nexus.ID{1}, Key: nexus.PublicKey{2}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(k)
	f.Add(nexus.PublicKey{3}.String())
	f.Add("nexus/+a+b")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := verify.ParseKey(text)
		if err != nil {
			return
		}
		if again, err := verify.VerifierKey(o); o.Key.String() != text && (err != nil || again != text) {
			t.Errorf("%q was taken for %q, %v", text, again, err)
		}
	})
}

// Whatever stands in a folder is a finding, never a panic or a pass.
func FuzzCheckBundle(f *testing.F) {
	f.Add([]byte(`{"format":"nexus-bundle-v1"}`), []byte("x\n\n— a b\n"), []byte("{}\n"))
	f.Fuzz(func(t *testing.T, manifest, signature, export []byte) {
		dir := fstest.MapFS{verify.ManifestFile: {Data: manifest}, verify.SignatureFile: {Data: signature}, verify.ExportFile: {Data: export}}
		rep, err := verify.CheckBundle(context.Background(), dir, verify.Options{Key: nexus.PublicKey{1}})
		if err != nil || rep.Clean() {
			t.Errorf("taken for a bundle: %v", err)
		}
	})
}
