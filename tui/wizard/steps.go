package wizard

import (
	"context"
	"errors"
	"fmt"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// choice is one option of a question.
type choice struct{ value, words string }

// field is one question, drawn by huh or asked in plain lines.
type field struct {
	title    string
	value    *string
	choices  []choice // nil: free text
	validate func(string) error
}

// step is one screen.
type step struct {
	name   string
	words  func(w *session) []string // what the user reads; computed anew at each key, so previews are live
	fields func(w *session) []field  // none: enter goes on
	when   func(d *draft) bool       // nil: always
	// check asks the node about the answer when the step is left; the error is shown and the step stays.
	check func(ctx context.Context, w *session) error
	after func(d *draft)
}

// steps are the screens in order; the creation itself, which asks nothing, follows them as the last step of those counted. Without an
// owner to be named and values of one's own these are nine. Mail and routes join when their fabrics do.
func steps() []step {
	return []step{welcomeStep(), identityStep(), ownerStep(), nameStep(), envelopeStep(), valuesStep(),
		jurisdictionStep(), classStep(),
		revenueStep(), reviewStep()}
}

// more begins a text that belongs to the one before it: a line of its own, without an empty one between.
const more = "  "

// The steps that others go by.
const (
	welcomeName = "welcome"
	reviewName  = "review"
	createName  = "create"
)

// rule gives the creator's percentage of a kind. It is a constant of the platform and no question.
func rule(kind string) (creator, platform int64) {
	if kind == "platform" || channel(kind) {
		return 80, 20
	}
	return 55, 45
}

// channel reports whether a kind is a channel on one of the platform's own mini-platforms, by whose slug the draft names it.
func channel(kind string) bool { return kind == "stream" || kind == "ott" }

func kindWords(kind string) string {
	switch kind {
	case "platform":
		return "mini-platform"
	case "stream":
		return "channel on Nexus Stream"
	case "ott":
		return "channel on Nexus OTT Mini"
	}
	return "IMVU"
}

// labelForm is how the label of a new one will look.
func labelForm(kind string) string {
	switch {
	case kind == "platform":
		return "plat-NNN"
	case channel(kind):
		return "chan-NNN"
	}
	return "imvu-NNN"
}

// previewDomain is where it will be found.
func previewDomain(w *session) string {
	label := labelForm(w.draft.Kind)
	slug := nexus.Slug(w.draft.Name)
	if slug == "" { // as the node does it
		slug = label
	}
	return slug + "." + label + "." + w.options.BaseDomain
}

func welcomeStep() step {
	return step{name: welcomeName,
		words: func(*session) []string {
			return []string{
				"This makes a unit: a place of your own with a name and a domain, an envelope of CPU, memory and storage, a network slice " +
					"with a latency promise, and a ledger that splits whatever it earns as the constitution says.",
				"Making it costs nothing. Nothing is made before you accept the review at the end.",
				"Leaving with everything is your right: that is gate 13, exit portability. Nobody may refuse, delay or " +
					"charge for it: one command, and you have the unit's ledger, statements, policy and routes, verified, with 30 days to come back.",
			}
		},
		fields: func(w *session) []field {
			return []field{{title: "What shall it be?", value: &w.draft.Kind, choices: []choice{
				{"imvu", "an IMVU: a unit of your own for whatever you run, 55 % is yours"},
				{"platform", "a mini-platform: a service for others, 80 % is yours"},
				{"ott", "a channel on Nexus OTT Mini, films and series, 80 % is yours"},
				{"stream", "a channel on Nexus Stream, live, 80 % is yours"}}}}
		}}
}

func identityStep() step {
	return step{name: "identity",
		words: func(w *session) []string {
			id := w.options.Backend.Identity()
			return []string{"Every act is signed by an Ed25519 identity, and a unit belongs to one.", more + "you sign as " + id.Name,
				more + "fingerprint " + id.Fingerprint}
		},
		fields: func(w *session) []field {
			return []field{{title: "Who shall own it?", value: &w.draft.OwnerChoice, choices: []choice{
				{"self", "I do: " + w.options.Backend.Identity().Name},
				{"other", "somebody else, by the name of an identity"}}}}
		}}
}

func ownerStep() step {
	return step{name: "owner", when: func(d *draft) bool { return d.OwnerChoice == "other" },
		words: func(*session) []string {
			return []string{"Who is known here makes their own units: for them only an operator signs. A name that is not known yet is issued an " +
				"identity in the same act, and its " +
				"key file is yours to hand over."}
		},
		fields: func(w *session) []field {
			return []field{{title: "Name of the owner ", value: &w.draft.Owner, validate: func(s string) error {
				if strings.TrimSpace(s) == "" {
					return malformed("owner", "a name, or go back and own it yourself", "missing")
				}
				return nil
			}}}
		},
		check: askNode("owner", "identity")}
}

func nameStep() step {
	return step{name: "name",
		words: func(w *session) []string {
			words, domain := "People read the name, and its domain is made from it; NNN is the number that the cluster gives.", previewDomain(w)
			switch {
			case strings.TrimSpace(w.draft.Name) == "":
				domain = "NAME." + labelForm(w.draft.Kind) + "." + w.options.BaseDomain
			case nexus.Slug(w.draft.Name) == "":
				words = "Nothing of this name can stand in a domain, which takes a to z and digits; the unit's label stands there instead."
			}
			return []string{words, more + "domain: " + domain, more + "stage: stage." + domain}
		},
		fields: func(w *session) []field {
			return []field{{title: "Name ", value: &w.draft.Name, validate: ValidName}}
		},
		check: askNode("name", "domain")}
}

func envelopeStep() step {
	return step{name: "envelope", when: ownSizes,
		words: func(*session) []string {
			return []string{"An envelope is a ceiling, not a reservation: you share what the machine has. It never shrinks " +
				"without your approval (gate 15). In this version it is recorded and judged; the kernel will enforce it."}
		},
		fields: func(w *session) []field {
			var choices []choice
			for _, p := range presets() {
				choices = append(choices, choice{p.name, p.name + ": " + p.words})
			}
			return []field{{title: "Envelope", value: &w.draft.Preset, choices: append(choices, choice{ownValues,
				"own values"})}}
		},
		after: (*draft).applyPreset, check: askNode("envelope", "cpu", "cores", "memory", "storage", "processes")}
}

func valuesStep() step {
	return step{name: "values", when: func(d *draft) bool { return ownSizes(d) && d.Preset == ownValues },
		words: func(*session) []string { return []string{"Bare numbers are cores and GiB; 0.5 and 512MiB work too."} },
		fields: func(w *session) []field {
			size := func(what string) func(string) error {
				return func(s string) error { _, err := parseSize(what, s); return err }
			}
			return []field{
				{title: "CPU cores ", value: &w.draft.CPU, validate: func(s string) error { _, err := parseCores(s); return err }},
				{title: "Memory    ", value: &w.draft.Memory, validate: size("memory")},
				{title: "Storage   ", value: &w.draft.Storage, validate: size("storage")},
				{title: "Processes ", value: &w.draft.Processes, validate: func(s string) error {
					_,
						err := parseProcesses(s)
					return err
				}}}
		},
		check: askNode("envelope", "cpu", "cores", "memory", "storage", "processes")}
}

func jurisdictionStep() step {
	return step{name: "jurisdiction",
		words: func(*session) []string {
			return []string{"All that the unit has carries this tag, and nothing of it crosses to another jurisdiction " +
				"(gate 9)."}
		},
		fields: func(w *session) []field {
			return []field{{title: "Jurisdiction", value: &w.draft.Jurisdiction, choices: offered(w.options.Jurisdictions,
				w.draft.Jurisdiction)}}
		},
		check: askNode("jurisdiction")}
}

func classStep() step {
	return step{name: "slice", when: ownSizes,
		words: func(w *session) []string {
			out := []string{"The class of your network slice sets its latency budget and its place in the queue. " +
				"Interactive promises less than " +
				"10 ms of added latency at the 99th percentile, measured live and shown to you."}
			if w.options.ClassSessions[w.draft.Class] > 0 {
				out = append(out, "The session cap bounds the connections at once at a gateway; the next one is asked to try again. It can be changed later.",
					more+"nothing typed: "+capText(w))
			}
			return out
		},
		fields: func(w *session) []field {
			return []field{
				{title: "Class of the slice", value: &w.draft.Class, choices: offered(w.options.Classes, w.draft.Class)},
				{title: "Session cap ", value: &w.draft.Sessions, validate: func(s string) error {
					_, err := parseSessions(s, w.options.SessionsMax)
					return err
				}}}
		},
		check: askNode("class", "slice")}
}

// capText is the number of sessions of the class that is chosen.
func capText(w *session) string {
	if n := w.options.ClassSessions[w.draft.Class]; n > 0 {
		return fmt.Sprintf("%d, the number of class %s", n, w.draft.Class)
	}
	return "the class's number"
}

// ownSizes reports whether a kind has an envelope and a slice to choose; a channel has those of every channel.
func ownSizes(d *draft) bool { return !channel(d.Kind) }

// offered lists what the node knows; a value that came by flag and is not among it stays choosable, the node decides.
func offered(known []Choice, present string) []choice {
	var out []choice
	found := false
	for _, c := range known {
		words := c.Value
		if c.Words != "" {
			words += ": " + c.Words
		}
		out, found = append(out, choice{c.Value, words}), found || c.Value == present
	}
	if !found && present != "" {
		out = append(out, choice{present, present})
	}
	return out
}

func revenueStep() step {
	return step{name: "revenue",
		words: func(w *session) []string {
			creator, platform := rule(w.draft.Kind)
			example := func(gross int64) string {
				c := (gross*creator + 99) / 100
				show := func(minor int64) string { return nexus.Money{Minor: minor, Currency: "USD"}.String() }
				return fmt.Sprintf("of %s you get %s, the platform %s", show(gross), show(c), show(gross-c))
			}
			return []string{
				fmt.Sprintf("Your %s splits %d/%d. It is a constant of the program: no setting and no operator changes it, and "+
					"no fee comes before it.", kindWords(w.draft.Kind), creator, platform),
				"For example:", more + example(1_000_000), more + example(1_99), more + example(1),
				"It is counted over all revenue so far, in whole minor units: the one unit that rounding may give goes to you.",
			}
		}}
}

func reviewStep() step {
	return step{name: reviewName, words: reviewWords,
		fields: func(w *session) []field {
			return []field{{title: "Create it?", value: &w.draft.Decision, choices: []choice{
				{"create", "create it"}, {"change", "change something"}, {"leave", "leave; the draft is kept"}},
				validate: func(s string) error {
					if s == "create" && !w.allowed() {
						return malformed("review", "change what they ask for, or leave", "the gates refuse it as it stands")
					}
					return nil
				}}}
		}}
}

// reviewWords sums the answers up. The verdicts are drawn beneath by the caller.
func reviewWords(w *session) []string {
	d := w.draft
	owner := "you, " + w.options.Backend.Identity().Name
	if d.OwnerChoice == "other" {
		owner = d.Owner
	}
	creator, platform := rule(d.Kind)
	made := []string{fmt.Sprintf("%s %s, owned by %s", kindWords(d.Kind), d.Name, owner), "at " + previewDomain(w)}
	if channel(d.Kind) {
		return append(made, fmt.Sprintf("jurisdiction %s, split %d/%d", d.Jurisdiction, creator, platform))
	}
	capped := ""
	if n, err := parseSessions(d.Sessions, 0); err == nil && n > 0 {
		capped = fmt.Sprintf(" with at most %d connections at once", n)
	}
	return append(made,
		fmt.Sprintf("jurisdiction %s, slice class %s%s, split %d/%d", d.Jurisdiction, d.Class, capped, creator, platform),
		fmt.Sprintf("at most %s, %s memory, %s storage, %s processes", coresText(d.CPU), withUnit(d.Memory),
			withUnit(d.Storage), d.Processes))
}

// coresText counts cores, one of them in the singular.
func coresText(n string) string {
	if strings.TrimSpace(n) == "1" {
		return "1 core"
	}
	return n + " cores"
}

// withUnit shows a bare number as the GiB it means.
func withUnit(s string) string {
	if strings.Trim(s, "0123456789.") == "" {
		return s + " GiB"
	}
	return s
}

// askNode checks an answer by a dry run of the whole draft: only what concerns this step's subjects stops the user
// here;
// the rest may still change and is for the review.
func askNode(subjects ...string) func(context.Context, *session) error {
	return func(ctx context.Context, w *session) error {
		req, err := w.draft.request()
		if err != nil || req.Name == "" {
			return nil // later steps are not answered yet
		}
		_, err = w.options.Backend.DryRun(ctx, req)
		var problem *nexus.Error
		if !errors.As(err, &problem) || problem.Code == nexus.CodeUnavailable || problem.Code == nexus.CodeNoNode {
			return nil
		}
		for _, subject := range subjects {
			if strings.HasPrefix(problem.Subject, subject) {
				return err
			}
		}
		return nil
	}
}

// denials picks the refusing verdicts.
func denials(verdicts []wire.Verdict) []wire.Verdict {
	var out []wire.Verdict
	for _, v := range verdicts {
		if v.Verdict != wire.VerdictAllow {
			out = append(out, v)
		}
	}
	return out
}
