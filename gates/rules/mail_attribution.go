// Rule: every message is traceable to identity + unit; no open relay.
// Reason: mail that nobody answers for ruins the name of all who share the server.
// Spec: SPEC section 1, gate 5. Mail from outside to a mailbox here is attributed to the mailbox that takes it.

package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

func mailAttribution() gates.Gate {
	return gates.Gate{
		Number: 5, Name: "mail-attribution", Version: 1,
		Rule: "every message is traceable to identity and unit; no open relay",
		Later: "the mail fabric will enforce it: submission needs a mailbox's identity, and recipients " +
			"elsewhere need submission",
		Check: checkMailAttribution,
		Good:  mailSample,
		Bad: func() gates.Facts {
			f := mailSample()
			f.Mail[0].From, f.Mail[0].FromUnit = "owner@other.example", sampleID(unitOther)
			return f
		},
	}
}

// mailSample is Ada sending a message to somebody elsewhere.
func mailSample() gates.Facts {
	f := ownerSample("mail.send")
	f.Mail = []gates.MailFacts{{From: "ada@ada.imvu-001.nexus.localhost", FromUnit: sampleID(unitAda), Authenticated: true,
		SessionUnit: sampleID(unitAda)}}
	return f
}

func checkMailAttribution(f *gates.Facts) gates.Verdict {
	if len(f.Mail) == 0 {
		return skip()
	}
	for i := range f.Mail {
		if v := checkMail(&f.Mail[i]); !v.Allow {
			return v
		}
	}
	return pass("sent by the unit that holds the sender's domain, or taken for a mailbox here")
}

func checkMail(m *gates.MailFacts) gates.Verdict {
	const required = "a sender whose domain belongs to the unit of the signed-in identity"
	switch {
	case !m.Authenticated && !m.FromUnit.IsZero():
		return refuse("unauthenticated", "sender "+quote(m.From)+" of a domain held here, without signing in", required,
			"sign in with a mailbox of "+unitText(m.FromUnit))
	case !m.Authenticated && !m.RecipientHere:
		return refuse("relay", "a message from outside to a recipient elsewhere", "a recipient whose domain is served here",
			"sign in to send, or use the recipient's own server")
	case !m.Authenticated:
		return pass("")
	case m.SessionUnit.IsZero():
		return refuse("no_mailbox", "the signed-in identity has no mailbox of a unit", required,
			"bind a mailbox to it (nexus mail)")
	case m.From == "":
		return refuse("no_sender", "no sender address", required, "name a sender of the unit's own domain")
	case m.FromUnit != m.SessionUnit:
		return refuse("spoofed_sender", "sender "+quote(m.From)+" belongs to "+unitText(m.FromUnit)+", the session to "+
			unitText(m.SessionUnit), required, "send as an address of the unit's own domain")
	}
	return pass("")
}
