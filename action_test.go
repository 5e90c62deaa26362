package nexus_test

import (
	"crypto/ed25519"
	"errors"
	"math"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func testSigner(seed byte) nexus.KeySigner {
	return nexus.KeySigner(ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(seed)), ed25519.SeedSize))))
}

func signedAction(t *testing.T) nexus.Action {
	t.Helper()
	a, err := nexus.SignAction(testSigner('a'), nexus.Action{Version: 1, Cluster: nexus.ID{1}, ID: nexus.ID{2},
		Kind: "imvu.create", Unit: nexus.ID{3}, TimeMs: 1_790_000_000_000, ExpiresMs: 1_790_000_060_000,
		Body: []byte("body")})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestEveryFieldIsSigned(t *testing.T) {
	t.Parallel()
	good := signedAction(t)
	if !good.Verify() {
		t.Fatal("a freshly signed action does not verify")
	}
	changes := map[string]func(*nexus.Action){
		"version":         func(a *nexus.Action) { a.Version = 2 },
		"cluster":         func(a *nexus.Action) { a.Cluster[15] ^= 1 },
		"id":              func(a *nexus.Action) { a.ID[0] ^= 1 },
		"kind":            func(a *nexus.Action) { a.Kind = "imvu.createx" },
		"unit":            func(a *nexus.Action) { a.Unit[7] ^= 1 },
		"actor":           func(a *nexus.Action) { a.Actor = testSigner('b').Public() },
		"time":            func(a *nexus.Action) { a.TimeMs++ },
		"expiry":          func(a *nexus.Action) { a.ExpiresMs++ },
		"body":            func(a *nexus.Action) { a.Body = []byte("bodx") },
		"signature":       func(a *nexus.Action) { a.Signature = append([]byte{a.Signature[0] ^ 1}, a.Signature[1:]...) },
		"no signature":    func(a *nexus.Action) { a.Signature = nil },
		"short signature": func(a *nexus.Action) { a.Signature = a.Signature[:63] },
	}
	for name, change := range changes {
		changed := good
		change(&changed)
		if changed.Verify() {
			t.Errorf("an action with another %s still verifies", name)
		}
		signatureOnly := strings.Contains(name, "signature")
		if (changed.Digest() == good.Digest()) != signatureOnly {
			t.Errorf("another %s: digest equal: %t", name, changed.Digest() == good.Digest())
		}
	}
}

// A signature made for a read must never open a write, whatever the bytes are made to look like.
func TestSignaturesDoNotCrossDomains(t *testing.T) {
	t.Parallel()
	signer := testSigner('a')
	query := nexus.Query{Cluster: nexus.ID{1}, Method: "GET", Target: "/v1/tally", Actor: signer.Public(), TimeMs: 5}
	query.Signature, _ = signer.Sign(query.SigningBytes())
	if !query.Verify() {
		t.Fatal("a freshly signed query does not verify")
	}
	action := signedAction(t)
	action.Signature = query.Signature
	if action.Verify() || strings.HasPrefix(string(query.SigningBytes()), string(action.SigningBytes()[:16])) {
		t.Error("actions and queries share a signing domain")
	}
	query.Target = "/v1/tally?all=1"
	if query.Verify() {
		t.Error("a query with another target still verifies")
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	if err := signedAction(t).Validate(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		want   string
		change func(*nexus.Action)
	}{
		{"version 0", func(a *nexus.Action) { a.Version = 0 }},
		{"version 2", func(a *nexus.Action) { a.Version = 2 }},
		{"id", func(a *nexus.Action) { a.ID = nexus.ID{} }},
		{`kind ""`, func(a *nexus.Action) { a.Kind = "" }},
		{"64 bytes", func(a *nexus.Action) { a.Kind = strings.Repeat("k", 65) }},
		{"actor", func(a *nexus.Action) { a.Actor = nexus.PublicKey{} }},
		{"life of 0 ms", func(a *nexus.Action) { a.ExpiresMs = a.TimeMs }},
		{"life of 86400001 ms", func(a *nexus.Action) { a.ExpiresMs = a.TimeMs + nexus.MaxActionLife + 1 }},
		{"time 0", func(a *nexus.Action) { a.TimeMs, a.ExpiresMs = 0, 5 }},
		{"time -9223372036854775808", func(a *nexus.Action) { a.TimeMs, a.ExpiresMs = math.MinInt64, math.MaxInt64 }},
		{"body of 16777217 bytes", func(a *nexus.Action) { a.Body = make([]byte, nexus.MaxCanonicalLen+1) }},
	}
	for _, tt := range tests {
		a := signedAction(t)
		tt.change(&a)
		err := a.Validate()
		if nexus.CodeOf(err) != nexus.CodeMalformed || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want it malformed and naming %q", err, tt.want)
		}
	}
}

var errAgentGone = errors.New("agent gone")

// lostSigner stands for an ssh-agent that stopped answering.
type lostSigner struct{ nexus.KeySigner }

func (lostSigner) Sign([]byte) ([]byte, error) { return nil, errAgentGone }

func TestSignerThatFails(t *testing.T) {
	t.Parallel()
	a, err := nexus.SignAction(lostSigner{testSigner('a')}, nexus.Action{Version: 1})
	if !errors.Is(err, errAgentGone) || nexus.CodeOf(err) != nexus.CodeUnavailable || a.Signature != nil {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	inner := nexus.Errf("parse", nexus.CodeMalformed, `name ""`, "give a name", "empty")
	outer := &nexus.Error{Op: "imvu create", Code: nexus.CodeUsage, Cause: inner}
	for err, want := range map[*nexus.Error]string{
		inner:                                  `parse: name "": empty (give a name)`,
		outer:                                  `imvu create: parse: name "": empty (give a name)`,
		{Op: "stop", Code: nexus.CodeNoNode}:   "stop: no_node",
		{Code: nexus.CodeInternal, Hint: "hm"}: "internal (hm)",
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err.Error(), want)
		}
	}
	if nexus.CodeOf(outer) != nexus.CodeUsage || nexus.CodeOf(nil) != "" {
		t.Error("CodeOf does not give the outermost code")
	}
	if nexus.CodeOf(errAgentGone) != nexus.CodeInternal {
		t.Error("an error of no code is not internal")
	}
}
