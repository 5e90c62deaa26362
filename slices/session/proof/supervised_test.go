//go:build linux

package proof_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/satellite"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/supervise"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/proof"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/roam"
)

// supervisorVariable makes the test binary a supervisor with a worker for each latency group: home's socket and name.
const supervisorVariable = "NEXUS_TEST_SUPERVISOR"

// supervisorMain does what nexus slices edge --supervise does: workers of its own program, an upgrade at SIGUSR2.
func supervisorMain(spec string) error {
	home, name, _ := strings.Cut(spec, "|")
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s, err := supervise.New(supervise.Config{Groups: groupNames(), Sockets: []supervise.Socket{{Name: "plain", Addr: "127.0.0.1:0"}},
		Worker: func(group string, generation int) *exec.Cmd {
			cmd := exec.Command(os.Args[0])
			cmd.Env, cmd.Stderr = append(os.Environ(), fmt.Sprintf("%s=%s|%s.%s.%d", edgeVariable, home, name, group, generation)), os.Stderr
			return cmd
		}, OnReady: func(_ string, _ int, about json.RawMessage) { fmt.Println(string(about)) }})
	if err != nil {
		return err
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR2)
	go func() {
		for range asked {
			if err := s.Upgrade(ctx); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}()
	return s.Run(ctx)
}

func groupNames() (names []string) {
	for _, g := range slices.Groups() {
		names = append(names, string(g))
	}
	return names
}

// asWorker completes the configuration of an edge process whose supervisor hands it its sockets.
func asWorker(c *satellite.Config) error {
	w, err := supervise.Inherit(os.Getenv)
	if err != nil {
		return err
	}
	c.Addr, c.Listener, c.Retire, c.Gone, c.Group = "", w.Listener("plain"), w.Retire(), w.Gone(), slices.Group(w.Group())
	if to := w.Passer("plain", string(slices.GroupPatient)); to != nil {
		c.Pass = func(socket syscall.RawConn, _ bool) bool { return to.Pass(socket) == nil }
	}
	c.OnReady = func(r satellite.Ready) { _ = w.Ready(r) }
	return nil
}

// startSupervised starts a fleet of one edge, which a supervisor keeps, and gives what lists its living workers.
func startSupervised(t *testing.T) (*proof.Fleet, func() []int) {
	t.Helper()
	dir, err := os.MkdirTemp("", "nxsup")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var keeper *exec.Cmd
	f, err := proof.StartFleet(ctx, proof.FleetConfig{Dir: dir, Edges: 1, Edge: func(home, name string) *exec.Cmd {
		keeper = exec.Command(os.Args[0])
		keeper.Env, keeper.Stderr = append(os.Environ(), supervisorVariable+"="+home+"|"+name), os.Stderr
		return keeper
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = f.Edges()[0].Signal(syscall.SIGTERM) // with the supervisor's own end its workers end, which a kill would leave
		_ = f.Edges()[0].Wait()
		f.Close()
	})
	return f, func() []int { return childrenOf(t, keeper.Process.Pid) }
}

// childrenOf gives the processes that a process has started and that live.
func childrenOf(t *testing.T, pid int) (list []int) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("children of %d: %v, %v", pid, files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // a thread that has ended
		}
		for _, word := range strings.Fields(string(b)) {
			var child int
			if _, err := fmt.Sscan(word, &child); err == nil && alive(child) {
				list = append(list, child)
			}
		}
	}
	return list
}

func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(b), ") Z ")
}

// crowd is a number of sessions under proof, at one edge.
type crowd struct {
	runs []*proof.Run
	came *atomic.Int64 // connections that a session went over to
}

func (c *crowd) flow(t *testing.T) {
	t.Helper()
	for _, r := range c.runs {
		n := r.Received()
		eventually(t, "messages come", func() bool { return r.Received() > n+20 })
	}
}

func startCrowd(ctx context.Context, t *testing.T, f *proof.Fleet, n int) *crowd {
	t.Helper()
	const every = 5 * time.Millisecond
	c := &crowd{came: new(atomic.Int64)}
	for range n {
		s, err := f.Dial(ctx, f.Edges()[0], every, roam.Options{MeasureEvery: -1, OnMove: func(roam.Move) { c.came.Add(1) }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		c.runs = append(c.runs, proof.Start(ctx, s, every))
	}
	c.flow(t)
	return c
}

func (c *crowd) clean(ctx context.Context, t *testing.T) {
	t.Helper()
	var messages uint64
	for i, r := range c.runs {
		report, err := r.Finish(ctx)
		if err != nil || !report.Clean() {
			t.Errorf("session %d: %v, %+v, %s", i, err, report, r)
		}
		messages += report.UpSent + report.DownSent
	}
	t.Logf("%d sessions, %d messages", len(c.runs), messages)
}

// disjoint reports whether the two have no number in common.
func disjoint(a, b []int) bool {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				return false
			}
		}
	}
	return true
}

// TestSessionsOverUpgrades: sessions at the one edge there is, which a supervisor keeps, over upgrades (SIGUSR2) of its workers: the old ones send them on
// to the new ones behind the same port and end, and no message is lost, repeated or reordered.
func TestSessionsOverUpgrades(t *testing.T) {
	upgrades := 3
	if os.Getenv("NEXUS_SOAK") != "" {
		upgrades = 50
	}
	f, workers := startSupervised(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := startCrowd(ctx, t, f, 5)
	for range upgrades {
		old, planned := workers(), f.Home.Stats()[0].Planned
		if err := f.Edges()[0].Signal(syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		eventually(t, "other workers serve and the old ones have ended", func() bool {
			now := workers()
			return len(now) == len(groupNames()) && disjoint(now, old)
		})
		c.flow(t)
		if s := f.Home.Stats()[0]; s.Planned == planned {
			t.Errorf("no session was sent on in order: %+v", s)
		}
	}
	s := f.Home.Stats()[0]
	c.clean(ctx, t)
	t.Logf("%d hand-offs in order, %d after a break", s.Planned, s.Recovered)
}

// TestSessionsOverCrashedWorkers: the same, with workers that are killed. Whichever group's it is, no message is lost, repeated or reordered.
func TestSessionsOverCrashedWorkers(t *testing.T) {
	kills := 2
	if os.Getenv("NEXUS_SOAK") != "" {
		kills = 50
	}
	f, workers := startSupervised(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := startCrowd(ctx, t, f, 5)
	for range kills {
		old := workers()
		for _, pid := range old { // both groups' at the same moment
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "the next workers are there", func() bool {
			now := workers()
			return len(now) == len(groupNames()) && disjoint(now, old)
		})
		c.flow(t)
	}
	s := f.Home.Stats()[0]
	c.clean(ctx, t)
	if want := uint64(kills * len(c.runs)); uint64(s.Recovered) < want {
		t.Errorf("%d hand-offs after a break, %d wanted: %+v", s.Recovered, want, s)
	}
	t.Logf("%d hand-offs in order, %d after a break", s.Planned, s.Recovered)
}
