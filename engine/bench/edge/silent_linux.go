package edge

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// A tenant that falls silent for longer than a second, and asks again, in the middle of a neighbour's flood.
const (
	silentPause  = 1100 * time.Millisecond // between two of its requests at least
	silentRate   = 2                       // and a quarter to three quarters of a second more
	silentLength = 32 * time.Second        // of one run at least: some twenty requests
)

// silentLine names the line of such a tenant.
func silentLine(connections int, name string) string {
	return fmt.Sprintf("a silent tenant beside %d connections: %s", connections, name)
}

// silentFloods gives the floods of small requests beside which a silent tenant was asked for of a proxy. It takes half a minute each, so it is
// measured only where --case names it.
func (r *rig) silentFloods(c contender, tuned bool) (out []flood) {
	if tuned || c.floodsOnly || r.Case == "" {
		return nil
	}
	for _, f := range floods() {
		if f.job.Host == smallHost && strings.Contains(silentLine(f.job.Connections, c.name), r.Case) {
			out = append(out, f)
		}
	}
	return out
}

// silent measures the tenant beside such a flood. Errors: a generator's.
func (r *rig) silent(ctx context.Context, f flood, p *running, name string) error {
	length := max(r.Duration, silentLength)
	job := f.job
	job.Addr, job.Warm, job.Duration = p.addr, warm, length
	reached := make(chan Figures, 1)
	go func() {
		of, _ := r.generator(ctx, job) // without its load the figure below says so
		reached <- of
	}()
	tenant := r.victim(p.addr)
	tenant.Connections, tenant.Rate, tenant.Pause, tenant.Duration = 1, silentRate, silentPause, length
	seen, err := r.generator(ctx, tenant)
	offender := <-reached
	if err != nil {
		return err
	}
	note := fmt.Sprintf("load %s; p99 is the worst of %d requests; offender %.0f %s", machineLoad(), seen.Answers, f.rate(offender), f.unit)
	for _, s := range seen.trouble("TENANT: ") {
		note += "; " + s
	}
	r.report.add(silentLine(f.job.Connections, name), "us p99", float64(seen.P99), note, seen.P50, seen.P99, seen.P999)
	return sleep(ctx, settle)
}
