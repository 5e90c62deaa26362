// Package doctor examines the machine that a node runs on: the same checks serve launch phase 1 and `nexus doctor`
// (SPEC section 2, CLI.md), so what one finds the other finds.
//
// It promises that each check measures something, can fail, and carries a remedy when it did not pass; that nothing of
// the machine is changed (a probe file or socket is removed before the check returns); and that a taken port is
// reported with its holder where the kernel lets this user see it.
//
// It imports the root package and engine/control/wire (the type of a check) only.
package doctor
