package panel

import (
	"fmt"
	"strings"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// sliceServed is one line about the edges and hosts of a slice: what is wrong, if anything is.
func sliceServed(r *wire.SliceRow) (string, theme.Style) {
	if len(r.Edges) == 0 {
		return "not measured", theme.Faint
	}
	words := map[string]int{}
	for i := range r.Routes {
		words[r.Routes[i].State]++
		if c := r.Routes[i].Certificate; c != nil && c.Error != "" {
			words["certificate"]++
		}
	}
	left := r.Edges[0].RetriesLeft
	for i := range r.Edges {
		left = min(left, r.Edges[i].RetriesLeft)
	}
	text, style, trouble := "", theme.Plain, ""
	for _, w := range []struct{ state, text string }{{"out", "out"}, {"failing", "failing"}, {"certificate", "cert failing"}} {
		if n := words[w.state]; n > 0 {
			trouble, style = trouble+fmt.Sprintf("%d %s, ", n, w.text), theme.Bad
		}
	}
	if trouble != "" {
		text = strings.TrimSuffix(trouble, ", ") + "; "
	}
	text += fmt.Sprintf("by %s, %s, %d retries left", plural(len(r.Edges), "edge"), plural(r.RoutesTotal, "host"), left)
	return text, style
}

// sliceEdges lists each edge with what was measured there, and each host with its backend and certificate.
func (p *Page) sliceEdges(r *wire.SliceRow) {
	p.Heading("edges: link is edge to home and back, rtt what clients of sessions told")
	p.line(func(l *theme.Line) {
		l.Space(1).Cell(theme.Faint, "edge", 16).Right(theme.Faint, "p99 ms", 7).Right(theme.Faint, "link ms", 8).Right(theme.Faint, "rtt ms", 8).
			Right(theme.Faint, "rate", 12).Right(theme.Faint, "retries", 8).Right(theme.Faint, "ejected", 8)
	})
	for i := range r.Edges {
		e := &r.Edges[i]
		p.line(func(l *theme.Line) {
			l.Space(1).Cell(theme.Plain, theme.Clean(e.Edge), 16).Right(theme.Plain, ms(p.th, e.P99Ms), 7).Right(theme.Plain, ms(p.th, e.LinkRTTMs), 8).
				Right(theme.Plain, ms(p.th, e.TripP50Ms), 8).Right(theme.Plain, bits(e.RateBps), 12).Right(theme.Plain, count(uint64(max(e.RetriesLeft, 0))), 8).
				Right(theme.Plain, count(e.Ejections), 8)
			if e.P99Ms == nil {
				l.Space(2).Add(theme.Faint, "no p99 yet")
			}
		})
	}
	p.Blank()
	p.Heading("hosts: edge, backend, certificate")
	for i := range r.Routes {
		h := &r.Routes[i]
		word, style := routeWord(h)
		p.line(func(l *theme.Line) {
			l.Space(1).Cell(theme.Plain, theme.Clean(h.Host), 30).Space(1).Cell(theme.Faint, theme.Clean(h.Edge), 16).Space(1).Add(style, word)
		})
		if h.Backend != "" {
			p.Field("  backend", backendOf(h), theme.Faint)
		}
		text, style := certificateWord(h.Certificate)
		p.Field("  cert", text, style)
	}
	if r.RoutesTotal*len(r.Edges) > len(r.Routes) {
		p.Field("", fmt.Sprintf("%d hosts at %d edges; these are the %d with trouble first", r.RoutesTotal, len(r.Edges), len(r.Routes)), theme.Faint)
	}
	p.Blank()
}

func routeWord(h *wire.SliceRoute) (string, theme.Style) {
	switch {
	case h.State == "out" || h.State == "failing":
		return fmt.Sprintf("%s, %d failures in a row", h.State, h.InARow), theme.Bad
	case h.State == "answers" || h.State == "files":
		return h.State, theme.Good
	}
	return h.State, theme.Faint
}

func backendOf(h *wire.SliceRoute) string {
	text := h.Backend
	for _, at := range []struct {
		name string
		t    *time.Time
	}{{"answered", h.LastAnswer}, {"failed", h.LastFailure}} {
		if at.t != nil {
			text += ", " + at.name + " " + moment(*at.t)
		}
	}
	return text
}

func certificateWord(c *wire.Certificate) (string, theme.Style) {
	switch {
	case c == nil:
		return "no TLS at this edge, or it does not tell", theme.Faint
	case c.Error != "":
		return "of " + c.Source + ": " + c.Error, theme.Bad
	case c.NotAfter == nil:
		return "of " + c.Source + ": none yet", theme.Faint
	case c.Renews == nil:
		return fmt.Sprintf("of %s, until %s", c.Source, moment(*c.NotAfter)), theme.Plain
	}
	return fmt.Sprintf("of %s, until %s, renewed from %s", c.Source, moment(*c.NotAfter), moment(*c.Renews)), theme.Plain
}
