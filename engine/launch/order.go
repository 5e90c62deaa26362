package launch

import (
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// Phases lists the twelve in their fixed order (SPEC section 2). Order is for people; execution follows Needs.
func Phases() []Phase {
	list := []Phase{
		{Needs: nil, Mandatory: true, Timeout: 60 * time.Second, Run: preflight},
		{Needs: []int{1}, Mandatory: true, Timeout: 10 * time.Minute, Run: scrub},
		{Needs: []int{6}, Timeout: 60 * time.Second, Run: nn5g},
		{Needs: []int{3, 6}, Timeout: 60 * time.Second, Run: miniPlatforms},
		{Needs: []int{4, 8, 9}, Timeout: 60 * time.Second, Run: frontFacing},
		{Needs: []int{2}, Mandatory: true, Timeout: 60 * time.Second, Run: core},
		{Needs: []int{3, 6}, Timeout: 60 * time.Second, Run: compute},
		{Needs: []int{3, 6}, Timeout: 60 * time.Second, Run: dnsMail},
		{Needs: []int{3, 6}, Timeout: 60 * time.Second, Run: nexusNet},
		{Needs: []int{2, 3, 4, 5, 6, 7, 8, 9}, Timeout: 5 * time.Minute, Run: validation},
		{Needs: []int{10}, Mandatory: true, Timeout: 5 * time.Minute, Run: compliance},
		{Needs: []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, Mandatory: true, Timeout: 60 * time.Second, Run: status},
	}
	for i, n := range wire.PhaseNames() {
		list[i].Number, list[i].Name, list[i].Title = i+1, n.Name, n.Title
	}
	return list
}
