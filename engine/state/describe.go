package state

import (
	"encoding/json"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// DescribeBody decodes an entry's body by its kind for people and JSON; nil when this version does not know the kind. A
// decision's facts stay out: `gates explain` shows them.
func DescribeBody(kind ledger.EntryKind, body []byte) any {
	read := func(v any) any {
		if nexus.Decode(body, v) != nil {
			return nil
		}
		return v
	}
	switch kind {
	case ledger.KindGenesis:
		return read(&GenesisBody{})
	case ledger.KindDecision:
		var b DecisionBody
		if nexus.Decode(body, &b) != nil {
			return nil
		}
		b.Decision.Facts = nil
		return b
	case ledger.KindRevenue, ledger.KindRefund:
		var b ledger.RevenueBody
		if nexus.Decode(body, &b) != nil {
			return nil
		}
		return struct {
			ledger.RevenueBody
			Memo json.RawMessage
		}{b, memoJSON(b.Memo)}
	case ledger.KindUnit:
		return read(&ledger.UnitBody{})
	case ledger.KindIdentity:
		return read(&IdentityEntry{})
	case ledger.KindSource:
		return read(&Source{})
	case ledger.KindReport:
		return read(&ReportEntry{})
	case ledger.KindRefusalRollup:
		if v := read(&RefusalRollup{}); v != nil {
			return v
		}
		return read(&RefusalFlood{})
	case ledger.KindAudit:
		return read(&AuditFinding{})
	case ledger.KindSlice, ledger.KindService: // of two forms each
		return formOf(kind, body)
	case ledger.KindRoute:
		return read(&Route{})
	case ledger.KindNotice:
		return read(&Notice{})
	case ledger.KindRules:
		if len(body) == len(nexus.Encode(GateSetSwitch{})) {
			return read(&GateSetSwitch{})
		}
		return read(&RulesRaise{})
	case ledger.KindProposal:
		return read(&ProposalEntry{})
	case ledger.KindPolicy:
		return read(&PolicyEntry{})
	case ledger.KindConsent:
		return read(&ConsentEntry{})
	case ledger.KindOwnership:
		return read(&OwnershipEntry{})
	}
	if v := laterBody(kind); v != nil {
		return read(v)
	}
	if v := moneyBody(kind); v != nil {
		return read(v)
	}
	return nil
}

// laterBody gives an empty body for the kinds of entry that came last; nil for any other.
func laterBody(kind ledger.EntryKind) any {
	switch kind {
	case ledger.KindNode: // a node's own entry is longer
		return &GossipGeneration{}
	case ledger.KindBinding:
		return &BindingEntry{}
	case ledger.KindRecording:
		return &RecordingEntry{}
	case ledger.KindErasure:
		return &ErasureEntry{}
	case ledger.KindExit:
		return &ledger.ExitBody{}
	case ledger.KindExitDone:
		return &ledger.ExitDoneBody{}
	case ledger.KindImport:
		return &ledger.ImportBody{}
	case ledger.KindPublication:
		return &ledger.PublicationBody{}
	case ledger.KindPrices:
		return &ledger.PricesBody{}
	case ledger.KindUsage:
		return &ledger.UsageBody{}
	}
	return nil
}

// memoJSON shows a memo as the JSON it was given as, or as a JSON string.
func memoJSON(memo []byte) json.RawMessage {
	if len(memo) == 0 {
		return nil
	}
	if json.Valid(memo) {
		return memo
	}
	b, err := json.Marshal(string(memo))
	if err != nil {
		return nil
	}
	return b
}
