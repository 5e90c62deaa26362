package state

import (
	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// section is one part of a snapshot beside the core: a name and that part's canonical bytes. A part that holds nothing
// writes no section, so data without it keeps its hash.
type section struct {
	Name string
	Data []byte
}

// part is one area of the state that saves and restores itself. Names are stored: never change one.
type part struct {
	name string
	save func(*State) []byte // nil when there is nothing to save
	load func(*State, []byte) error
}

// parts lists every area beside the core, in the order they are written.
func parts() []part {
	return []part{rulesPart(), proposalsPart(), ownersPart(), balancesPart(), noticesPart(), keysPart(), floodsPart(), policiesPart(), consentsPart(),
		servicePart(), moneyPart(), statementsPart(), disputesPart(), recordingsPart(), erasuresPart(), exitsPart(), bindingsPart(),
		publicationsPart(), pricesPart(), usagePart(), sessionCapsPart(), shortPart(), gossipPart()}
}

func balancesPart() part { return part{"unit-balances", saveBalances, loadBalances} }

// saveBalances is never nil: a snapshot without this section is one of a version that kept no balances, and its chain cannot
// say what a checkpoint commits to (Complete).
func saveBalances(s *State) []byte { return nexus.Encode(s.Chain.Balances()) }

func loadBalances(s *State, data []byte) error {
	var list []ledger.UnitBalances
	if err := nexus.Decode(data, &list); err != nil {
		return err
	}
	s.incomplete = false
	return s.Chain.RestoreBalances(list)
}

// Complete reports whether the state holds everything that this version keeps. A state restored from an older version's
// snapshot may not: then the log is applied again from its first record, which gives the same history and the rest.
func (s *State) Complete() bool { return !s.incomplete }

func (s *State) saveSections() []section {
	var out []section
	for _, p := range parts() {
		if data := p.save(s); data != nil {
			out = append(out, section{p.name, data})
		}
	}
	return out
}

// loadSections restores the parts. A section that this version does not know is state it would lose: it refuses to start.
func (s *State) loadSections(list []section) error {
	s.incomplete = true
	known := map[string]part{}
	for _, p := range parts() {
		known[p.name] = p
	}
	for _, sec := range list {
		p, ok := known[sec.Name]
		if !ok {
			return nexus.Errf("restore state", nexus.CodeUnfit, "snapshot section "+sec.Name, "start the version that wrote this data",
				"not known to this version")
		}
		delete(known, sec.Name) // a second one of the same name is refused too
		if err := p.load(s, sec.Data); err != nil {
			return nexus.Errf("restore state", nexus.CodeCorrupt, "snapshot section "+sec.Name, "run nexus ledger verify --offline", "%v", err)
		}
	}
	return nil
}
