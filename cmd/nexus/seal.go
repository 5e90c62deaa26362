package main

import (
	"context"
	"reflect"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// sealed gives an action's body with its personal texts sealed by the node, and checks that what is about to be signed are the words
// that were given, and no others.
func (n *node) sealed(ctx context.Context, kind string, unit nexus.ID, body any) ([]byte, error) {
	plain := nexus.Encode(body)
	if !state.HasPersonal(kind) {
		return plain, nil
	}
	var ans wire.SealAnswer
	if err := n.Post(ctx, "/v1/personal/seal", wire.SealRequest{Kind: kind, UnitID: unit.String(), Body: plain}, &ans); err != nil {
		return nil, err
	}
	if why := sameWords(kind, plain, ans.Body, &ans.Keys, n.Cluster()); why != "" {
		return nil, nexus.Errf(kind, nexus.CodeCorrupt, "body to sign", "do not trust this node", "the node gave back another than it was given: %s", why)
	}
	return ans.Body, nil
}

// sameWords says what of a sealed body is not what the plain one says, empty when it is the same. It takes the keys that it used.
func sameWords(kind string, plain, sealed []byte, keys *[][]byte, cluster nexus.ID) string {
	want, got := bodyOf(kind), bodyOf(kind)
	if want == nil || nexus.Decode(plain, want) != nil || nexus.Decode(sealed, got) != nil {
		return "it is of another form"
	}
	if w, ok := want.(*state.ProposalOpen); ok && string(w.Body) != string(got.(*state.ProposalOpen).Body) {
		g := got.(*state.ProposalOpen)
		if why := sameWords(w.Kind, w.Body, g.Body, keys, cluster); why != "" {
			return why
		}
		g.Body = w.Body
	}
	g := reflect.ValueOf(got).Elem()
	for i := range g.NumField() {
		if g.Field(i).Kind() != reflect.String {
			continue
		}
		words := reflect.ValueOf(want).Elem().Field(i).String()
		if g.Field(i).String() == words {
			continue
		}
		t, err := personal.Parse(g.Field(i).String())
		var key [personal.SecretLen]byte
		if err != nil || len(*keys) == 0 || copy(key[:], (*keys)[0]) != len((*keys)[0]) {
			return "a text was changed and is not sealed"
		}
		*keys = (*keys)[1:]
		if opened, err := personal.OpenMessage(key, &t, cluster); err != nil || opened != words {
			return "a sealed text holds other words"
		}
		g.Field(i).SetString(words)
	}
	if string(nexus.Encode(g.Interface())) != string(plain) {
		return "something else was changed in it"
	}
	return ""
}
