package rules_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
)

// Run with -rewrite to write the verdicts the rules give now into the stories; read the diff before committing.
var rewrite = flag.Bool("rewrite", false, "rewrite the expected verdicts in testdata/gates")

const storyDir = "../../testdata/gates"

// story is one block of testdata/gates/<slug>.txt (format: testdata/gates/README.md).
type story struct {
	title, from, patch, want string
}

// TestStories runs every gate's stories: what happens to whom, told as facts and the verdict that follows.
func TestStories(t *testing.T) {
	t.Parallel()
	c := chain(t)
	for _, g := range rules.All() {
		path := filepath.Join(storyDir, g.Name+".txt")
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("gate %d has no stories: %v", g.Number, err)
			continue
		}
		head, stories, err := parseStories(string(raw))
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		out := head
		outcomes := map[string]bool{}
		for _, s := range stories {
			got, err := s.run(c, g)
			if err != nil {
				t.Errorf("%s: story %q: %v", path, s.title, err)
				continue
			}
			if got != s.want && !*rewrite {
				t.Errorf("%s: story %q\n got:\n%s want:\n%s", path, s.title, got, s.want)
			}
			s.want = got
			out += s.text()
			outcomes[strings.Fields(got)[1]] = true
		}
		if len(stories) < 3 || !outcomes["allow"] || !outcomes["refuse"] || !strings.Contains(out, "story: missing fact") {
			t.Errorf("%s: needs stories of an allow, a refusal and a missing fact", path)
		}
		if *rewrite && out != string(raw) {
			if err := os.WriteFile(path, []byte(out), 0o644); err != nil {
				t.Error(err)
			}
		}
	}
}

func (s story) text() string {
	out := "\nstory: " + s.title + "\nfrom: " + s.from + "\n"
	if s.patch != "" {
		out += "facts: " + s.patch + "\n"
	}
	return out + "----\n" + s.want
}

// run gives what the gate says, then who else refuses.
func (s story) run(c *gates.Chain, g gates.Gate) (string, error) {
	f, err := s.facts(g)
	if err != nil {
		return "", err
	}
	d := decide(c, f)
	v := d.Verdicts[g.Number-1]
	word := "refuse"
	if v.Allow {
		word = "allow"
	}
	out := fmt.Sprintf("verdict: %s %s\n", word, v.ReasonCode)
	for _, line := range [][2]string{{"observed", v.Observed}, {"required", v.Required}, {"fix", v.Fix}} {
		if line[1] != "" {
			out += line[0] + ": " + line[1] + "\n"
		}
	}
	if others := d.Refusing(); len(others) > 0 {
		out += fmt.Sprintf("refused by: %v\n", others)
	}
	return out, nil
}

// facts starts from a sample and merges the story's own facts into it, by way of JSON; unknown names are errors.
func (s story) facts(g gates.Gate) (gates.Facts, error) {
	var f, out gates.Facts
	switch s.from {
	case "good":
		f = g.Good()
	case "bad":
		f = g.Bad()
	case "zero":
	default:
		return f, fmt.Errorf("from %q: good, bad or zero", s.from)
	}
	if s.patch == "" {
		return f, nil
	}
	b, err := json.Marshal(f)
	if err != nil {
		return f, err
	}
	var base, patch any
	if err := json.Unmarshal(b, &base); err != nil {
		return f, err
	}
	if err := json.Unmarshal([]byte(s.patch), &patch); err != nil {
		return f, fmt.Errorf("facts: %w", err)
	}
	if b, err = json.Marshal(merge(base, patch)); err != nil {
		return f, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return out, d.Decode(&out)
}

// merge lays patch over base: objects by name, arrays of objects by place, all else replaced.
func merge(base, patch any) any {
	switch p := patch.(type) {
	case map[string]any:
		b, ok := base.(map[string]any)
		if !ok {
			return p
		}
		for k, v := range p {
			b[k] = merge(b[k], v)
		}
		return b
	case []any:
		b, ok := base.([]any)
		if !ok || len(p) == 0 {
			return p
		}
		for i, v := range p {
			if _, object := v.(map[string]any); !object {
				return p
			}
			if i < len(b) {
				p[i] = merge(b[i], v)
			}
		}
		return p
	default:
		return p
	}
}

// parseStories reads the head (comment lines) and the stories of a file.
func parseStories(text string) (head string, stories []story, err error) {
	parts := strings.Split(text, "\nstory: ")
	head = parts[0]
	for _, line := range strings.Split(strings.TrimSpace(head), "\n") {
		if !strings.HasPrefix(line, "#") {
			return "", nil, fmt.Errorf("line %q before the first story is no comment", line)
		}
	}
	for _, part := range parts[1:] {
		given, want, found := strings.Cut(part, "----\n")
		title, rest, _ := strings.Cut(given, "\n")
		from, patch, _ := strings.Cut(strings.TrimSpace(rest), "\nfacts: ")
		from, isFrom := strings.CutPrefix(from, "from: ")
		if !found || !isFrom {
			return "", nil, fmt.Errorf("story %q: wants from:, then facts: if any, then ----", title)
		}
		stories = append(stories, story{title: title, from: from, patch: strings.TrimSpace(patch), want: want})
	}
	return head, stories, nil
}
