package edge

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// Groups measures whether tenants should have an edge process per latency group: the measuring tenant and a flooding one in one process,
// in two processes, and in two of which the flooded one has a lower scheduling weight (nice 10), in turn in each run, so that what else the
// machine does falls on all. No contracts: what a new unit gets. The others are as they are meant to be: the flooding tenant's class is one that has
// patience, in one process and with --supervise, which is what a worker per group changes, also with a lower weight. Errors: as Run.
func Groups(ctx context.Context, o Options) (Report, error) {
	r := &rig{Options: o, exchangeBytes: 512}
	stop, err := r.prepare()
	if err != nil {
		return r.report, err
	}
	defer stop()
	var processes [3]*running // of both tenants; of the interactive one; of the flooded one
	for i := range processes {
		if processes[i], err = startNamed(ctx, r, r.home, fmt.Sprintf("bench-%d", i), newUnits); err != nil {
			return r.report, err
		}
		defer processes[i].stop()
	}
	other, err := r.startHome("patient") // with a table of its own
	if err != nil {
		return r.report, err
	}
	defer other.cancel()
	var classed [3]*running
	for i, flags := range [][]string{nil, {"--supervise"}, {"--supervise", fmt.Sprintf("--patient-nice=%d", flooderNice)}} {
		if classed[i], err = startNamed(ctx, r, other, fmt.Sprintf("bench-class-%d", i), patientOffenders, flags...); err != nil {
			return r.report, err
		}
		defer classed[i].stop()
	}
	arrangements := []struct {
		name         string
		victim, bulk *running
		bulkNice     int
	}{
		{name: oneProcess, victim: processes[0], bulk: processes[0]},
		{name: "two processes", victim: processes[1], bulk: processes[2]},
		{name: "two processes, the flooded one at nice 10", victim: processes[1], bulk: processes[2], bulkNice: flooderNice},
		{name: oneClassed, victim: classed[0], bulk: classed[0]},
		{name: "supervised, flooded: class default", victim: classed[1], bulk: classed[1]},
		{name: "supervised, flooded: class default, patient at nice 10", victim: classed[2], bulk: classed[2]},
	}
	for n := range o.Runs {
		fmt.Fprintf(r.Progress, "edge: groups, run %d of %d, load %s\n", n+1, o.Runs, machineLoad())
		if err := r.direct(ctx); err != nil {
			return r.report, err
		}
		for _, f := range floods() {
			if f.job.Shape != shapeTLSDials && f.job.Connections != 512 {
				continue
			}
			for k := range arrangements {
				a := arrangements[(k+n)%len(arrangements)] // each has been the first
				// The group's priority, which the process was started to have for itself.
				if err := unix.Setpriority(unix.PRIO_PGRP, processes[2].cmd.Process.Pid, a.bulkNice); err != nil {
					return r.report, fmt.Errorf("nice %d: %w", a.bulkNice, err)
				}
				if err := r.beside(ctx, f, a.victim, a.bulk, a.name, false); err != nil {
					return r.report, fmt.Errorf("%s, %s: %w", f.name, a.name, err)
				}
			}
		}
	}
	r.report.pairs(oneProcess)
	r.report.pairs(oneClassed)
	return r.report, nil
}

const (
	oneProcess = "one process"
	oneClassed = "one process, flooded: class default"
)
