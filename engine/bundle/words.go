package bundle

import (
	"context"
	"encoding/json"
	"io"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// wordsLine is a line of words.jsonl: what a sealed text says that stands in one of the unit's entries.
type wordsLine struct {
	Entry  uint64 `json:"entry"`
	Sealed string `json:"sealed"`
	Words  string `json:"words"`
}

// words writes what the sealed texts of the unit's entries say, as its owner may read them, or what stands for them when they were erased.
// The ledger has them sealed (docs/decisions/0028-erasure-by-keys.md), and the keys stay behind: without this file a unit would leave
// without the words of its own contracts. It is the owner's copy; an erasure after the exit does not reach it.
func (s *source) words(ctx context.Context, w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return s.each(ctx, func(e *ledger.Entry, _ nexus.Hash) error {
		body, err := json.Marshal(state.DescribeBody(e.Kind, e.Body))
		if err != nil || !personal.Holds(string(body)) {
			return err
		}
		personal.Replace(string(body), func(t *personal.Token) string {
			if err == nil {
				err = out.Encode(wordsLine{Entry: e.Seq, Sealed: t.String(), Words: s.eng.Words(s.unit.Owner, t)})
			}
			return ""
		})
		return err
	})
}
