package edge

import (
	"context"
	"fmt"
	"strings"
)

// contend measures one proxy in one configuration.
func (r *rig) contend(ctx context.Context, c contender, tuned bool) error {
	p, err := c.start(ctx, r, tuned)
	if err != nil {
		return err
	}
	defer p.stop()
	if !tuned && r.Case == "" && !c.floodsOnly {
		if err := r.rates(ctx, c.name, p.addr); err != nil {
			return err
		}
	}
	if r.wantsTop(c, tuned) {
		if err := r.top(ctx, c.name, p); err != nil {
			return err
		}
	}
	for _, protocol := range r.protocolsOf(c, tuned) {
		if err := r.protocol(ctx, c, p, protocol); err != nil {
			return fmt.Errorf("%s: %w", protocol, err)
		}
	}
	for _, f := range r.silentFloods(c, tuned) {
		if err := r.silent(ctx, f, p, c.name); err != nil {
			return fmt.Errorf("a silent tenant beside %s: %w", f.name, err)
		}
	}
	name := c.name + ", " + word(tuned)
	if len(r.chosen(c, name)) == 0 {
		return nil
	}
	idle, err := r.generator(ctx, r.tenant(p.addr))
	if err != nil {
		return err
	}
	if c.name == oursName && !tuned && idle.Good > 0 {
		r.exchangeBytes = float64(idle.Bytes) / float64(idle.Good)
	}
	r.report.add("no flood: "+name, "us p99", float64(idle.P99), strings.Join(append([]string{"load " + machineLoad(), idle.standsOn()},
		idle.trouble("")...), "; "), idle.P50, idle.P99, idle.P999)
	for _, f := range r.chosen(c, name) {
		if err := r.flood(ctx, f, p, name, tuned); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if !tuned || r.Case != "" || c.floodsOnly {
		return nil
	}
	if err := r.guarantee(ctx, p, c.name); err != nil {
		return err
	}
	return r.ceiling(ctx, p, c.name)
}

// flood measures the victim while a neighbour floods.
func (r *rig) flood(ctx context.Context, f flood, p *running, name string, tuned bool) error {
	return r.beside(ctx, f, p, p, name, tuned)
}

// beside is flood with the neighbour at a process that may be another one.
func (r *rig) beside(ctx context.Context, f flood, p, flooded *running, name string, tuned bool) error {
	job := f.job
	job.Addr, job.Warm, job.Duration = flooded.addr, warm, r.tenant(p.addr).Duration
	if job.Shape == shapeTLSDials || f.overQUIC() { // the UDP port has the same number
		job.Addr = flooded.tlsAddr
	}
	machine, err := r.witness(ctx)
	if err != nil {
		return err
	}
	offender := r.begin(ctx, job)
	victim, err := r.generator(ctx, r.tenant(p.addr))
	reached := <-offender
	if err != nil {
		return err
	}
	if reached.err != nil {
		return fmt.Errorf("offender: %w", reached.err)
	}
	note := []string{"load " + machineLoad(), victim.standsOn()}
	if s := f.reached(f.rate(reached.Figures), tuned); s != "" {
		note = append(note, s)
	}
	if job.Shape == shapeLoris {
		note = append(note, fmt.Sprintf("%d of %d connections open at the end", reached.Open, job.Connections))
	}
	if reached.Asked > 0 {
		note = append(note, fmt.Sprintf("%d were asked where they are", reached.Asked))
	}
	if reached.Refused+reached.Broken > 0 {
		note = append(note, fmt.Sprintf("offender: %d refused, %d cut", reached.Refused, reached.Broken))
	}
	note = append(note, victim.trouble("VICTIM: ")...)
	c := r.report.add(f.name+": "+name, "us p99", float64(victim.P99), strings.Join(note, "; "), victim.P50, victim.P99, victim.P999)
	c.Kind, c.Flood = KindFlood, f.name
	if err := machine.says(c); err != nil {
		return err
	}
	return sleep(ctx, settle)
}

// share is the load of a tenant of the share cases, as many bytes as it gets.
func (r *rig) share(p *running, host string, connections int) Job {
	return Job{Shape: shapeClosed, Addr: p.addr, Source: victimSource, Host: host, Path: pathLarge, Connections: connections,
		Warm: warm, Duration: r.shareLength(), Nice: flooderNice}
}

// guarantee measures what of a guaranteed rate arrives while a neighbour without one takes all it can.
func (r *rig) guarantee(ctx context.Context, p *running, name string) error {
	greedy := make(chan Figures, 1)
	go func() {
		f, _ := r.generator(ctx, r.share(p, greedyHost, 4*shareConnections)) // without its load the figure below says so
		greedy <- f
	}()
	f, err := r.generator(ctx, r.share(p, guaranteedHost, shareConnections))
	other := <-greedy
	if err != nil {
		return err
	}
	promised := float64(guaranteedBps) / 8
	share, _ := kept(f.WindowsBy, promised*windowLength.Seconds())
	c := r.report.add("guarantee kept beside a greedy neighbour: "+name, "%", share,
		fmt.Sprintf("load %s; %.1f MB/s of %.1f promised, in windows of %v; neighbour %.1f MB/s", machineLoad(), f.bytesRate()/1e6, promised/1e6,
			windowLength, other.bytesRate()/1e6))
	c.Kind = KindGuarantee
	return sleep(ctx, settle)
}

// ceiling measures by how much a tenant gets more than its maximum, where the proxy has a maximum of bytes.
func (r *rig) ceiling(ctx context.Context, p *running, name string) error {
	line := "ceiling overshoot, worst window: " + name
	if name != oursName && name != "nginx" {
		r.report.skip(line, "this build has no limit of bytes a tenant")
		return nil
	}
	f, err := r.generator(ctx, r.share(p, ceilingHost, shareConnections))
	if err != nil {
		return err
	}
	most := float64(ceilingBps) / 8
	_, over := kept(f.WindowsBy, most*windowLength.Seconds())
	r.report.add(line, "%", over, fmt.Sprintf("load %s; %.2f MB/s of %.2f, in windows of %v", machineLoad(), f.bytesRate()/1e6, most/1e6,
		windowLength)).Kind = KindCeiling
	return sleep(ctx, settle)
}
