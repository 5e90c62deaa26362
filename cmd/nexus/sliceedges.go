package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

const notMeasured = "not measured"

// printSliceEdges prints the edges that serve a slice and how its hosts are served there.
func printSliceEdges(w io.Writer, s wire.SliceRow, now time.Time) error {
	edges := &table{head: []string{"EDGE", ">P99 ms", ">Mbit/s", ">IN FLIGHT", ">QUEUE", ">REQUESTS", ">REFUSED", ">STRAYS", ">OUT", ">EJECTIONS", ">RETRIES LEFT",
		">LINK ms", ">RTT P50 ms", ">REPORTED"}, none: "no edge has told of this slice yet"}
	for _, e := range s.Edges {
		link, reported := orNotMeasured(e.LinkRTTMs), fmt.Sprintf("%.1f s ago", float64(e.ReportAgeMs)/1000)
		if e.ReportAgeMs == 0 && e.LinkRTTMs == nil {
			link, reported = "-", "now" // the node's own gateway needs no link
		}
		edges.add(e.Edge, orNotMeasured(e.P99Ms), fmt.Sprintf("%.2f", e.RateBps/1e6), strconv.Itoa(e.InFlight), strconv.Itoa(e.Queue),
			strconv.FormatUint(e.Requests, 10), strconv.FormatUint(e.Refused, 10), strconv.FormatUint(e.Strays, 10), strconv.Itoa(e.BackendsOut),
			strconv.FormatUint(e.Ejections, 10), strconv.Itoa(e.RetriesLeft), link, orNotMeasured(e.TripP50Ms), reported)
	}
	hosts := &table{head: []string{"HOST", "EDGE", "BACKEND", "HEALTH", "LAST ANSWER", "CERTIFICATE", "UNTIL", "RENEWS", "ERROR"},
		none: "no host leads to this slice"}
	for _, r := range s.Routes {
		c := r.Certificate
		if c == nil {
			hosts.add(r.Host, r.Edge, r.Backend, health(r), ago(r.LastAnswer, now), "no TLS here", "", "", "")
			continue
		}
		until := "none yet: made at the first handshake"
		if c.NotAfter != nil {
			until = when(*c.NotAfter)
		} else if c.Source != wire.OwnAuthority {
			until = "none yet"
		}
		renews, problem := "", ""
		if c.Renews != nil {
			renews = when(*c.Renews)
		}
		if c.Error != "" && c.ErrorAt != nil {
			problem = when(*c.ErrorAt) + " " + c.Error
		}
		hosts.add(r.Host, r.Edge, r.Backend, health(r), ago(r.LastAnswer, now), c.Source, until, renews, problem)
	}
	for _, t := range []*table{edges, hosts} {
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
		if err := t.print(w); err != nil {
			return err
		}
	}
	if s.RoutesTotal*len(s.Edges) > len(s.Routes) {
		_, err := fmt.Fprintf(w, "%d hosts at %d edges; shown are %d, those with trouble first\n", s.RoutesTotal, len(s.Edges), len(s.Routes))
		return err
	}
	return nil
}

func health(r wire.SliceRoute) string {
	if r.InARow > 0 {
		return fmt.Sprintf("%s, %d failures in a row", r.State, r.InARow)
	}
	return r.State
}

func orNotMeasured(v *float64) string {
	if v == nil {
		return notMeasured
	}
	return milliseconds(v)
}

func ago(t *time.Time, now time.Time) string {
	if t == nil {
		return ""
	}
	return max(now.Sub(*t), 0).Round(100*time.Millisecond).String() + " ago"
}
