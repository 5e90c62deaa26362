package keymap_test

import (
	stdslices "slices"
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
)

func TestDefaultsHaveNoConflictAndAreAllExplained(t *testing.T) {
	t.Parallel()
	m, err := keymap.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for view := range keymap.ViewCount {
		for _, b := range m.List(view) {
			if b.Help == "" || len(b.Keys) == 0 {
				t.Errorf("%s has no key or no help", b.Name())
			}
			for _, k := range b.Keys {
				if got, ok, _ := m.Find(k, view); !ok || got.Name() != b.Name() {
					t.Errorf("key %q in view %d finds %q, want %q", k, view, got.Name(), b.Name())
				}
				if strings.HasPrefix(k, "f1") || strings.HasPrefix(k, "alt+") {
					t.Errorf("%s: %q does not exist on every terminal", b.Name(), k)
				}
			}
		}
	}
}

func TestAKeyOfAnotherViewIsNamed(t *testing.T) {
	t.Parallel()
	m, err := keymap.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, elsewhere := m.Find("r", 4); ok || elsewhere == nil || elsewhere.Action != keymap.Rerun {
		t.Errorf("r in view 4: %v %+v", ok, elsewhere)
	}
	if _, ok, elsewhere := m.Find("~", 0); ok || elsewhere != nil {
		t.Error("an unbound key finds something")
	}
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	m, err := keymap.New(map[string][]string{"pause": {"b"}, "view-3": {"G3"}})
	if err != nil {
		t.Fatal(err)
	}
	if b, ok, _ := m.Find("b", 0); !ok || b.Action != keymap.Pause {
		t.Errorf("b is %q", b.Name())
	}
	for name, bad := range map[string]map[string][]string{"conflict": {"pause": {"q"}}, "unknown": {"dance": {"d"}},
		"empty": {"quit": {}}} {
		if _, err := keymap.New(bad); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := keymap.New(map[string][]string{"pause": {"q"}}); err == nil || !strings.Contains(err.Error(), "quit") ||
		!strings.Contains(err.Error(), "pause") {
		t.Errorf("the conflict does not name both: %v", err)
	}
}

// FuzzParse: no key file makes the reader or the map made of it panic; what is taken names only keys that were written.
func FuzzParse(f *testing.F) {
	f.Add("# keys\nquit = q, ctrl+c\n")
	f.Add("quit = q\nquit = x\n")
	f.Add("=\n=,\n")
	f.Fuzz(func(t *testing.T, text string) {
		override, err := keymap.Parse("keys", strings.NewReader(text))
		if err != nil {
			return
		}
		for name, keys := range override {
			for _, k := range keys {
				if k == "" || !strings.Contains(text, k) {
					t.Fatalf("%q = %q out of %q", name, k, text)
				}
			}
		}
		if m, err := keymap.New(override); (m == nil) != (err != nil) {
			t.Fatalf("%v with %v", m, err)
		}
	})
}

// A key that no terminal sends, and an action that there is not, are refused with what was meant: the console does not open, so it cannot
// be looked up there.
func TestMistakesOfAKeyFileSayWhatWasMeant(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"zoom = ctrl-x\n":  `keys line 1: "ctrl-x" is no key (did you mean ctrl+x?)`,
		"view-1 = F1\n":    "did you mean f1?",
		"mark = spacebar":  "such as b, Q, space",
		"zoom = f21":       "is no key",
		"zoom = ctrl+":     "is no key",
		"zoom = alt+":      "is no key",
		"quitt = Q\n":      "did you mean quit?",
		"rdonly = Q\n":     "docs/reference/keys.md",
		"mark = b, ctrl+1": `"ctrl+1" is no key`,
	} {
		if _, err := keymap.Parse("keys", strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	good := "zoom = ctrl+x, alt+z, f5, Ж\nmark = space\nwrap = shift+up, ctrl+left, ctrl+^\nhelp = f1\n"
	if _, err := keymap.Parse("keys", strings.NewReader(good)); err != nil {
		t.Error(err)
	}
	all := ""
	m, err := keymap.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range m.All() { // what the table itself has can be written
		all += b.Name() + " = " + strings.Join(b.Keys, ", ") + "\n"
	}
	if _, err := keymap.Parse("keys", strings.NewReader(all)); err != nil {
		t.Error(err)
	}
}

// The footer offers what a view has, in the order of the table, and what changes something to those alone who may.
func TestHintsAreThoseOfTheView(t *testing.T) {
	t.Parallel()
	m, err := keymap.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for view := range 10 {
		for _, readOnly := range []bool{false, true} {
			var want [][2]string
			for _, b := range m.List(view) {
				if b.Hint != "" && !(readOnly && b.Changes) {
					want = append(want, [2]string{b.Keys[0], b.Hint})
				}
			}
			if got := m.Hints(view, readOnly); !stdslices.Equal(got, want) || len(got) == 0 {
				t.Errorf("view %d, read-only %v: %q, want %q", view, readOnly, got, want)
			}
		}
	}
}
