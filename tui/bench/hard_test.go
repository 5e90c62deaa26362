package bench

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hinshun/vt10x"
)

// The real console on what is hard: twenty thousand units are opened, scrolled and filtered, and after a storm of sizes the screen is that of
// a new console. No figure is judged by its size here.
func TestConsoleOnWhatIsHard(t *testing.T) {
	t.Parallel()
	m := &measure{node: fakeNode{make(chan int, 1000)}, o: Options{Binary: os.Args[0], Env: append(os.Environ(), childKind+"=console"), Dir: t.TempDir(),
		Duration: time.Second}.withDefaults()}
	units, err := m.manyUnits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range units {
		if f.value <= 0 {
			t.Errorf("%s: %g %s", f.name, f.value, f.unit)
		}
	}
	storm, err := m.resizes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if storm[0].value != 0 || storm[2].value <= 0 {
		t.Errorf("%+v", storm)
	}
}

// A slow line carries no more than it says, and everything late by half a trip each way.
func TestSlowLine(t *testing.T) {
	t.Parallel()
	term, err := start(small(), false, childEnv("echo"), os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer term.close("q")
	if _, err := term.await(t.Context(), frameMost, "the answer", shows("told")); err != nil {
		t.Fatal(err)
	}
	const late = 40 * time.Millisecond
	term.slow(1000, late)
	before, from := term.count(), time.Now()
	for i := range 6 { // 8 bytes each
		d, err := term.until(t.Context(), "x", "the key", func(screen string) bool { return strings.Count(screen, `key "x"`) == i+1 })
		if err != nil {
			t.Fatal(err)
		}
		if d < 2*late {
			t.Errorf("key %d came back in %v", i, d)
		}
	}
	if bytes, took := term.count()-before, time.Since(from); bytes < 48 || float64(bytes) > 1000*took.Seconds() {
		t.Errorf("%d bytes in %v", bytes, took)
	}
}

func TestResidentMemory(t *testing.T) {
	t.Parallel()
	if held, err := resident(os.Getpid()); err != nil || held < 1<<20 {
		t.Errorf("this process holds %g bytes: %v", held, err)
	}
	if _, err := resident(0); err == nil {
		t.Error("no process holds memory")
	}
}

// A character that reads cut apart is one cell.
func TestCutCharactersAreOneCell(t *testing.T) {
	t.Parallel()
	const line = "─é─🍜x─"
	want := ""
	for step := 1; step <= len(line); step++ {
		term := &terminal{vt: vt10x.New(vt10x.WithSize(20, 2))}
		for rest := []byte(line); len(rest) > 0; rest = rest[min(step, len(rest)):] {
			term.parse(rest[:min(step, len(rest))])
		}
		got := term.vt.String()
		if want == "" {
			whole := &terminal{vt: vt10x.New(vt10x.WithSize(20, 2))}
			_, _ = whole.vt.Write([]byte(line))
			want = whole.vt.String()
		}
		if got != want || !strings.Contains(got, "─é─") {
			t.Errorf("in steps of %d: %q, want %q", step, got, want)
		}
	}
}
