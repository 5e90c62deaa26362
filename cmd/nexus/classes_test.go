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
	for _, c := range a.wizardOptions(nil, creationRequest{}).Classes {
		offered[c.Value] = true
	}
	for _, c := range slices.ClassSpecs() {
		if offered[c.Name] != (c.Class != slices.ClassControl) {
			t.Errorf("%s is offered: %t", c.Name, offered[c.Name])
		}
	}
}
