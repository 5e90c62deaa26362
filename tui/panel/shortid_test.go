package panel

import (
	stdslices "slices"
	"testing"
)

// A narrow row shows the beginning of an id, not forty cells of it; whatever is no id stays.
func TestShortIDs(t *testing.T) {
	t.Parallel()
	long := "event d22aa3f4b4b14fef3637e304, 1234567890123456789012345 bytes, D22AA3F4B4B14FEF3637E3042352462A"
	for text, want := range map[string]string{
		"proposal d22aa3f4b4b14fef3637e3042352462a (to key 57e8632a) is stale":              "proposal d22aa3f4 (to key 57e8632a) is stale",
		"bundle 296c8ca98affee803077b404af2164f3816b2efc2a06a2699e98d34a9b71b6bf, 24 files": "bundle 296c8ca9, 24 files",
		long: long,
	} {
		if got := shortIDs(text); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What a command printed is broken between words where that costs little, and keeps the blanks of its columns.
func TestOutputIsBrokenBetweenWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"it goes on serving, and nobody can suspend": {"it goes on serving,", "and nobody can", "suspend"},
		"UNIT      NAME      STATUS":                 {"UNIT      NAME", "STATUS"},
		"43a9a7518e86f29dfb6dc1dffe468e":             {"43a9a7518e86f29dfb6d", "c1dffe468e"},
		"short":                                      {"short"},
	} {
		if got := wrapKeeping(text, 20); !stdslices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
