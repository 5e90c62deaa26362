// Rule: consent given and withdrawn is recorded immutably.
// Reason: a person can only rely on a "no" that nobody else can say, unsay or lose.
// Spec: SPEC section 1, gate 10.

package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

func consentLogging() gates.Gate {
	return gates.Gate{
		Number: 10, Name: "consent-logging", Version: 1,
		Rule: "consent given and withdrawn is recorded immutably",
		Enforcer: "the ledger: each statement is an entry, numbered and hashed to the person's statement before; what is processed " +
			"is asked for by consent.use",
		Check: checkConsentLogging,
		Good: func() gates.Facts {
			f := signedSample("consent.give", subject, gates.RoleCreator)
			f.Consent = []gates.ConsentFacts{{Subject: sampleKey(subject), Given: true, BySubject: true, Purpose: "newsletter"}}
			return f
		},
		Bad: func() gates.Facts {
			f := operatorSample("consent.give")
			f.Consent = []gates.ConsentFacts{{Subject: sampleKey(subject), Given: true, Purpose: "newsletter"}}
			return f
		},
	}
}

func checkConsentLogging(f *gates.Facts) gates.Verdict {
	if len(f.Consent) == 0 {
		return skip()
	}
	for i := range f.Consent {
		if v := checkConsent(&f.Consent[i]); !v.Allow {
			return v
		}
	}
	return pass("a standing consent, or the person's own word kept beside the earlier ones")
}

func checkConsent(c *gates.ConsentFacts) gates.Verdict {
	const required = "consent is given and withdrawn by the person's own signature, for a named purpose"
	switch {
	case c.Removes:
		return refuse("removes_consent", "would change or delete an earlier record", "records of consent are only added to",
			"record a withdrawal instead (nexus consent withdraw)")
	case c.Subject.IsZero():
		return refuse("no_subject", "no person is named", required, "name the identity whose consent it is")
	case c.Purpose == "":
		return refuse("no_purpose", "no purpose is named", required, "name the purpose")
	case c.Required && !c.Recorded:
		return refuse("no_consent", "no standing consent of "+c.Subject.Short()+" for "+quote(c.Purpose),
			"a recorded consent that was not withdrawn", "ask the person to give it (nexus consent give)")
	case !c.Required && !c.BySubject:
		return refuse("not_by_subject", "signed by somebody other than "+c.Subject.Short(), required,
			"let the person sign it")
	}
	return pass("")
}
