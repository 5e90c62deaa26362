package wire

import (
	"maps"
	"sync"
)

// Means says in plain words what an action of a kind does and, where people do it, by which command line; "" for a kind that this version does not
// know. The kind itself is what the ledger, the decision log, `nexus gates try` and programs call it, and never changes.
func Means(kind string) string { return actionWords()[kind] }

// actionWords has a clause for each kind of action. Nobody changes it.
var actionWords = sync.OnceValue(func() map[string]string {
	out := clusterWords()
	for _, part := range []map[string]string{unitWords(), moneyWords(), wordWords()} {
		maps.Copy(out, part)
	}
	return out
})

func clusterWords() map[string]string {
	return map[string]string{
		"cluster.genesis":   "the ledger begins",
		"cluster.rules":     "the node raises the level of its rules",
		"cluster.gates":     "another set of gate versions is in force",
		"node.admit":        "a node may take part: cluster join",
		"node.remove":       "a node takes part no more: cluster remove",
		"cluster.rekey":     "the gossip key rotates: cluster keys rotate",
		"node.stop":         "the node is to stop: stop",
		"phase.rerun":       "a phase of the launch runs again: launch rerun",
		"report.post":       "the digest of a launch's report",
		"session.record":    "the digest of a recorded SSH session",
		"audit.finding":     "the audit found something: audit findings",
		"audit.rollup":      "counts of actions that were refused at the door",
		"audit.flood":       "counts of refusals that came too fast to be kept one by one",
		"ledger.edit":       "an entry is to be altered, which gate 11 always refuses",
		"publication.issue": "a month's figures of exits are published: exits show",
		"identity.issue":    "a key is registered under a name: identity new, identity import",
		"identity.revoke":   "a key ends for ever: identity revoke",
		"identity.rotate":   "a key is replaced by another: identity rotate",
		"identity.recover":  "a recovery key asks to replace a key, after 72 hours: identity recover",
		"identity.complete": "a recovery is completed: identity complete",
		"identity.cancel":   "a recovery is called off: identity cancel",
		"identity.bind":     "two keys of one person are bound: identity bind",
		"identity.attest":   "somebody states something about another: identity attest",
		"identity.unbind":   "a binding or a statement ends: identity unbind",
		"identity.erase":    "a person's words are made unreadable for ever: identity erase",
		"identity.erased":   "a node destroyed the key of erased words: identity erasures",
	}
}

func unitWords() map[string]string {
	return map[string]string{
		"imvu.create":      "a unit is made: imvu create",
		"platform.create":  "a mini-platform is made: platform create",
		"channel.create":   "a channel is made: stream channel create, ott channel create",
		"probe.create":     "a unit of the test suites is made",
		"probe.retire":     "a unit of the test suites is put away",
		"imvu.scale":       "a unit's ceilings change: imvu scale",
		"imvu.suspend":     "a unit stands still: imvu suspend",
		"imvu.resume":      "a suspension ends: imvu resume",
		"slice.set":        "a unit's share of the network changes: slices set",
		"slice.sessions":   "how many connections a unit's slice may have at once changes: slices set --sessions",
		"slice.minutes":    "minutes in which slices kept their budget: slices record",
		"slice.breach":     "a slice missed its budget, or keeps it again: slices record",
		"slice.short":      "a slice got less of its guaranteed rate than it was owed, or gets it again: slices record",
		"route.set":        "a host of a unit leads somewhere: route set",
		"route.drop":       "a host of a unit leads nowhere any more: route drop",
		"domain.claim":     "a unit takes a domain",
		"unit.transfer":    "a unit goes to another owner: imvu transfer",
		"ownership.settle": "what a change of owner left open is settled",
		"policy.set":       "a unit's own policy changes: policy set",
		"exit.begin":       "a unit leaves, by its owner's word: imvu exit",
		"exit.cancel":      "a unit that was leaving stays: imvu exit --cancel",
		"exit.complete":    "a unit has left with everything: imvu exit",
		"exit.settle":      "the time after an exit runs out",
		"exit.fail":        "an exit failed at a step, and goes on when it is asked for again",
		"unit.import":      "a unit comes from elsewhere: imvu import",
	}
}

func moneyWords() map[string]string {
	return map[string]string{
		"source.register":  "a source may report revenue",
		"source.close":     "a source reports no more",
		"revenue.post":     "revenue, a refund or a chargeback is reported: revenue record, import, refund",
		"pending.open":     "revenue is announced, and counts when it comes: revenue pending",
		"pending.post":     "announced revenue came: revenue post",
		"pending.void":     "announced revenue does not come: revenue void",
		"pending.expire":   "the time of announced revenue ran out",
		"transfer.make":    "money between an owner and the platform, beside the split: revenue transfer",
		"hold.place":       "a part of what is owed is set aside for a time: revenue hold place",
		"hold.release":     "what was set aside is free again: revenue hold release",
		"hold.capture":     "what was set aside goes to the platform, as its owner agreed: revenue hold capture",
		"hold.expire":      "the time of what was set aside ran out, and it is free again",
		"payout.set":       "how and when an owner is paid changes: revenue payout set",
		"payout.open":      "a payout is on its way: revenue payout request",
		"payout.post":      "a payout was paid: revenue payout post",
		"payout.void":      "a payout did not arrive, and is owed again: revenue payout void",
		"statement.issue":  "a month's statement is issued: revenue statement",
		"dispute.open":     "an owner disputes a statement: revenue dispute open",
		"dispute.answer":   "the platform answers a dispute: revenue dispute answer",
		"dispute.withdraw": "an owner takes a dispute back: revenue dispute withdraw",
		"prices.publish":   "a list of prices is announced: revenue prices",
		"prices.tell":      "owners are told of a list of prices",
		"usage.post":       "what units used is metered",
	}
}

// wordWords are of what people say, approve, read and consent to.
func wordWords() map[string]string {
	return map[string]string{
		"proposal.open":     "a change is asked for that needs others' approval: approvals propose",
		"proposal.grant":    "a party approves a proposal: approvals grant",
		"proposal.refuse":   "a party refuses a proposal: approvals refuse",
		"proposal.withdraw": "a proposal is taken back: approvals withdraw",
		"proposal.expire":   "a proposal's time ran out, or its unit changed, which refuses it",
		"notice.mark":       "its reader marks notices as delivered or read: notices read",
		"consent.give":      "a person consents to a purpose: consent give",
		"consent.withdraw":  "a person takes a consent back: consent withdraw",
		"consent.use":       "a unit uses what a person consented to: consent use",
	}
}
