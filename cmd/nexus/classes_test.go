package main

import (
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// The guided creation offers every class but the platform's own, which a creator is refused.
func TestTheWizardOffersNoPlatformClass(t *testing.T) {
	t.Parallel()
	a := &app{getenv: func(string) string { return "" }, now: time.Now, conf: &config{values: map[string]configValue{}}}
	offered := map[string]bool{}
	o := a.wizardOptions(nil, creationRequest{})
	for _, c := range o.Classes {
		offered[c.Value] = true
		if o.ClassSessions[c.Value] <= 0 || o.SessionsMax != slices.GatewayConnectionsMax {
			t.Errorf("%s has %d sessions, a gateway %d", c.Value, o.ClassSessions[c.Value], o.SessionsMax)
		}
	}
	for _, c := range slices.ClassSpecs() {
		if offered[c.Name] != (c.Class != slices.ClassControl) {
			t.Errorf("%s is offered: %t", c.Name, offered[c.Name])
		}
	}
}
