package main

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// A node that seals other words than it was given, or changes anything else, is found out before anything is signed.
func TestOnlyOnesOwnWordsAreSigned(t *testing.T) {
	cluster := nexus.ID{1}
	k := &personal.Key{Subject: nexus.PublicKey{2}, Secret: [32]byte{3}}
	seal := func(words string) (string, []byte) {
		x, err := personal.Seal(k, cluster, nexus.ID{4}, personal.FieldReason, words, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key := k.MessageKey(&x, cluster)
		return x.String(), key[:]
	}
	reference, key1 := seal("tr_1")
	reason, key2 := seal("closed")
	other, key3 := seal("open")
	plain := state.PayoutSettle{Reference: "tr_1", Reason: "closed"}
	keys := [][]byte{key1, key2}
	inner := state.TransferMake{Currency: "USD", Minor: 5, Reason: "closed"}
	proposal := func(b state.TransferMake, reason string) state.ProposalOpen {
		return state.ProposalOpen{Kind: state.KindTransferMake, Body: nexus.Encode(b), Reason: reason}
	}
	changed := inner
	changed.Minor, changed.Reason = 50, reason
	sealedInner := inner
	sealedInner.Reason = reason
	for _, c := range []struct {
		what, kind    string
		plain, sealed any
		keys          [][]byte
		want          string
	}{
		{"as it was", state.KindPayoutPost, plain, state.PayoutSettle{Reference: reference, Reason: reason}, keys, ""},
		{"nothing sealed", state.KindPayoutPost, plain, plain, nil, ""},
		{"other words", state.KindPayoutPost, plain, state.PayoutSettle{Reference: reference, Reason: other}, [][]byte{key1, key3}, "other words"},
		{"the keys exchanged", state.KindPayoutPost, plain, state.PayoutSettle{Reference: reference, Reason: reason}, [][]byte{key2, key1}, "other words"},
		{"a key kept back", state.KindPayoutPost, plain, state.PayoutSettle{Reference: reference, Reason: reason}, keys[:1], "is not sealed"},
		{"a long key", state.KindPayoutPost, plain, state.PayoutSettle{Reference: reference, Reason: reason}, [][]byte{append(key1, 0), key2}, "is not sealed"},
		{"plain words changed", state.KindPayoutPost, plain, state.PayoutSettle{Reference: "tr_2", Reason: reason}, keys, "is not sealed"},
		{"another payout", state.KindPayoutPost, plain, state.PayoutSettle{Payout: nexus.ID{9}, Reference: reference, Reason: reason}, keys, "something else"},
		{"another form", state.KindPayoutPost, plain, state.UnitReason{Reason: reason}, keys, "another form"},
		{"a proposal", state.KindProposalOpen, proposal(inner, "closed"), proposal(sealedInner, reason), [][]byte{key2, key2}, ""},
		{"a proposal of more", state.KindProposalOpen, proposal(inner, "closed"), proposal(changed, reason), [][]byte{key2, key2}, "something else"},
	} {
		why := sameWords(c.kind, nexus.Encode(c.plain), nexus.Encode(c.sealed), &c.keys, cluster)
		if (why == "") != (c.want == "") || !strings.Contains(why, c.want) {
			t.Errorf("%s: %q, want %q", c.what, why, c.want)
		}
	}
}

// Who grants a change sees its sealed words opened on the own machine: a node cannot show others.
func TestAChangeIsShownAsItIs(t *testing.T) {
	cluster := nexus.ID{1}
	k := &personal.Key{Subject: nexus.PublicKey{2}, Secret: [32]byte{3}}
	x, err := personal.Seal(k, cluster, nexus.ID{4}, personal.FieldReason, "studio rent", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := k.MessageKey(&x, cluster)
	p := &state.Proposal{Kind: state.KindTransferMake, Body: nexus.Encode(state.TransferMake{Currency: "USD", Minor: 5, Reason: x.String()})}
	shown := func(words string, keys map[string][]byte) bool {
		change := strings.Replace(state.DescribeChange(p), x.String(), words, 1)
		return saysChange(&wire.ProposalRow{Change: change, Keys: keys}, p, cluster)
	}
	keys := map[string][]byte{hex.EncodeToString(x.Salt[:]): key[:]}
	wrong := map[string][]byte{hex.EncodeToString(x.Salt[:]): make([]byte, 32)}
	for _, c := range []struct {
		what  string
		words string
		keys  map[string][]byte
		want  bool
	}{
		{"the words", "studio rent", keys, true},
		{"other words", "studio rant", keys, false},
		{"the words without a key", "studio rent", nil, false},
		{"the words with another key", "studio rent", wrong, false},
		{"erased", engine.WordsErased, nil, true},
		{"hidden", personal.Hidden, nil, true},
		{"hidden though the key is there", personal.Hidden, keys, false},
	} {
		if got := shown(c.words, c.keys); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}
