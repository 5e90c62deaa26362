//go:build unix

package main

import (
	"strings"
	"testing"
)

// The guided creation gives the slice the cap that was answered, here by a flag; who makes a unit for somebody who is known here cannot, for that is the
// owner's word, and is told so while the unit stands.
func TestTheWizardGivesACap(t *testing.T) {
	t.Parallel()
	n := launchNode(t, "--ssh", "127.0.0.1:0")
	maria := n.sshKey("maria", "operator")
	n.sshKey("eva", "creator")
	agent := n.agent(maria)
	for _, c := range []struct {
		name, unit, shows, cap string
		exit                   int
		steps                  []string
	}{
		{"Mine", "IMVU-001", "created", "500 connections at once", 0, nil},
		{"Hers --owner eva", "IMVU-002", "not done", "the class's number", exitFailed, []string{"Name of the owner"}},
	} {
		s := n.runSSH("imvu create -i --sessions 500 --name "+c.name, 100, 40, maria, agent, "-A")
		steps := append([]string{"What shall it be?", "Who shall own it?"}, c.steps...)
		steps = append(steps, "People read the name", "Envelope", "Jurisdiction", "Class of the slice", "Session cap > 500", "splits 55/45",
			"with at most 500 connections at once")
		for _, step := range steps {
			eventuallyTrue(t, step, func() bool { return s.Shows(step) }, s.Text)
			typeKeys(t, s.Screen, "\r")
		}
		eventuallyTrue(t, c.shows, func() bool { return s.Shows(c.shows, c.unit) }, s.Text)
		if err := s.cmd.Wait(); s.cmd.ProcessState.ExitCode() != c.exit {
			t.Errorf("%v, want exit code %d\n%s", err, c.exit, s.Text())
		}
		if out := n.run("imvu", "show", c.unit); !strings.Contains(out, "session cap  "+c.cap) {
			t.Errorf("%s:\n%s", c.unit, out)
		}
	}
}
