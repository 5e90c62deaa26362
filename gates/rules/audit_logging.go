// Rule: no privileged action without its audit entry.
// Reason: what is not written down can be denied.
// Spec: SPEC section 1, gate 11. Whatever is no read counts as privileged, whether or not it says so.

package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

func auditLogging() gates.Gate {
	return gates.Gate{
		Number: 11, Name: "audit-logging", Version: 1,
		Rule:     "no privileged action without its audit entry",
		Enforcer: "the ledger: decision, effect and audit entry are one transaction, and entries are never rewritten",
		Check:    checkAuditLogging,
		Good:     func() gates.Facts { return ownerSample("imvu.resume") },
		Bad: func() gates.Facts {
			f := operatorSample("ledger.edit")
			f.Audit.TouchesLog = true
			return f
		},
	}
}

func checkAuditLogging(f *gates.Facts) gates.Verdict {
	a := &f.Audit
	switch {
	case a.TouchesLog:
		return refuse("touches_log", f.Kind+" would change or delete stored entries", "entries are only ever added",
			"post a correcting entry instead")
	case f.Read && !a.Privileged:
		return skip()
	case !a.EntryPlanned:
		return refuse("no_entry", "no audit entry in the transaction of "+f.Kind,
			"the entry is written in the same transaction",
			"report this: an action without its entry is a fault of the program")
	case !a.LogWritable:
		return refuse("log_not_writable", "the ledger takes no entries",
			"a writable ledger that agrees with its last checkpoint",
			"look at nexus status, free disk space or run nexus ledger verify, then ask again")
	}
	return pass("the entry is part of the transaction")
}
