package page

import (
	"bytes"
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/engine/statement"
)

// A name, a note or an event id that cannot be drawn once kept a unit from leaving: its bundle holds the statement as PDF (gate 13).
func TestNoTextKeepsAStatementFromBeingDrawn(t *testing.T) {
	t.Parallel()
	for what, text := range map[string]string{"emoji": "Night \U0001f399\ufe0f", "family": "\U0001f469\u200d\U0001f469\u200d\U0001f467",
		"japanese": "\u6df1\u591c\u30b7\u30e7\u30fc", "extension b": "\U00020bb7\u91ce",
		"arabic": "\u0644\u064a\u0644", "broken bytes": "a\xff\xfeb", "last of the basic plane": "\uffff", "control": "a\x00\tb",
		"long": strings.Repeat("\U0001f389", 200)} {
		d := &statement.Document{First: statement.First{Label: "IMVU-001", Name: text, Month: "2026-11", Kind: "imvu", Percent: 55,
			Moves: []statement.Move{{What: text, Note: text, Currency: "USD"}}, Late: []statement.Late{{Kind: text, Source: text, Event: text, Currency: "USD"}}}}
		var out bytes.Buffer
		if err := Write(&out, d, Title{Owner: text, Status: text}); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if !bytes.HasPrefix(out.Bytes(), []byte("%PDF-")) || !bytes.Contains(out.Bytes(), []byte("%%EOF")) {
			t.Errorf("%s: no PDF came out", what)
		}
	}
}
