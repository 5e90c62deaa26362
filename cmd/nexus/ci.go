package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/launch"
)

// ciKind is the CI service whose log a launch is written into.
type ciKind string

// The services whose log has sections that open and close. Others get the plain lines.
const (
	ciNone   ciKind = ""
	ciGitHub ciKind = "github"
	ciGitLab ciKind = "gitlab"
)

// annotationsMax is how many annotations of a kind one step shows.
const annotationsMax = 10

// ciService writes in the form of a CI service: its workflow commands and section marks are what the service's documentation
// says. No state; safe for concurrent use.
type ciService struct {
	kind   ciKind
	getenv func(string) string
}

// detectCI goes by the variables that the services promise to set.
func detectCI(getenv func(string) string) ciKind {
	switch {
	case getenv("GITHUB_ACTIONS") == "true":
		return ciGitHub
	case getenv("GITLAB_CI") == "true":
		return ciGitLab
	}
	return ciNone
}

// inert keeps a text from commanding the service: one line, no escapes, and no mark that begins a workflow command. Names and
// details may come from tenants.
func (c ciService) inert(text string) string {
	text = clean(text)
	if c.kind == ciNone {
		return text
	}
	text = strings.NewReplacer("\n", " ", "##[", "# #[").Replace(text)
	if strings.HasPrefix(strings.TrimSpace(text), "::") {
		text = "| " + text
	}
	return text
}

// section is a whole phase, folded when it passed.
func (c ciService) section(l wire.PhaseFinishedLine, lines []string, now time.Time) []string {
	title := c.inert(launch.Plain(l))
	switch c.kind {
	case ciGitHub:
		out := append([]string{"::group::" + commandData(title)}, lines...)
		return append(out, "::endgroup::")
	case ciGitLab:
		name := fmt.Sprintf("nexus_phase_%02d", l.Phase)
		folded := ""
		if l.Status == wire.StatusPassed {
			folded = "[collapsed=true]"
		}
		begun := now.Add(-time.Duration(l.DurationMs) * time.Millisecond).Unix()
		out := append([]string{fmt.Sprintf("\x1b[0Ksection_start:%d:%s%s\r\x1b[0K%s", begun, name, folded, title)}, lines...)
		return append(out, fmt.Sprintf("\x1b[0Ksection_end:%d:%s\r\x1b[0K", max(now.Unix(), begun), name))
	}
	return append(lines, title)
}

// annotation marks a check; GitLab has none.
func (c ciService) annotation(level string, check wire.PhaseCheckLine) []string {
	if c.kind != ciGitHub {
		return nil
	}
	title := fmt.Sprintf("phase %d %s: %s", check.Phase, wire.PhaseNames()[check.Phase-1].Name, check.Check)
	return []string{"::" + level + " title=" + commandProperty(c.inert(title)) + "::" + commandData(c.inert(launch.Plain(check)))}
}

// commandData and commandProperty escape as the workflow commands want it.
func commandData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func commandProperty(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(commandData(s))
}

// finish writes GitHub's step summary and outputs, if it named files for them.
func (c ciService) finish(phases [wire.PhaseCount]phaseSoFar, last wire.LaunchFinishedLine) error {
	if detectCI(c.getenv) != ciGitHub {
		return nil
	}
	err := appendFile(c.getenv("GITHUB_STEP_SUMMARY"), summaryMarkdown(phases, last))
	if err == nil {
		err = appendFile(c.getenv("GITHUB_OUTPUT"), fmt.Sprintf("status=%s\nreport=%s\nreport_sha256=%s\n", last.Status, oneLine(last.Report),
			last.ReportSHA256))
	}
	return err
}

// summaryMarkdown is a table of phases, and what was found that is not passed.
func summaryMarkdown(phases [wire.PhaseCount]phaseSoFar, last wire.LaunchFinishedLine) string {
	cell := strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;", "`", "'")
	var b strings.Builder
	fmt.Fprintf(&b, "## nexus launch: %s\n\n%d passed, %d failed, %d degraded, %d skipped in %.1f s\n\n| phase | verdict | checks | ms | reason |\n"+
		"| --- | --- | ---: | ---: | --- |\n", last.Status, last.Passed, last.Failed, last.Degraded, last.Skipped, float64(last.DurationMs)/1000)
	for i, name := range wire.PhaseNames() {
		p := phases[i]
		if p.finished == nil {
			continue
		}
		fmt.Fprintf(&b, "| %d %s | %s | %d | %d | %s |\n", i+1, name.Name, p.finished.Status, len(p.checks), p.finished.DurationMs,
			cell.Replace(clean(p.finished.Reason)))
	}
	b.WriteByte('\n')
	return b.String()
}

// appendFile adds text to a file of the service; no path, no file.
func appendFile(path, text string) error {
	if path == "" {
		return nil
	}
	fail := func(err error) error {
		return nexus.Errf("summary", nexus.CodeUnavailable, path, "see the runner's own variables", "%w", err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fail(err)
	}
	_, err = f.WriteString(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fail(err)
	}
	return nil
}
