package main

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// junitSuite is one phase or live suite as JUnit XML: suite = phase, case = check.
type junitSuite struct {
	name, status, reason string
	durationMs           int64
	checks               []wire.Check
}

func suitesOf(s wire.Suites) []junitSuite {
	out := make([]junitSuite, 0, len(s.Suites))
	for _, r := range s.Suites {
		out = append(out, junitSuite{r.Suite, r.Status, r.Reason, r.DurationMs, r.Checks})
	}
	return out
}

func phasesOf(phases []wire.Phase) []junitSuite {
	out := make([]junitSuite, 0, len(phases))
	for _, p := range phases {
		out = append(out, junitSuite{p.Name, p.Status, p.Reason, p.DurationMs, p.Checks})
	}
	return out
}

type xmlText struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

type xmlCase struct {
	Name      string   `xml:"name,attr"`
	Classname string   `xml:"classname,attr"`
	Failure   *xmlText `xml:"failure"`
	Skipped   *xmlText `xml:"skipped"`
	Out       string   `xml:"system-out,omitempty"`
}

type xmlSuite struct {
	Name     string    `xml:"name,attr"`
	Tests    int       `xml:"tests,attr"`
	Failures int       `xml:"failures,attr"`
	Skipped  int       `xml:"skipped,attr"`
	Time     float64   `xml:"time,attr"`
	Stamp    string    `xml:"timestamp,attr"`
	Cases    []xmlCase `xml:"testcase"`
}

type xmlSuites struct {
	XMLName  xml.Name   `xml:"testsuites"`
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Skipped  int        `xml:"skipped,attr"`
	Suites   []xmlSuite `xml:"testsuite"`
}

// junit builds the document. A degraded check is skipped with its reason, for JUnit has no word for it and failed would say
// more than was found. A suite that did not run is one skipped or failed case.
func junit(suites []junitSuite, started time.Time) xmlSuites {
	doc := xmlSuites{Name: "nexus"}
	for _, s := range suites {
		x := xmlSuite{Name: s.name, Time: float64(s.durationMs) / 1000, Stamp: started.UTC().Format("2006-01-02T15:04:05")}
		checks := s.checks
		if len(checks) == 0 {
			checks = []wire.Check{{Name: s.name, Status: s.status, Detail: s.reason}}
		}
		for _, c := range checks {
			x.add(c)
		}
		doc.Tests, doc.Failures, doc.Skipped = doc.Tests+x.Tests, doc.Failures+x.Failures, doc.Skipped+x.Skipped
		doc.Suites = append(doc.Suites, x)
	}
	return doc
}

func (x *xmlSuite) add(c wire.Check) {
	tc := xmlCase{Name: xmlSafe(c.Name), Classname: "nexus." + x.Name, Out: xmlSafe(checkLine(c))}
	x.Tests++
	switch c.Status {
	case wire.StatusPassed:
	case wire.StatusDegraded, wire.StatusSkipped:
		tc.Skipped = &xmlText{Message: xmlSafe(c.Status + ": " + c.Detail)}
		x.Skipped++
	default:
		tc.Failure = &xmlText{Message: xmlSafe(c.Detail), Text: xmlSafe(checkLine(c))}
		x.Failures++
	}
	x.Cases = append(x.Cases, tc)
}

// xmlSafe drops what XML 1.0 cannot hold.
func xmlSafe(s string) string { return strings.ToValidUTF8(clean(s), "\uFFFD") }

// writeJUnit writes the file anew, whole or not at all.
func writeJUnit(path string, suites []junitSuite, started time.Time) error {
	b, err := xml.MarshalIndent(junit(suites, started), "", "  ")
	if err != nil {
		return err
	}
	fail := func(err error) error {
		return nexus.Errf("junit", nexus.CodeUnavailable, "--junit "+path, "name a file that can be written", "%w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fail(err)
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, append([]byte(xml.Header), append(b, '\n')...), 0o644); err != nil {
		return fail(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fail(err)
	}
	return nil
}
