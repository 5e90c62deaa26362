package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	stdslices "slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/charmbracelet/x/term"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// childKind makes this test's binary the program on the terminal.
const childKind = "CONSOLE_BENCH_CHILD"

// childSocket is where the console of a child in place of ssh finds its node.
const childSocket = "CONSOLE_BENCH_SOCKET"

func TestMain(m *testing.M) {
	switch os.Getenv(childKind) {
	case "":
		os.Exit(m.Run())
	case "echo":
		os.Exit(echo())
	case "ssh":
		os.Exit(console(os.Getenv(childSocket)))
	default:
		os.Exit(console(os.Args[len(os.Args)-1]))
	}
}

// echo asks the terminal where the cursor is, says what it was told, and then repeats keys until q.
func echo() int {
	if _, err := term.MakeRaw(os.Stdin.Fd()); err != nil {
		return 1
	}
	fmt.Print("ready\x1b[6n")
	buf := make([]byte, 64)
	n, err := os.Stdin.Read(buf)
	if err != nil {
		return 1
	}
	fmt.Printf(" told %q", buf[:n])
	for {
		n, err := os.Stdin.Read(buf)
		if err != nil || buf[0] == 'q' {
			return 0
		}
		fmt.Printf(" key %q", buf[:n])
	}
}

// watcher is a backend that sees what a socket serves.
type watcher struct {
	*tuitest.Backend
	socket string
}

func client(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
}

// read asks the socket for one answer.
func read[T any](ctx context.Context, w watcher, path string) (out T, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://node"+path, nil)
	if err != nil {
		return out, err
	}
	resp, err := client(w.socket).Do(req)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	return out, json.NewDecoder(resp.Body).Decode(&out)
}

func (w watcher) Units(ctx context.Context) (wire.Units, error) {
	return read[wire.Units](ctx, w, "/v1/units")
}

func (w watcher) Tallies(ctx context.Context) (wire.Tally, error) {
	return read[wire.Tally](ctx, w, "/v1/tally")
}

func (w watcher) Watch(ctx context.Context, show func(*wire.Overview)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://node/v1/watch", nil)
	if err != nil {
		return err
	}
	resp, err := client(w.socket).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for dec := json.NewDecoder(resp.Body); ; {
		var o wire.Overview
		if err := dec.Decode(&o); err != nil {
			return err
		}
		show(&o)
	}
}

