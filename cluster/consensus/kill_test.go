//go:build unix

package consensus

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

const childVariable = "NEXUS_CONSENSUS_TEST_DIR"

// TestMain turns the test binary into the process that gets killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		if err := runChild(dir, os.Getenv(childVariable+"_ROUND")); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// runChild proposes from several goroutines for ever and prints a line for every acknowledgement.
func runChild(dir, round string) error {
	p, err := openPlace(dir, func(c *Config) {
		small(c)
		c.Watch = killer(os.Getenv(childVariable+"_STEP"), os.Getenv(childVariable+"_NTH"))
	})
	if err != nil {
		return err
	}
	fmt.Println("open", len(p.machine.seen))
	var out sync.Mutex
	var wg sync.WaitGroup
	for c := range 6 {
		wg.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("round %s caller %d command %d ", round, c, i)
				data := name + strings.Repeat("x", rand.IntN(6000))
				_, index, err := p.group.Propose(context.Background(), []byte(data))
				out.Lock()
				if err != nil {
					fmt.Println("error", err)
				} else {
					fmt.Printf("ack %d %s\n", index, name)
				}
				out.Unlock()
			}
		})
	}
	wg.Wait()
	return nil
}

// killRound runs the child, kills it after a while and returns what it acknowledged.
func killRound(t *testing.T, dir string, round int, life time.Duration, env ...string) (acked []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childVariable+"="+dir, fmt.Sprintf("%s_ROUND=%d", childVariable, round)), env...)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(pipe)
	var killer *time.Timer
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "open "):
			killer = time.AfterFunc(life, func() { cmd.Process.Kill() })
		case strings.HasPrefix(line, "ack ") && strings.HasSuffix(line, " "):
			acked = append(acked, strings.TrimPrefix(line, "ack "))
		case strings.HasPrefix(line, "error"):
			t.Errorf("round %d: child said %q", round, line)
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
	switch {
	case killer != nil:
		killer.Stop()
	case len(env) == 0: // a step of opening may be where it ends
		t.Fatalf("round %d: child never opened", round)
	}
	return acked
}

func TestKillLosesNothingAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	var acked []string
	notes := 0
	for round := range 24 {
		acked = append(acked, killRound(t, dir, round, time.Duration(random.IntN(150))*time.Millisecond)...)
		report, err := Inspect(dir+"/raft", 0)
		if err != nil || len(report.Findings) > 0 {
			t.Fatalf("seed %d round %d: a kill left findings %v, error %v", seed, round, report.Findings, err)
		}
		notes += len(report.Notes)
	}
	p := mustOpen(t, dir, small)
	applied := checkApplied(t, p.machine.seen, acked, fmt.Sprint("seed ", seed))
	if len(acked) < 100 {
		t.Errorf("only %d acknowledged commands in all rounds", len(acked))
	}
	t.Logf("%d acknowledged, %d applied, %d notes left by kills", len(acked), applied, notes)
	mustClose(t, p)
}

// checkApplied: indexes rise, nothing was applied twice, and what was acknowledged stands at its index.
func checkApplied(t *testing.T, seen []Command, acked []string, where string) (commands int) {
	t.Helper()
	applied := make(map[string]uint64, len(seen))
	last := uint64(0)
	for _, c := range seen {
		if c.Index <= last {
			t.Fatalf("%s: index %d after %d", where, c.Index, last)
		}
		last = c.Index
		name := string(c.Data[:strings.LastIndexByte(string(c.Data), ' ')+1])
		if was, twice := applied[name]; twice {
			t.Errorf("%s: %q applied at %d and %d", where, name, was, c.Index)
		}
		applied[name] = c.Index
	}
	for _, a := range acked {
		index, name, _ := strings.Cut(a, " ")
		if got := fmt.Sprint(applied[name]); got != index {
			t.Errorf("%s: %q acknowledged at %s, applied at %s", where, name, index, got)
		}
	}
	return len(applied)
}
