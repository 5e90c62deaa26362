//go:build !unix

package edge

import "testing"

// ownSeconds: what a refusal costs is not known on this system.
func ownSeconds(testing.TB) float64 { return 0 }

// descriptors: no bound is known on this system.
func descriptors(testing.TB) int { return 1 << 30 }
