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
	got := reflect.New(reflect.TypeOf(body))
	if err := nexus.Decode(ans.Body, got.Interface()); err != nil {
		return nil, notMine(kind, "it is of another form")
	}
	keys := ans.Keys
	for i := range got.Elem().NumField() {
		field := got.Elem().Field(i)
		if field.Kind() != reflect.String {
			continue
		}
		want := reflect.ValueOf(body).Field(i).String()
		if field.String() == want {
			continue
		}
		t, err := personal.Parse(field.String())
		var key [personal.SecretLen]byte
		if err != nil || len(keys) == 0 || copy(key[:], keys[0]) != len(keys[0]) {
			return nil, notMine(kind, "a text was changed and is not sealed")
		}
		keys = keys[1:]
		if words, err := personal.OpenMessage(key, &t, n.Cluster()); err != nil || words != want {
			return nil, notMine(kind, "a sealed text holds other words")
		}
		field.SetString(want)
	}
	if string(nexus.Encode(got.Elem().Interface())) != string(plain) {
		return nil, notMine(kind, "something else was changed in it")
	}
	return ans.Body, nil
}

func notMine(kind, why string) error {
	return nexus.Errf(kind, nexus.CodeCorrupt, "body to sign", "do not trust this node", "the node gave back another than it was given: %s", why)
}
