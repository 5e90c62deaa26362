//go:build unix

package engine_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

const (
	killVariable = "NEXUS_ENGINE_TEST_DIR"
	killCallers  = 4
)

// soakRounds is how often a fault is tried: short by default, 1,000 times in `make soak`, or NEXUS_SOAK_ROUNDS times.
func soakRounds(t *testing.T, short int) int {
	t.Helper()
	if os.Getenv("NEXUS_SOAK") == "" {
		return short
	}
	text := os.Getenv("NEXUS_SOAK_ROUNDS")
	if text == "" {
		return 1000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("NEXUS_SOAK_ROUNDS is %q, not a number of rounds", text)
	}
	return n
}

// TestMain turns the test binary into the process that gets killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(killVariable); dir != "" {
		if err := writeForEver(dir, os.Getenv(killVariable+"_ROUND")); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// openDir opens the engine of an existing data directory as a node does.
func openDir(dir string) (*engine.Engine, identity.Keys, error) { return openDirWith(dir, nil) }

func openDirWith(dir string, change func(*engine.Config)) (*engine.Engine, identity.Keys, error) {
	gen, err := identity.ReadGenesis(dir)
	if err != nil {
		return nil, identity.Keys{}, err
	}
	keys, err := identity.LoadKeys(dir, gen)
	if err != nil {
		return nil, keys, err
	}
	cfg := engine.Config{DataDir: dir, NodeName: "test", Cluster: gen.Cluster, Node: keys.Node,
		Bus: bus.New(bus.Limits{}), Logger: slog.New(slog.DiscardHandler),
		Capacity: engine.Capacity{CPUMilli: 2000, MemoryBytes: 8 << 30, NetworkBps: 1e9}}
	if change != nil {
		change(&cfg)
	}
	eng, err := engine.Open(cfg)
	return eng, keys, err
}

// writeForEver posts batches of sales and refunds from several goroutines and prints every acknowledgement.
func writeForEver(dir, round string) error {
	eng, keys, err := openDirWith(dir, dieAt(os.Getenv(killVariable+"_STEP"), os.Getenv(killVariable+"_NTH")))
	if err != nil {
		return err
	}
	var units []nexus.ID
	eng.View(func(s *state.State) {
		for _, u := range s.SortedUnits() {
			if u.Kind == nexus.KindIMVU {
				units = append(units, u.ID)
			}
		}
	})
	fmt.Println("open")
	var out sync.Mutex
	var wg sync.WaitGroup
	for caller := range killCallers {
		wg.Go(func() {
			for n := 0; ; n++ {
				name := fmt.Sprintf("%s-%d-%d", round, caller, n)
				post := state.RevenuePost{Source: state.OperatorSource}
				events := 1 + rand.IntN(40)
				if rand.IntN(8) == 0 {
					events = 100 + rand.IntN(200) // a record that lies in a file of its own kind
				}
				for i := range events {
					post.Events = append(post.Events, state.RevenueEvent{Unit: units[rand.IntN(len(units))], Kind: "sale",
						EventID: fmt.Sprintf("%s-%d", name, i), Currency: "USD", Minor: 1 + rand.Int64N(1000), TimeMs: 1})
				}
				a, err := engine.NewAction(keys.Operator, eng.Cluster(), state.KindRevenuePost, nexus.ID{}, post, time.Now())
				if err == nil && rand.IntN(3) == 0 { // sent twice at once, as an impatient client does
					wg.Go(func() { _, _ = eng.Do(context.Background(), a) })
				}
				if err == nil {
					var rec nexus.Receipt
					rec, err = eng.Do(context.Background(), a)
					if err == nil {
						out.Lock()
						fmt.Printf("ack %s %d %d end\n", a.ID, rec.Index, len(post.Events))
						out.Unlock()
					}
				}
				if full := os.Getenv(killVariable+"_FULL") != ""; err != nil && !(full && nexus.CodeOf(err) == nexus.CodeUnavailable) {
					fmt.Println("error", err)
				}
			}
		})
	}
	wg.Go(func() { refusedForEver(eng, &out) })
	wg.Wait()
	return nil
}

// refusedForEver sends what a gate refuses: the decision is acknowledged, and nothing may follow it.
func refusedForEver(eng *engine.Engine, out *sync.Mutex) {
	for range 20 { // more of the same would be refused at the door, as a flood
		a, err := engine.NewAction(testKey(9), eng.Cluster(), state.KindNodeStop, nexus.ID{}, state.UnitReason{Reason: "no right to"}, time.Now())
		if err != nil {
			fmt.Println("error", err)
			return
		}
		rec, err := eng.Do(context.Background(), a)
		if nexus.CodeOf(err) != nexus.CodeRefused || rec.Index == 0 {
			return
		}
		out.Lock()
		fmt.Printf("ack %s %d -1 end\n", a.ID, rec.Index)
		out.Unlock()
	}
}

// acknowledged is one batch that the killed process had been told to be durable.
type acknowledged struct {
	id     nexus.ID
	index  uint64
	events int // -1: refused
}

