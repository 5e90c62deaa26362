package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

// All lists the 17 gates in the order of the constitution (SPEC section 1).
func All() []gates.Gate {
	return []gates.Gate{
		identityBinding(),
		imvuIsolation(),
		domainOwnership(),
		dnsAuthorityScoping(),
		mailAttribution(),
		revenueMetering(),
		resourceQuota(),
		networkPathGovernance(),
		jurisdictionTagging(),
		consentLogging(),
		auditLogging(),
		immutableSnapshots(),
		exitPortability(),
		noSilentRedirection(),
		noSilentThrottling(),
		noCrossIMVULeakage(),
		platformNonRepudiation(),
	}
}

// Sets lists the gate sets of this program, oldest first. Whoever changes a verdict keeps the earlier form of the gate under
// its version, appends the new set here, and the ledger moves on by a command (docs/decisions/0014-gate-sets.md).
func Sets() (*gates.Sets, error) {
	founding, err := Chain()
	if err != nil {
		return nil, err
	}
	return gates.NewSets(founding)
}

// Chain builds the chain of all 17. An error is a mistake of the program.
func Chain() (*gates.Chain, error) { return gates.NewChain(All()) }
