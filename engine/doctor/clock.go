package doctor

import (
	"context"
	"fmt"
	"time"
)

// driftWindow is how long wall clock and monotonic clock are compared; driftMax is how far apart they may run in it. A
// slewing NTP client moves the clock by at most 0.5 ms per second, so more than this is a step.
const (
	driftWindow = 40 * time.Millisecond
	driftMax    = 5 * time.Millisecond
)

// earliest is the moment before which the clock must be wrong: the build, or a day before any release.
func earliest(o *Options) (time.Time, string) {
	if !o.BuildTime.IsZero() {
		return o.BuildTime, "the build of this binary"
	}
	if info, ok := o.host.buildInfo(); ok {
		if t, err := time.Parse(time.RFC3339, setting(info, "vcs.time")); err == nil {
			return t, "the commit that this binary was built from"
		}
	}
	return time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC), "the first release"
}

func checkClock(_ context.Context, o *Options) Check {
	const remedy = "set the clock: timedatectl set-ntp true"
	now := o.host.now().UTC()
	least, of := earliest(o)
	if now.Before(least) {
		return failed(remedy, "%s is before %s (%s)", now.Format(time.RFC3339), of, least.UTC().Format(time.RFC3339))
	}
	if now.Year() > 2200 {
		return failed(remedy, "%s is not a time that ledger entries should bear", now.Format(time.RFC3339))
	}
	return passed("%s", now.Format(time.RFC3339))
}

func checkDrift(ctx context.Context, o *Options) Check {
	wallBefore, monoBefore := o.host.clockPair()
	o.host.wait(ctx, driftWindow)
	wallAfter, monoAfter := o.host.clockPair()
	apart := (wallAfter.Sub(wallBefore) - (monoAfter - monoBefore)).Abs()
	detail := fmt.Sprintf("wall clock against monotonic clock over %s", (monoAfter - monoBefore).Round(time.Millisecond))
	c := passed("%s", detail)
	if apart > driftMax {
		c = degraded("find what sets the clock (two NTP clients, a hypervisor) and leave one",
			"%s: the clock was stepped", detail)
	}
	return measured(c, milliseconds(apart), milliseconds(driftMax), "ms")
}

// staUnsync is STA_UNSYNC of linux/timex.h: nothing disciplines the clock.
const staUnsync = 0x40

// syncErrorMax is the largest error bound that counts as synchronised, in microseconds. Times order events for people
// only (the log orders entries), so half a second is enough.
const syncErrorMaxUs = 500_000

func checkTimeSync(_ context.Context, o *Options) Check {
	const remedy = "install and start an NTP client: apt install chrony"
	status, maxErrorUs, err := o.host.adjtimex()
	if err != nil {
		return degraded(remedy, "the kernel does not say: %v", err)
	}
	value, limit := float64(maxErrorUs)/1000, float64(syncErrorMaxUs)/1000
	switch {
	case status&staUnsync != 0:
		return degraded(remedy, "the kernel says that nothing keeps the clock in time")
	case maxErrorUs > syncErrorMaxUs:
		return measured(degraded(remedy, "the clock may be off by more than the limit"), value, limit, "ms")
	}
	return measured(passed("error bound of the kernel's clock"), value, limit, "ms")
}
