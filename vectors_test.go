package nexus_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// hexBytes is a byte string written in hexadecimal.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	*h = raw
	return err
}

func readVectors[T any](t *testing.T, name string) T {
	t.Helper()
	var vectors T
	data, err := os.ReadFile(filepath.Join("testdata", "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&vectors); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return vectors
}

type primitive struct {
	Type, Note, Why string
	Value           json.RawMessage
	Hex             hexBytes
}

// newOf gives a pointer to a zero value of a type named in the vectors.
func newOf(t *testing.T, name string) any {
	t.Helper()
	targets := map[string]any{"uint64": new(uint64), "int64": new(int64), "bool": new(bool), "string": new(string),
		"bytes": new([]byte), "id": new(nexus.ID), "strings": new([]string)}
	if targets[name] == nil {
		t.Fatalf("vectors name an unknown type %q", name)
	}
	return targets[name]
}

func parsePrimitive(t *testing.T, p primitive) any {
	t.Helper()
	var err error
	target := newOf(t, p.Type)
	var text string
	if p.Type != "bool" && p.Type != "strings" {
		if err := json.Unmarshal(p.Value, &text); err != nil {
			t.Fatal(err)
		}
	}
	switch v := target.(type) {
	case *uint64:
		*v, err = strconv.ParseUint(text, 10, 64)
	case *int64:
		*v, err = strconv.ParseInt(text, 10, 64)
	case *[]byte:
		*v, err = hex.DecodeString(text)
	case *nexus.ID:
		err = v.UnmarshalText([]byte(text))
	default:
		err = json.Unmarshal(p.Value, v)
	}
	if err != nil {
		t.Fatalf("value %s of type %s: %v", p.Value, p.Type, err)
	}
	return target
}

func TestPrimitiveVectors(t *testing.T) {
	t.Parallel()
	vectors := readVectors[struct{ Accepted, Refused []primitive }](t, "primitives.json")
	if len(vectors.Accepted) < 30 || len(vectors.Refused) < 10 {
		t.Fatalf("only %d and %d vectors", len(vectors.Accepted), len(vectors.Refused))
	}
	for _, p := range vectors.Accepted {
		want := encodePointed(parsePrimitive(t, p))
		if !bytes.Equal(want, p.Hex) {
			t.Errorf("%s %s encodes to %x, want %x", p.Type, p.Value, want, p.Hex)
		}
		got := newOf(t, p.Type)
		if err := nexus.Decode(p.Hex, got); err != nil || !bytes.Equal(encodePointed(got), p.Hex) {
			t.Errorf("%s %x decodes to %v, %v", p.Type, p.Hex, got, err)
		}
	}
	for _, p := range vectors.Refused {
		if err := nexus.Decode(p.Hex, newOf(t, p.Type)); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("%s %x (%s) gives %v, want a refusal", p.Type, p.Hex, p.Why, err)
		}
	}
}

func encodePointed(pointer any) []byte {
	switch v := pointer.(type) {
	case *uint64:
		return nexus.Encode(*v)
	case *int64:
		return nexus.Encode(*v)
	case *bool:
		return nexus.Encode(*v)
	case *string:
		return nexus.Encode(*v)
	case *[]byte:
		return nexus.Encode(*v)
	case *nexus.ID:
		return nexus.Encode(*v)
	case *[]string:
		return nexus.Encode(*v)
	}
	return nil
}

func TestDerivedIDVectors(t *testing.T) {
	t.Parallel()
	seen := map[nexus.ID]bool{}
	for _, v := range readVectors[[]struct {
		Domain string
		Parts  []hexBytes
		ID     nexus.ID
	}](t, "ids.json") {
		var parts [][]byte
		for _, part := range v.Parts {
			parts = append(parts, part)
		}
		if got := nexus.DeriveID(v.Domain, parts...); got != v.ID {
			t.Errorf("DeriveID(%q, %x) = %s, want %s", v.Domain, v.Parts, got, v.ID)
		}
		seen[v.ID] = true
	}
	if len(seen) != 4 { // the same bytes cut differently into parts are other ids
		t.Errorf("%d distinct ids, want 4", len(seen))
	}
}

func TestActionVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors[[]struct {
		Name, Digest string
		Seed         hexBytes
		Action       struct {
			Version   uint8           `json:"version"`
			Cluster   nexus.ID        `json:"cluster"`
			ID        nexus.ID        `json:"id"`
			Kind      string          `json:"kind"`
			Unit      nexus.ID        `json:"unit"`
			Actor     nexus.PublicKey `json:"actor"`
			TimeMs    int64           `json:"time_ms"`
			ExpiresMs int64           `json:"expires_ms"`
			Body      hexBytes        `json:"body"`
		}
		SigningBytes hexBytes `json:"signing_bytes"`
		Signature    hexBytes
		Encoded      hexBytes
	}](t, "actions.json") {
		f := v.Action
		action := nexus.Action{Version: f.Version, Cluster: f.Cluster, ID: f.ID, Kind: f.Kind, Unit: f.Unit,
			TimeMs: f.TimeMs, ExpiresMs: f.ExpiresMs, Body: f.Body}
		signed, err := nexus.SignAction(nexus.KeySigner(ed25519.NewKeyFromSeed(v.Seed)), action)
		if err != nil {
			t.Fatal(err)
		}
		if signed.Actor != f.Actor || !bytes.Equal(signed.SigningBytes(), v.SigningBytes) {
			t.Errorf("%s: %s signs %x, want %s over %x", v.Name, signed.Actor, signed.SigningBytes(), f.Actor,
				v.SigningBytes)
		}
		if !bytes.Equal(signed.Signature, v.Signature) || signed.Digest().String() != v.Digest {
			t.Errorf("%s: signature %x, digest %s", v.Name, signed.Signature, signed.Digest())
		}
		if got := nexus.Encode(signed); !bytes.Equal(got, v.Encoded) {
			t.Errorf("%s: encodes to %x, want %x", v.Name, got, v.Encoded)
		}
		var read nexus.Action
		if err := nexus.Decode(v.Encoded, &read); err != nil || read.Validate() != nil || !read.Verify() {
			t.Errorf("%s: read back: %v, %v, verifies: %t", v.Name, err, read.Validate(), read.Verify())
		}
	}
}

func TestQueryVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors[[]struct {
		Name  string
		Seed  hexBytes
		Query struct {
			Cluster nexus.ID        `json:"cluster"`
			Method  string          `json:"method"`
			Target  string          `json:"target"`
			Actor   nexus.PublicKey `json:"actor"`
			TimeMs  int64           `json:"time_ms"`
		}
		SigningBytes hexBytes `json:"signing_bytes"`
		Signature    hexBytes
		Encoded      hexBytes
	}](t, "queries.json") {
		signer := nexus.KeySigner(ed25519.NewKeyFromSeed(v.Seed))
		query := nexus.Query{Cluster: v.Query.Cluster, Method: v.Query.Method, Target: v.Query.Target,
			Actor: signer.Public(), TimeMs: v.Query.TimeMs}
		if query.Actor != v.Query.Actor || !bytes.Equal(query.SigningBytes(), v.SigningBytes) {
			t.Errorf("%s: actor %s signs %x, want %x", v.Name, query.Actor, query.SigningBytes(), v.SigningBytes)
		}
		query.Signature, _ = signer.Sign(query.SigningBytes())
		if !bytes.Equal(nexus.Encode(query), v.Encoded) || !bytes.Equal(query.Signature, v.Signature) || !query.Verify() {
			t.Errorf("%s: encodes to %x, want %x", v.Name, nexus.Encode(query), v.Encoded)
		}
	}
}
