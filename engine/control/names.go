package control

import (
	"regexp"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// keyWords is how the state machine's texts name a key (nexus.PublicKey.Short).
var keyWords = regexp.MustCompile(`\bkey ([0-9a-f]{8})\b`)

// keyNames puts names for keys into texts that stand in the ledger. What is stored stays as it is: it is compared and replayed, and a name is
// for whoever reads now. It lives for one view of the state.
type keyNames struct {
	st    *state.State
	names map[string]string // by the short form; empty: two keys share it
}

// in gives a text with the name of each key that is known here. A text without a key costs nothing.
func (k *keyNames) in(text string) string {
	if !strings.Contains(text, "key ") {
		return text
	}
	return keyWords.ReplaceAllStringFunc(text, func(found string) string {
		if name := k.all()[strings.TrimPrefix(found, "key ")]; name != "" {
			return name
		}
		return found
	})
}

func (k *keyNames) all() map[string]string {
	if k.names != nil {
		return k.names
	}
	k.names = make(map[string]string, len(k.st.Identities))
	for key, id := range k.st.Identities {
		short, name := key.Short(), id.Name
		if _, twice := k.names[short]; twice {
			name = ""
		}
		k.names[short] = name
	}
	return k.names
}

// nameIn is the name of a key's identity, empty when it is of none here.
func nameIn(st *state.State, key nexus.PublicKey) string {
	if id := st.Identities[key]; id != nil {
		return id.Name
	}
	return ""
}