// console is the real console on a socket.
func console(socket string) int {
	b := watcher{tuitest.NewBackend(nil), socket}
	_, err := tui.Run(context.Background(), tui.Options{Backend: b, In: os.Stdin, Out: os.Stdout, Theme: theme.Options{Color: theme.Color256}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func childEnv(kind string) []string {
	return append(os.Environ(), childKind+"="+kind, "TERM=xterm-256color")
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	term, err := start(small(), false, childEnv("echo"), os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer term.close("")
	if _, err := term.await(t.Context(), 10*time.Second, "the answer", shows("ready", `told "\x1b[1;1R"`)); err != nil {
		t.Fatal(err)
	}
	sent := time.Now()
	if err := term.press("x"); err != nil {
		t.Fatal(err)
	}
	at, err := term.await(t.Context(), 10*time.Second, "the key", shows(`key "x"`))
	if err != nil || at.Before(sent) || at.Before(term.started) {
		t.Errorf("the key showed at %v, was sent at %v: %v", at, sent, err)
	}
	want := "ready\x1b[6n told \"\\x1b[1;1R\" key \"x\""
	if got := term.output(); string(got) != want || term.count() != uint64(len(want)) {
		t.Errorf("%d bytes %q arrived, %d bytes %q were written", term.count(), got, len(want), want)
	}
	if _, err := term.await(t.Context(), 50*time.Millisecond, "nonsense", shows("never")); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("what is not on the screen gives %v", err)
	}
	if err := term.press("q"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-term.ended:
	case <-time.After(time.Minute):
		t.Fatal("the program does not end")
	}
	if code := term.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
}

func TestAnswersToCutQueries(t *testing.T) {
	t.Parallel()
	stream := "a\x1b]11;?\x07bc\x1b[6nd\x1b[?2026$pe\x1b[c"
	want := "\x1b]11;rgb:0000/0000/0000\x1b\\\x1b[1;1R\x1b[?2026;0$y\x1b[?62;22c"
	for step := 1; step <= len(stream); step++ {
		var got []byte
		for term, rest := (&terminal{}), []byte(stream); len(rest) > 0; rest = rest[min(step, len(rest)):] {
			got = append(got, term.answers(rest[:min(step, len(rest))])...)
		}
		if string(got) != want {
			t.Errorf("in steps of %d: %q", step, got)
		}
	}
	if got := (&terminal{silent: true}).answers([]byte(stream)); got != nil {
		t.Errorf("a silent terminal said %q", got)
	}
}

// fakeNode gives the same picture always.
type fakeNode struct{ posted chan int }

func (fakeNode) DataDir() string                                  { return "nowhere" }
func (n fakeNode) Post(_ context.Context, events int) error       { n.posted <- events; return nil }
func (fakeNode) Mark(context.Context) error                       { return nil }
func (fakeNode) Marked(context.Context) (int64, error)            { return 0, nil }
func (fakeNode) Overview(context.Context) (*wire.Overview, error) { return tuitest.Overview(), nil }
func (fakeNode) Guests(context.Context, int) (string, []string, error) {
	return "", nil, errors.New("nobody is let in")
}
func (fakeNode) Held(context.Context) (float64, error)          { return 1 << 20, nil }
func (fakeNode) Gauge(context.Context, string) (float64, error) { return 100, nil }
func (fakeNode) Close()                                         {}

// The real console, on recorded pictures: silence is silent, and each picture's mark is found on the screen.
func TestConsoleOnRecordedPictures(t *testing.T) {
	t.Parallel()
	posted := make(chan int, 1000)
	m := &measure{node: fakeNode{posted}, o: Options{Binary: os.Args[0], Env: append(os.Environ(), childKind+"=console"), Dir: t.TempDir(),
		Duration: 500 * time.Millisecond}.withDefaults()}
	pictures, err := m.pictures(t.Context(), batches)
	if err != nil {
		t.Fatal(err)
	}
	if p50, p99 := pictures[0].value, pictures[1].value; p50 <= 0 || p50 > p99 || p99 > 5000 {
		t.Errorf("p50 %g ms, p99 %g ms", p50, p99)
	}
	if len(posted) == 0 {
		t.Error("there was no load")
	}
	idle, err := m.idleRecorded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if idle[0].value != 0 {
		t.Errorf("%g bytes/s while nothing changed", idle[0].value)
	}
}

// guestNode lets people in, whose screens show what is recorded. Its load is not on the screen.
type guestNode struct {
	fakeNode
	pictures *recorded
	gross    *atomic.Int64
}

func (n guestNode) Marked(context.Context) (int64, error) { return n.gross.Load(), nil }

func (n guestNode) Mark(context.Context) error {
	n.pictures.show(marked(lone(), n.gross.Add(MarkMinor)))
	return nil
}

// lone is a picture whose tallies are those of the marked unit, so that a small screen has room for them.
func lone() *wire.Overview {
	o := tuitest.Overview()
	o.Totals = nil
	o.Tallies = stdslices.DeleteFunc(o.Tallies, func(r wire.TallyRow) bool { return r.Unit != MarkUnit })
	return o
}

func (guestNode) Guests(_ context.Context, n int) (string, []string, error) {
	return "127.0.0.1:22", make([]string, n), nil
}

// Two watch, and each mark counts once on the screen of each; the process that is looked at is this one.
func TestViewers(t *testing.T) {
	t.Parallel()
	pictures, err := serveRecorded(t.TempDir(), marked(lone(), MarkMinor))
	if err != nil {
		t.Fatal(err)
	}
	defer pictures.close()
	n := guestNode{fakeNode{make(chan int, 1000)}, pictures, new(atomic.Int64)}
	n.gross.Store(MarkMinor)
	m := &measure{node: n, o: Options{Env: append(os.Environ(), childKind+"=ssh", childSocket+"="+pictures.path), Dir: t.TempDir(),
		Duration: 400 * time.Millisecond}.withDefaults()}
	var seen []viewer
	defer func() {
		for _, v := range seen {
			v.close("q")
		}
	}()
	if err := m.attach(t.Context(), os.Args[0], 2, &seen); err != nil {
		t.Fatal(err)
	}
	busy, _, err := m.marking(t.Context(), os.Getpid(), seen)
	if err != nil {
		t.Fatal(err)
	}
	late, err := lateness(seen)
	if sent := int(n.gross.Load()/MarkMinor) - 1; err != nil || sent == 0 || len(late) != 2*sent {
		t.Errorf("%d delays of %d marks on two screens: %v", len(late), sent, err)
	}
	if quantile(late, 99) <= 0 || busy.bytes <= 0 || busy.rss < 1 || busy.rss > 1<<20 {
		t.Errorf("delays %v, observed %+v", late, busy)
	}
	seen[1].marks.send(time.Now())
	if _, err := lateness(seen); err == nil || !strings.Contains(err.Error(), "session 2") {
		t.Errorf("a mark that never came gives %v", err)
	}
	figures := map[string]figure{}
	for _, f := range sshFigures(2, true, observed{usage: usage{1, 30}}, observed{usage: usage{120, 40}}, 20<<20, []float64{1, 2}, "") {
		figures[f.name] = f
	}
	cpu, memory := figures["over SSH, 2 watch, load: CPU of the node"], figures["over SSH, 2 watch: memory for each"]
	if cpu.value != 120 || *cpu.limit != 100 || memory.value != 10 || *memory.limit != 8 {
		t.Errorf("cpu %+v, memory %+v", cpu, memory)
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	m := &marks{base: 7}
	m.send(at(0))
	m.send(at(100))
	m.show(7, at(110)) // none yet
	m.show(9, at(150)) // both at once
	m.show(10, at(180))
	m.send(at(200)) // its receipt came after the screen had it
	m.send(at(300))
	if m.missing() != 1 {
		t.Errorf("%d missing, want 1", m.missing())
	}
	m.show(11, at(310))
	if got := fmt.Sprint(milliseconds(m.late)); got != "[0 10 50 150]" || m.missing() != 0 {
		t.Errorf("latencies %s, %d missing", got, m.missing())
	}
}

func TestGrossOnScreen(t *testing.T) {
	t.Parallel()
	for screen, want := range map[string]int64{
		"": -1,
		"   IMVU-001 Bench 0   interactive  0.1 OK\n   IMVU-001 Bench 0   55/45       3  USD       3.00   1.65   1.35 =": 300,
		"   IMVU-001 Bench 0   55/45   USD   1,234.56   679.01   555.55 =":                                               123456,
		"   IMVU-0012 Bench    55/45   USD   9.00   4.95   4.05 =":                                                       -1,
		"   IMVU-001 Bench 0   55/45   EUR   9.00   4.95   4.05 =":                                                       -1,
	} {
		got, ok := grossOnScreen(screen)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q gives %d, want %d", screen, got, want)
		}
	}
}

func TestRowsAndTable(t *testing.T) {
	t.Parallel()
	run := func(v float64) []figure {
		return []figure{{name: "kept", unit: "ms", value: v, limit: limit(20)}, {name: "broken", unit: "ms", value: v, limit: limit(19)},
			{name: "free", unit: "ms", value: v}}
	}
	r := Result{Bench: "console", Rows: rows([][]figure{run(30), run(10), run(20)})}
	if k := r.Rows[0]; k.Value != 20 || k.Min != 10 || k.Max != 30 || k.Runs != 3 || !*k.Met || *r.Rows[1].Met || r.Rows[2].Met != nil || r.Missed() != 1 {
		t.Errorf("rows %+v", r.Rows)
	}
	var out bytes.Buffer
	if err := r.Table(&out); err != nil || strings.Count(out.String(), "MISSED") != 1 || strings.Count(out.String(), " met ") != 1 {
		t.Errorf("%v\n%s", err, out.String())
	}
	for percent, want := range map[int]float64{1: 1, 50: 5, 95: 10, 99: 10, 100: 10} {
		if got := quantile([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, percent); got != want {
			t.Errorf("quantile %d is %g, want %g", percent, got, want)
		}
	}
}

// A case that there is not is refused with those that there are, before anything is started.
func TestUnknownCase(t *testing.T) {
	t.Parallel()
	_, err := Run(t.Context(), Options{Case: "resizes", StartNode: func(context.Context) (Node, error) {
		return nil, errors.New("a node was started")
	}, Progress: io.Discard})
	var usage *nexus.Error
	if !errors.As(err, &usage) || usage.Code != nexus.CodeUsage || !strings.Contains(usage.Hint, "resize storm") {
		t.Errorf("%v", err)
	}
}

// A program that is not there is named with its package, in the table too; what needs none is measured all the same.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	all, none := (&measure{}).cases(func(string) (string, error) { return "/bin/true", nil })
	list, leftOut := (&measure{}).cases(func(program string) (string, error) { return "", errors.New(program + " is nowhere") })
	if len(none) != 0 || len(leftOut) != 4 || len(all) != len(list)+4 || all[len(all)-1].name != "btop" {
		t.Fatalf("%d cases and %q, without programs %d and %q", len(all), none, len(list), leftOut)
	}
	var out bytes.Buffer
	if err := (Result{Bench: "console", LeftOut: leftOut}).Table(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"left out: 50 watch over SSH: ssh is not installed (package openssh-client", "left out: htop:",
		"left out: btop: btop is not installed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestCPUTime(t *testing.T) {
	t.Parallel()
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; {
		now, err := cpuTime(os.Getpid())
		if err != nil || time.Now().After(end) {
			t.Fatalf("%v of processor time, %v", now, err)
		}
		if now > before {
			break
		}
	}
	if _, err := cpuTime(-1); err == nil {
		t.Error("a process that is not there has processor time")
	}
}
