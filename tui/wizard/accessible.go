package wizard

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// answerMax bounds one typed line, in bytes.
const answerMax = 4096

// plainForm asks the same steps in lines, for screen readers and terminals that cannot move a cursor. A single `<` goes
// back; the end of the input leaves.
type plainForm struct {
	*session
	in  *bufio.Scanner
	out io.Writer
	err error // first failure to write
}

// back is what a user types to go back one step.
const back = "<"

func (p *plainForm) say(format string, args ...any) {
	if _, err := fmt.Fprintf(p.out, format+"\n", args...); err != nil && p.err == nil {
		p.err = err
	}
}

// ask runs the plain form.
func (w *session) ask(ctx context.Context) (*wire.UnitCreated, error) {
	p := &plainForm{session: w, in: bufio.NewScanner(w.options.In), out: w.options.lines()}
	p.in.Buffer(nil, answerMax)
	p.say("New unit. Enter keeps the value in brackets, %s goes back, the end of the input leaves and keeps the draft.",
		back)
	if w.resumed {
		p.say("Going on with the draft that was kept.")
	}
	at := position(w.path(), w.draft.Step)
	for {
		path := w.path()
		at = max(min(at, len(path)-1), 0)
		s := path[at]
		w.draft.Step = s.name
		if err := w.draft.save(w.options.DraftFile); err != nil {
			return nil, err
		}
		goBack, err := p.step(ctx, s, at+1, len(path)+1)
		switch {
		case err != nil:
			return nil, err
		case p.err != nil:
			return nil, p.err
		case goBack:
			at--
			continue
		case s.name != reviewName:
			at++
			continue
		}
		created, to, err := p.decide(ctx)
		if created != nil || err != nil {
			return created, err
		}
		at = position(w.path(), to)
	}
}

// step asks one step's questions until they are answered and the node has nothing against them.
func (p *plainForm) step(ctx context.Context, s step, number, of int) (goBack bool, err error) {
	p.say("\nStep %d of %d: %s.", number, of, s.name)
	if s.name == reviewName {
		p.verdicts, p.refused = p.review(ctx)
	}
	for _, line := range s.words(p.session) {
		p.say("%s", theme.Clean(line))
	}
	if s.name == reviewName {
		p.sayVerdicts()
	}
	if s.fields == nil {
		answer, err := p.read("Press enter to go on: ")
		return answer == back, err
	}
	for {
		for _, f := range s.fields(p.session) {
			if goBack, err := p.field(f); goBack || err != nil {
				return goBack, err
			}
		}
		if s.after != nil {
			s.after(p.draft)
		}
		if problem := p.check(ctx, s); problem != nil {
			p.say("Not possible: %s", theme.Clean(problem.Error()))
			continue
		}
		return false, nil
	}
}

func (p *plainForm) sayVerdicts() {
	if p.refused != nil {
		p.say("The node refuses it: %s", theme.Clean(p.refused.Error()))
		return
	}
	p.say("%s", verdictSummary(p.verdicts))
	for _, v := range p.verdicts {
		line := fmt.Sprintf("gate %d %s: %s", v.Gate, theme.Clean(v.Name), v.Verdict)
		if v.Verdict != wire.VerdictAllow {
			line += fmt.Sprintf(", %s; fix: %s", theme.Clean(v.Reason), theme.Clean(v.Fix))
		}
		p.say("%s", line)
	}
}

// read prints a prompt and gives the next line; the end of the input is ErrLeft.
func (p *plainForm) read(prompt string) (string, error) {
	if _, err := io.WriteString(p.out, prompt); err != nil {
		return "", err
	}
	if !p.in.Scan() {
		if err := p.in.Err(); err != nil {
			return "", err
		}
		return "", ErrLeft
	}
	return strings.TrimSpace(p.in.Text()), nil
}

// field asks one question until the answer is valid.
func (p *plainForm) field(f field) (goBack bool, err error) {
	title := strings.TrimSpace(f.title)
	for {
		prompt := title
		if len(f.choices) > 0 {
			p.say("%s", title)
			for i, c := range f.choices {
				p.say("%d. %s", i+1, theme.Clean(c.words))
			}
			prompt = "Number"
		}
		present := *f.value
		if len(f.choices) > 0 {
			present = ""
			for i, c := range f.choices {
				if c.value == *f.value {
					present = strconv.Itoa(i + 1)
				}
			}
		}
		answer, err := p.read(fmt.Sprintf("%s [%s]: ", prompt, theme.Clean(present)))
		if err != nil || answer == back {
			return answer == back, err
		}
		if answer == "" {
			answer = present
		}
		if len(f.choices) > 0 {
			n, err := strconv.Atoi(answer)
			if err != nil || n < 1 || n > len(f.choices) {
				p.say("Please type a number from 1 to %d.", len(f.choices))
				continue
			}
			answer = f.choices[n-1].value
		}
		if f.validate != nil {
			if problem := f.validate(answer); problem != nil {
				p.say("Not possible: %s", theme.Clean(problem.Error()))
				continue
			}
		}
		*f.value = answer
		return false, nil
	}
}

// decide acts on the answer at the review: the unit created, or the step to go to.
func (p *plainForm) decide(ctx context.Context) (*wire.UnitCreated, string, error) {
	switch p.draft.Decision {
	case "create":
		last := len(p.path()) + 1
		p.say("\nStep %d of %d: %s.", last, last, createName)
		created, err := p.create(ctx)
		if err != nil {
			p.say("It was not created: %s", theme.Clean(err.Error()))
			return nil, reviewName, ctx.Err()
		}
		return &created, "", nil
	case "leave":
		return nil, "", ErrLeft
	}
	var to string
	f := field{title: "What?", value: &to}
	for _, s := range p.path() {
		if s.name != reviewName {
			f.choices = append(f.choices, choice{s.name, s.name})
		}
	}
	to = f.choices[0].value
	goBack, err := p.field(f)
	if goBack {
		to = reviewName
	}
	return nil, to, err
}
