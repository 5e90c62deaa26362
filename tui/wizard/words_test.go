package wizard

import (
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// The domain that is shown is the one that the node makes: of a name without a letter that a domain takes, its label.
func TestDomainPreview(t *testing.T) {
	for _, c := range []struct{ kind, name, domain, words string }{
		{"imvu", "", "NAME.imvu-NNN.base", "domain is made from it"},
		{"imvu", "Eva's Night Show", "eva-s-night-show.imvu-NNN.base", "domain is made from it"},
		{"imvu", "新星工作室", "imvu-NNN.imvu-NNN.base", "the unit's label stands there instead"},
		{"platform", "🎬🎬", "plat-NNN.plat-NNN.base", "the unit's label stands there instead"},
	} {
		w := &session{options: Options{BaseDomain: "base"}, draft: &draft{Kind: c.kind, Name: c.name}}
		got := nameStep().words(w)
		if len(got) != 3 || got[1] != more+"domain: "+c.domain || got[2] != more+"stage: stage."+c.domain || !strings.Contains(got[0], c.words) {
			t.Errorf("%s %q: %q", c.kind, c.name, got)
		}
	}
}

// What is promised about leaving is what this version does.
func TestWelcomeSaysHowToLeave(t *testing.T) {
	got := strings.Join(welcomeStep().words(nil), "\n")
	for _, want := range []string{"gate 13", "one command", "30 days to come back"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not said: %s", want, got)
		}
	}
	if strings.Contains(got, "later version") {
		t.Errorf("the exit is built: %s", got)
	}
}

func TestReviewCountsCores(t *testing.T) {
	for cores, want := range map[string]string{"1": "at most 1 core, ", "2": "at most 2 cores, ", "0.5": "at most 0.5 cores, "} {
		w := &session{options: Options{Backend: tuitest.NewBackend(nil)}, draft: &draft{Kind: "imvu", CPU: cores, Memory: "1", Storage: "1", Processes: "9"}}
		if got := strings.Join(reviewWords(w), "\n"); !strings.Contains(got, want) {
			t.Errorf("%s: %s", cores, got)
		}
	}
}
