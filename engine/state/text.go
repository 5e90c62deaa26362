package state

import (
	"fmt"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// MaxTextBytes bounds every free text that an action carries into the state, and every answer that is kept for a retry, in
// bytes. The state lives in memory and is saved whole, and the store takes no larger value than 512 KiB: an answer that
// quoted a body back unbounded would stop the machine for good.
const MaxTextBytes = 4096

// text holds an action's free texts to the bound.
func (st *step) text(what string, texts ...string) {
	for _, s := range texts {
		if len(s) > MaxTextBytes {
			st.fail(nexus.CodeMalformed, what, fmt.Sprintf("at most %d bytes of text", MaxTextBytes), "%d bytes", len(s))
		}
	}
}

// clip cuts an answer to the bound, at a character.
func clip(s string) string { return clipTo(s, MaxTextBytes) }

func clipTo(s string, most int) string {
	if len(s) <= most {
		return s
	}
	const more = "..."
	return strings.ToValidUTF8(s[:most-len(more)], "") + more
}