// killRound runs the child, kills it after life and gives what was acknowledged to it.
func killRound(t *testing.T, dir string, round int, life time.Duration, env ...string) (acks []acknowledged) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), killVariable+"="+dir, fmt.Sprintf("%s_ROUND=%d", killVariable, round)), env...)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	opened := false
	lines := bufio.NewReader(pipe)
	for {
		line, err := lines.ReadString('\n')
		var a acknowledged
		var id string
		switch {
		case line == "open\n":
			opened = true
			timer := time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
		case strings.HasPrefix(line, "error"):
			t.Errorf("round %d: %s", round, line)
			_ = cmd.Process.Kill()
		case strings.HasSuffix(line, " end\n"): // a line cut by the kill was read by nobody
			if _, err := fmt.Sscanf(line, "ack %s %d %d end", &id, &a.index, &a.events); err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
			if a.id, err = nexus.ParseID(id); err != nil {
				t.Fatal(err)
			}
			acks = append(acks, a)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err == nil || !opened && len(env) == 0 { // a step of opening may be where it ends
		t.Fatalf("round %d: the child ended by itself, open %t, %v", round, opened, err)
	}
	return acks
}

// kill -9 at random moments: no file is damaged, everything acknowledged stands exactly once, the tallies are what the
// entries add up to, and an action sent again is a look-up.
func TestKillLosesNothing(t *testing.T) {
	t.Parallel()
	const life = 100 // kills of one data directory: each round reads all of it
	total, events := 0, uint64(0)
	killRounds := soakRounds(t, 16)
	for left := killRounds; left > 0 && !t.Failed(); left -= life {
		acked, stand := killLife(t, min(left, life))
		total, events = total+acked, events+stand
	}
	t.Logf("%d kills, %d batches acknowledged, %d events stand", killRounds, total, events)
	if total < killRounds {
		t.Errorf("only %d batches acknowledged in %d rounds: nothing was tried", total, killRounds)
	}
}

// killLife kills the process on one data directory again and again, and gives the batches acknowledged and the events that stand.
func killLife(t *testing.T, rounds int) (acked int, events uint64) {
	r := newRig(t)
	r.create("First", "owner", testKey(1).Public())
	r.create("Second", "owner", testKey(1).Public())
	r.close()
	var all []acknowledged
	for round := range rounds {
		acks := killRound(t, r.dir, round, time.Duration(10+rand.IntN(150))*time.Millisecond)
		all = append(all, acks...)
		found, err := engine.CheckFiles(r.dir)
		if err != nil || len(found) > 0 {
			t.Fatalf("round %d: after the kill %v, %v", round, found, err)
		}
		eng, keys, err := openDir(r.dir)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		checkAcknowledged(t, eng, keys.Operator.Public(), all)
		now := checkSums(t, eng)
		if now < events {
			t.Fatalf("round %d: %d events after %d", round, now, events)
		}
		events = now
		if err := eng.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	r.open()
	rep, err := r.eng.Verify(context.Background())
	if err != nil || len(rep.Findings) > 0 || rep.Verified != rep.Entries {
		t.Errorf("verify: %d of %d, %v, %v", rep.Verified, rep.Entries, rep.Findings, err)
	}
	return len(all), events
}

// checkAcknowledged looks every acknowledged batch up: one record of its index with all its events, found by its id.
func checkAcknowledged(t *testing.T, eng *engine.Engine, actor nexus.PublicKey, acks []acknowledged) {
	t.Helper()
	for _, a := range acks {
		actor := actor
		if a.events < 0 {
			actor, a.events = testKey(9).Public(), 0
		}
		first, err := eng.EntryOfAction(actor, a.id)
		if err != nil {
			t.Fatalf("batch %s at index %d was acknowledged: %v", a.id, a.index, err)
		}
		rec, err := eng.Store().RecordBySeq(first)
		if err != nil || rec.Index != a.index || len(rec.Entries) != a.events+1 {
			t.Fatalf("batch %s: record %d with %d entries, want %d with %d: %v", a.id, rec.Index, len(rec.Entries), a.index,
				a.events+1, err)
		}
	}
}

// checkSums adds all entries up with big numbers and compares the accounts; no event stands twice.
func checkSums(t *testing.T, eng *engine.Engine) (events uint64) {
	t.Helper()
	gross := map[nexus.ID]*big.Int{}
	seen := map[string]bool{}
	err := eng.Store().Records(0, eng.Store().Applied(), func(rec ledger.Record) error {
		for _, raw := range rec.Entries {
			e, err := ledger.ParseEntry(raw)
			if err != nil {
				return err
			}
			if e.Kind != ledger.KindRevenue {
				continue
			}
			var body ledger.RevenueBody
			if err := nexus.Decode(e.Body, &body); err != nil {
				return err
			}
			if seen[body.EventID] {
				return fmt.Errorf("event %s stands twice", body.EventID)
			}
			seen[body.EventID] = true
			if gross[e.Unit] == nil {
				gross[e.Unit] = new(big.Int)
			}
			gross[e.Unit].Add(gross[e.Unit], big.NewInt(body.Minor))
			events++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	eng.View(func(s *state.State) {
		if len(s.Accounts) != len(gross) || s.Counters.Events != events {
			t.Errorf("%d accounts with %d events, entries add up to %d with %d", len(s.Accounts), s.Counters.Events, len(gross), events)
		}
		for k, a := range s.Accounts {
			total := gross[k.Unit]
			creator, rest := new(big.Int).DivMod(new(big.Int).Mul(total, big.NewInt(55)), big.NewInt(100), new(big.Int))
			if rest.Sign() > 0 {
				creator.Add(creator, big.NewInt(1))
			}
			if total.Int64() != a.Gross || creator.Int64() != a.Creator || a.Platform != a.Gross-a.Creator {
				t.Errorf("account %+v, entries add up to %s of which %s", a, total, creator)
			}
		}
	})
	return events
}
