package gossip

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// TestAKilledMemberIsKnownToAll kills one agent after the other, without a goodbye, until each that is left knows, and never anything else. What it
// took is shown: the aim of docs/edge-figures.md is 2 s with 50 agents of the fast profile and 12 s with 100 of the calm one, both in make soak.
func TestAKilledMemberIsKnownToAll(t *testing.T) {
	for _, c := range killedCases() {
		t.Run(fmt.Sprintf("%d agents, profile %s", c.agents, c.profile), func(t *testing.T) { // one after the other: it is about time
			m := newTeam(t)
			var all []*running
			for seed := byte(1); int(seed) <= c.agents; seed++ {
				m.admit(signer(seed).Public())
				all = append(all, m.join(seed, func(cfg *Config) {
					cfg.Profile, cfg.SyncInterval = c.profile, time.Second
					cfg.Seeds = cfg.Seeds[:min(2, len(cfg.Seeds))] // each seed is a round trip of everything known
				}))
			}
			eventually(t, 2*time.Minute, "all see all", func() bool { return everybody(all, func(i, j int) bool { return true }) })
			for n := range c.kills {
				victim, left := all[n], all[n+1:]
				if err := victim.stop(); err != nil {
					t.Fatal(err)
				}
				eventually(t, 2*time.Minute, fmt.Sprintf("kill %d is known to %d", n+1, len(left)), func() bool {
					for _, a := range left {
						if got, ok := a.Members().Get(victim.Name()); !ok || got.Status() != "failed" {
							return false
						}
					}
					return true
				})
			}
			living := all[c.kills:]
			eventually(t, 2*time.Minute, "the living see the living", func() bool {
				return everybody(living, func(i, j int) bool { return true })
			})
			for _, a := range living {
				if got := a.Members().Len(); got != c.agents {
					t.Errorf("%s lists %d members, %d wanted: the dead are listed as failed", a.Name(), got, c.agents)
				}
				if err := a.stop(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

type killedCase struct {
	agents, kills int
	profile       Profile
}

func killedCases() []killedCase {
	if os.Getenv("NEXUS_SOAK") == "" {
		return []killedCase{{agents: 8, kills: 3, profile: EdgeFast}}
	}
	return []killedCase{{agents: 50, kills: 10, profile: EdgeFast}, {agents: 100, kills: 10, profile: LAN}}
}
