package edge

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	stdslices "slices"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

const (
	// warm is how long load runs before figures count: connections, caches, the second over which slow connections spread.
	warm = 1200 * time.Millisecond
	// settle is the pause after a flood.
	settle = 300 * time.Millisecond
	// shareConnections is the number of connections of a tenant in the share cases.
	shareConnections = 16
	// windowsLeast is the number of averaging windows in each share case.
	windowsLeast = 3
	// baselineMost voids a run: above it the machine itself is too busy for figures in milliseconds.
	baselineMost = 2 * time.Millisecond
)

// rig is one run of the bench.
type rig struct {
	Options
	backends      [2]string // the victim's, everybody else's
	home          *home
	cert, key     string  // PEM files
	both          string  // the two in one file
	relay         string  // address of one to the victim's backend; "": what the machine itself takes beside a flood is not measured
	exchangeBytes float64 // of one small request and its answer through the edge; 0: not measured yet
	report        Report
}

// Run measures. It ends by itself; ctx ends it early. Errors: a part that cannot be started, or ends when it should serve; what was
// measured until then comes with them.
func Run(ctx context.Context, o Options) (Report, error) {
	r := &rig{Options: o}
	err := r.run(ctx)
	return r.report, err
}

func (r *rig) run(ctx context.Context) error {
	stop, err := r.prepare()
	if err != nil {
		return err
	}
	defer stop()
	if r.Case == "" {
		fmt.Fprintf(r.Progress, "edge: about %v (--runs and --duration make it shorter)\n", r.expected().Round(10*time.Second))
	} else if !r.anyChosen() {
		return nexus.Errf("bench edge", nexus.CodeUsage, fmt.Sprintf("--case %q", r.Case), `groups, or part of the line of a flood, of most requests or of a rate over TLS: "broadcasts: nginx", "over TLS"`,
			"no case has that in its name")
	}
	for n := range r.Runs {
		if err := r.direct(ctx); err != nil {
			return err
		}
		if r.Case == "" {
			if err := r.rates(ctx, "direct", r.backends[0]); err != nil {
				return err
			}
			if err := r.top(ctx, "direct", &running{addr: r.backends[0]}); err != nil {
				return err
			}
		}
		if r.anyProtocol() {
			if err := r.clientBaseline(ctx); err != nil {
				return err
			}
		}
		for _, c := range contenders() {
			if _, err := exec.LookPath(c.binary); c.binary != "" && err != nil {
				r.report.skip(c.name, "absent: "+c.binary+" is not installed")
				continue
			}
			for _, tuned := range c.configurations() {
				if !r.wants(c, tuned) {
					continue
				}
				fmt.Fprintf(r.Progress, "edge: run %d of %d: %s, %s\n", n+1, r.Runs, c.name, word(tuned))
				if tuned && c.binary == "" && r.exchangeBytes == 0 { // the line that measures it otherwise was not asked for
					if err := r.calibrate(ctx); err != nil {
						return err
					}
				}
				if err := r.contend(ctx, c, tuned); err != nil {
					return fmt.Errorf("%s, %s: %w", c.name, word(tuned), err)
				}
			}
		}
	}
	return nil
}

// chosen gives the floods that were asked for of a proxy, by the names that their lines will have.
func (r *rig) chosen(c contender, name string) []flood {
	return stdslices.DeleteFunc(floods(), func(f flood) bool {
		return c.noHTTP3 != "" && f.overQUIC() || !strings.Contains(f.name+": "+name, r.Case)
	})
}

func (r *rig) anyChosen() bool {
	return stdslices.ContainsFunc(contenders(), func(c contender) bool {
		return stdslices.ContainsFunc(c.configurations(), func(tuned bool) bool { return r.wants(c, tuned) })
	})
}

// wants reports whether anything was asked for of a proxy in one configuration.
func (r *rig) wants(c contender, tuned bool) bool {
	return len(r.chosen(c, c.name+", "+word(tuned))) > 0 || r.wantsTop(c, tuned) || len(r.protocolsOf(c, tuned)) > 0 ||
		len(r.silentFloods(c, tuned)) > 0
}

// topLine is the name of the line of a proxy's highest throughput.
func topLine(name string) string { return "most requests: " + name }

// wantsTop reports whether a proxy's highest throughput was asked for.
func (r *rig) wantsTop(c contender, tuned bool) bool {
	return !tuned && !c.floodsOnly && strings.Contains(topLine(c.name), r.Case)
}

// Alone measures this program's edge with contracts in force, without the peers: baseline, every flood over TCP and what the
// machine itself takes beside each, guarantee and ceiling. Errors: as Run.
func Alone(ctx context.Context, o Options) (Report, error) {
	r := &rig{Options: o}
	stop, err := r.prepare()
	if err != nil {
		return r.report, err
	}
	defer stop()
	if err := r.calibrate(ctx); err != nil {
		return r.report, err
	}
	if err := r.direct(ctx); err != nil {
		return r.report, err
	}
	p, address, err := r.startServing(PartRelay, r.backends[0])
	if err != nil {
		return r.report, err
	}
	defer p.stop()
	r.relay = address
	err = r.contend(ctx, contender{name: oursName, start: startOurs, noHTTP3: "left out: the suites are to be short"}, true)
	return r.report, err
}

// expected is how long the whole takes.
func (r *rig) expected() time.Duration {
	step := r.Duration + warm + settle
	tenant := r.tenant("").Duration + warm + settle
	ofRates := time.Duration(len(rates)+1+len(protocols())) * step
	perRun := tenant + ofRates + 2*(r.shareLength()+warm) // direct, and the two ceilings
	for _, c := range contenders() {
		perRun += time.Duration(len(c.configurations())) * (time.Duration(len(r.chosen(c, ""))+1)*tenant + time.Second)
		if !c.floodsOnly {
			perRun += ofRates + r.shareLength() + warm
		}
	}
	return time.Duration(r.Runs) * perRun
}

func (r *rig) shareLength() time.Duration { return max(windowsLeast*windowLength, r.Duration) }

func word(tuned bool) string {
	if tuned {
		return "tuned"
	}
	return "default"
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// machineLoad is the load average of the last minute.
func machineLoad() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(b), " ")
	return one
}
