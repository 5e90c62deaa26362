package suite

import (
	"fmt"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// figures words an account that a checker added up, in minor units.
func figures(t verify.Total) string {
	return fmt.Sprintf("gross %d = creator %d + platform %d in %d events", t.Gross, t.Creator, t.Platform, t.Events)
}

// postingsWords words the postings of an entry.
func postingsWords(list []ledger.Posting) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = fmt.Sprintf("account %d: %d %s", p.Account, p.Minor, p.Currency)
	}
	return strings.Join(words, ", ")
}

// gatesWords names gates by number.
func gatesWords(gates []int) string {
	words := make([]string, len(gates))
	for i, g := range gates {
		words[i] = fmt.Sprint(g)
	}
	switch len(words) {
	case 0:
		return "no gate"
	case 1:
		return "gate " + words[0]
	}
	return "gates " + strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
