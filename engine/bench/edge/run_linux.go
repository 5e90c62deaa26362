package edge

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	stdslices "slices"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
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

// Alone measures this program's edge with contracts in force, without the peers: baseline, every flood over TCP, guarantee and ceiling. Errors: as Run.
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
	err = r.contend(ctx, contender{name: oursName, start: startOurs, noHTTP3: "left out: the suites are to be short"}, true)
	return r.report, err
}

// calibrate finds out how many bytes a small request and its answer are, so that a contract in requests can be said in bytes.
func (r *rig) calibrate(ctx context.Context) error {
	p, err := startOurs(ctx, r, false)
	if err != nil {
		return err
	}
	defer p.stop()
	job := r.victim(p.addr)
	job.Duration = time.Second
	f, err := r.generator(ctx, job)
	if err != nil {
		return err
	}
	if f.Good == 0 {
		return errors.New("how many bytes a request has: the edge answered none in a second")
	}
	r.exchangeBytes = float64(f.Bytes) / float64(f.Good)
	return nil
}

// expected is how long the whole takes.
func (r *rig) expected() time.Duration {
	step := r.Duration + warm + settle
	ofRates := time.Duration(len(rates)+1+len(protocols())) * step
	perRun := step + ofRates + 2*(r.shareLength()+warm) // direct, and the two ceilings
	for _, c := range contenders() {
		perRun += time.Duration(len(c.configurations())) * (time.Duration(len(floods())+1)*step + time.Second)
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

// prepare makes certificates, backends and the home, and gives what ends them.
func (r *rig) prepare() (stop func(), err error) {
	var stops []func()
	stop = func() {
		for i := range stops {
			stops[len(stops)-1-i]()
		}
	}
	if err := r.certificates(); err != nil {
		return nil, err
	}
	for i := range r.backends {
		p, address, err := r.startBackend()
		if err != nil {
			stop()
			return nil, err
		}
		stops = append(stops, p.stop)
		r.backends[i] = address
	}
	if r.home, err = r.startHome("home"); err != nil {
		stop()
		return nil, err
	}
	stops = append(stops, r.home.cancel)
	return stop, nil
}

func (r *rig) backendOf(host string) string {
	if host == victimHost {
		return r.backends[0]
	}
	return r.backends[1]
}

func (r *rig) startBackend() (*process, string, error) {
	cmd := exec.Command(r.Binary, "bench-part", PartBackend)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	p, err := startProcess(cmd)
	if err != nil {
		return nil, "", err
	}
	var address string
	if _, err := fmt.Fscanf(out, "%q\n", &address); err != nil {
		p.stop()
		return nil, "", fmt.Errorf("backend: %w: %s", err, p.said)
	}
	return p, address, nil
}

// certificates makes one for all hosts of the peers; the edge makes its own from the same authority.
func (r *rig) certificates() error {
	dir := filepath.Join(r.Dir, "devca")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ca, err := edge.OpenDevCA(dir)
	if err != nil {
		return err
	}
	c, err := ca.Certificate(handshakesHost)
	if err != nil {
		return err
	}
	var chain []byte
	for _, der := range c.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		return err
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	r.cert, r.key, r.both = filepath.Join(r.Dir, "cert.pem"), filepath.Join(r.Dir, "key.pem"), filepath.Join(r.Dir, "both.pem")
	for file, b := range map[string][]byte{r.cert: chain, r.key: key, r.both: append(append([]byte{}, chain...), key...)} {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// victim is the load of the tenant that is measured.
func (r *rig) victim(addr string) Job {
	return Job{Shape: shapeOpen, Addr: addr, Source: victimSource, Host: victimHost, Path: pathSmall, Connections: victimConnections,
		Rate: victimRate, Warm: warm, Duration: r.Duration}
}

// direct measures the backend alone: the baseline of everything else.
func (r *rig) direct(ctx context.Context) error {
	addr := r.backends[0]
	idle, err := r.generator(ctx, r.victim(addr))
	if err != nil {
		return err
	}
	note := fmt.Sprintf("load %s; the generator itself late by %.2f ms at p99", machineLoad(), float64(idle.LagP99)/1000)
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
		if f.Late+f.Broken+f.Refused > 0 {
			note += fmt.Sprintf("; %d late, %d broken, %d refused", f.Late, f.Broken, f.Refused)
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
	idle, err := r.generator(ctx, r.victim(p.addr))
	if err != nil {
		return err
	}
	if c.name == oursName && !tuned && idle.Good > 0 {
		r.exchangeBytes = float64(idle.Bytes) / float64(idle.Good)
	}
	r.report.add("no flood: "+name, "us p99", float64(idle.P99), "load "+machineLoad(), idle.P50, idle.P99, idle.P999)
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
	job.Addr, job.Warm, job.Duration = flooded.addr, warm, r.Duration
	if job.Shape == shapeTLSDials || f.overQUIC() { // the UDP port has the same number
		job.Addr = flooded.tlsAddr
	}
	offender := make(chan struct{})
	var reached Figures
	var offenderErr error
	go func() {
		defer close(offender)
		reached, offenderErr = r.generator(ctx, job)
	}()
	victim, err := r.generator(ctx, r.victim(p.addr))
	<-offender
	if err != nil {
		return err
	}
	if offenderErr != nil {
		return fmt.Errorf("offender: %w", offenderErr)
	}
	note := []string{"load " + machineLoad()}
	if s := f.reached(f.rate(reached), tuned); s != "" {
		note = append(note, s)
	}
	if job.Shape == shapeLoris {
		note = append(note, fmt.Sprintf("%d of %d connections open at the end", reached.Open, job.Connections))
	}
	if reached.Refused+reached.Broken > 0 {
		note = append(note, fmt.Sprintf("offender: %d refused, %d cut", reached.Refused, reached.Broken))
	}
	if victim.Late+victim.Broken+victim.Refused > 0 {
		note = append(note, fmt.Sprintf("VICTIM: %d late, %d broken, %d refused", victim.Late, victim.Broken, victim.Refused))
	}
	c := r.report.add(f.name+": "+name, "us p99", float64(victim.P99), strings.Join(note, "; "), victim.P50, victim.P99, victim.P999)
	c.Kind, c.Flood = KindFlood, f.name
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
