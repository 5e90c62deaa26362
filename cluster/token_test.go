package cluster

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func signer(seed byte) nexus.KeySigner {
	raw := make([]byte, ed25519.SeedSize)
	raw[0] = seed
	return nexus.KeySigner(ed25519.NewKeyFromSeed(raw))
}

func validToken(tb testing.TB) Token {
	tb.Helper()
	t, err := SignToken(signer(1), Token{Cluster: nexus.ID{1}, Seeds: []string{"127.0.0.1:7946", "[::1]:7947"},
		GossipKey: [32]byte{2}, Label: "edge-2", ExpiresMs: 1_000_000})
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func TestTokenSurvivesPrinting(t *testing.T) {
	t.Parallel()
	want := validToken(t)
	line := EncodeToken(want)
	if !strings.HasPrefix(line, "nexus-join-1:") || strings.ContainsAny(line, " \n=") {
		t.Fatalf("printed as %q", line)
	}
	got, err := ParseToken("  " + line + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if EncodeToken(got) != line {
		t.Error("token changed on the way")
	}
	if err := got.Verify(time.UnixMilli(999_999)); err != nil {
		t.Error(err)
	}
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	good := validToken(t)
	now := time.UnixMilli(1)
	if err := good.Verify(time.UnixMilli(1_000_000)); nexus.CodeOf(err) != nexus.CodeRefused ||
		!strings.Contains(err.Error(), "expired") {
		t.Errorf("expired token: %v", err)
	}
	changes := map[string]func(*Token){
		"seeds":   func(x *Token) { x.Seeds = []string{"10.0.0.1:1"} },
		"key":     func(x *Token) { x.GossipKey[5] ^= 1 },
		"cluster": func(x *Token) { x.Cluster[1] ^= 1 },
		"expiry":  func(x *Token) { x.ExpiresMs++ },
		"label":   func(x *Token) { x.Label = "other" },
		"issuer":  func(x *Token) { x.Issuer = signer(9).Public() },
	}
	for name, change := range changes {
		x := good
		change(&x)
		if err := x.Verify(now); nexus.CodeOf(err) != nexus.CodeRefused || !strings.Contains(err.Error(), "signature") {
			t.Errorf("%s changed: %v", name, err)
		}
	}
	line := EncodeToken(good)
	for _, bad := range []string{"", "x", TokenPrefix, line[:len(line)-3], line + "AAAA",
		strings.Replace(line, "-1:", "-2:", 1), line[:30] + "\n" + line[30:],
		TokenPrefix + strings.Repeat("A", MaxTokenBytes)} {
		if _, err := ParseToken(bad); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
	for name, x := range map[string]Token{
		"no seeds":  {Cluster: nexus.ID{1}, GossipKey: [32]byte{1}, ExpiresMs: 1},
		"bad seed":  {Cluster: nexus.ID{1}, GossipKey: [32]byte{1}, ExpiresMs: 1, Seeds: []string{"nowhere"}},
		"no key":    {Cluster: nexus.ID{1}, ExpiresMs: 1, Seeds: []string{"a:1"}},
		"no expiry": {Cluster: nexus.ID{1}, GossipKey: [32]byte{1}, Seeds: []string{"a:1"}},
		"no id":     {GossipKey: [32]byte{1}, ExpiresMs: 1, Seeds: []string{"a:1"}},
	} {
		if _, err := SignToken(signer(1), x); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(EncodeToken(validToken(f)))
	f.Add(TokenPrefix)
	f.Add(TokenPrefix + "AAAA")
	f.Fuzz(func(t *testing.T, line string) {
		token, err := ParseToken(line)
		if err != nil {
			if nexus.CodeOf(err) != nexus.CodeMalformed {
				t.Fatalf("code %s: %v", nexus.CodeOf(err), err)
			}
			return
		}
		if EncodeToken(token) != strings.TrimSpace(line) {
			t.Fatalf("%q reads as a token that prints %q", line, EncodeToken(token))
		}
	})
}
