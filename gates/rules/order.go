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

// Chain builds the chain of all 17. An error is a mistake of the program.
func Chain() (*gates.Chain, error) { return gates.NewChain(All()) }
