package edge

import (
	"context"
	"fmt"
	"time"
)

// victim is the load of the tenant that is measured.
func (r *rig) victim(addr string) Job {
	return Job{Shape: shapeOpen, Addr: addr, Source: victimSource, Host: victimHost, Path: pathSmall, Connections: victimConnections,
		Rate: victimRate, Warm: warm, Duration: r.Duration}
}

// tenant is victim where its percentiles stand by themselves: alone, and beside a flood. Its figures count for tenantLength at least.
func (r *rig) tenant(addr string) Job {
	job := r.victim(addr)
	job.Duration = max(job.Duration, tenantLength)
	return job
}

// direct measures the backend alone: the baseline of everything else.
func (r *rig) direct(ctx context.Context) error {
	addr := r.backends[0]
	idle, err := r.generator(ctx, r.tenant(addr))
	if err != nil {
		return err
	}
	note := fmt.Sprintf("load %s; %s; the generator itself late by %.2f ms at p99", machineLoad(), idle.standsOn(), float64(idle.LagP99)/1000)
	note += voided(idle.P99)
	r.report.add(fmt.Sprintf("idle baseline, direct, %d rps", victimRate), "us p99", float64(idle.P99), note, idle.P50, idle.P99, idle.P999).Kind =
		KindBaseline
	return nil
}

// voided words that the machine was too busy for the figures beside a baseline, "" when it was not.
func voided(p99 int64) string {
	if time.Duration(p99)*time.Microsecond <= baselineMost {
		return ""
	}
	return fmt.Sprintf("; VOID: the machine is too busy, the baseline's p99 must be at most %v", baselineMost)
}

// rates measures latency at fixed rates.
func (r *rig) rates(ctx context.Context, name, addr string) error {
	for _, at := range rates {
		job := r.victim(addr)
		job.Rate, job.Connections = at.perSecond, at.connections
		f, err := r.generator(ctx, job)
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%.0f rps: %s", at.perSecond, name)
		note := fmt.Sprintf("load %s", machineLoad())
		for _, s := range f.trouble("") {
			note += "; " + s
		}
		unit := "us p99"
		if name == "direct" {
			note += voided(f.P99)
		}
		if base := r.report.last(fmt.Sprintf("%.0f rps: direct", at.perSecond)); name != "direct" && base != nil {
			unit = "us added"
			f.P50, f.P99, f.P999 = f.P50-base[0], f.P99-base[1], f.P999-base[2]
		}
		r.report.add(line, unit, float64(f.P99), note, f.P50, f.P99, f.P999)
	}
	return nil
}

// top measures the highest throughput, and what processor time a request costs the proxy then: of the two the one that other work on the machine
// changes least. A proxy without a process has no such line.
func (r *rig) top(ctx context.Context, name string, p *running) error {
	job := r.victim(p.addr)
	job.Shape, job.Connections = shapeClosed, topConnections
	before, timed := p.processorTime()
	f, err := r.generator(ctx, job)
	if err != nil {
		return err
	}
	after, _ := p.processorTime()
	r.report.add(topLine(name), "req/s", f.rate(), fmt.Sprintf("load %s", machineLoad()))
	if timed && f.Answers > 0 {
		r.report.add("processor time a request: "+name, "us", float64((after-before).Nanoseconds())/1e3/float64(f.Answers),
			fmt.Sprintf("load %s; its processes took %.2f s for %d", machineLoad(), (after-before).Seconds(), f.Answers))
	}
	return nil
}
