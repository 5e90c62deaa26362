//go:build linux

package satellite

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

var bothGroups = []string{"prompt", "patient"}

func straysOf(s edge.SliceStats) int64   { return int64(s.Gateway.Strays) }
func requestsOf(s edge.SliceStats) int64 { return int64(s.Gateway.Requests) }

// TestGroupsUpgradeUnderLoadCutsNothing: upgrades of two groups under open loop load of both, over HTTP/1.1 and HTTP/2, with WebSockets, event
// streams and long downloads of both begun before the first one: nothing fails, nothing is cut, and nobody is served by the wrong group.
func TestGroupsUpgradeUnderLoadCutsNothing(t *testing.T) {
	const upgrades = 3
	hosts := []string{testHost, promptHost}
	chunks := make(chan struct{}, 4*(upgrades+2*downloadChunks))
	r := startRig(t, chunks, bothGroups...)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var streams []*openedStreams
	stop, failed := make(chan struct{}), make(chan error, 1000)
	var loads sync.WaitGroup
	for _, host := range hosts {
		streams = append(streams, openStreams(ctx, t, r, host))
		for _, secure := range []bool{false, true} {
			c, base := r.clientOf(t, host, secure)
			loads.Go(func() {
				sent, errs := load(ctx, stop, 4*time.Millisecond, c, base)
				if sent == 0 {
					errs = append(errs, fmt.Errorf("no load"))
				}
				for _, err := range errs {
					failed <- fmt.Errorf("%s: %w", base, err)
				}
			})
		}
		fresh, base := r.clientOf(t, host, true) // a connection and a handshake for each request
		fresh.Transport.(*http.Transport).DisableKeepAlives = true
		loads.Go(func() {
			_, errs := load(ctx, stop, 20*time.Millisecond, fresh, base)
			for _, err := range errs {
				failed <- fmt.Errorf("%s, a connection each: %w", base, err)
			}
		})
	}
	for range upgrades {
		if err := r.Upgrade(ctx); err != nil {
			t.Fatal(err)
		}
		for range 4 { // one chunk for each download
			chunks <- struct{}{}
		}
		for _, s := range streams {
			s.check(ctx, t)
		}
	}
	close(stop)
	loads.Wait()
	close(failed)
	for err := range failed {
		t.Error(err)
	}
	for range 4 * downloadChunks {
		chunks <- struct{}{}
	}
	for _, s := range streams {
		s.finish(t)
	}
	r.closeIdle()
	for _, group := range bothGroups {
		eventually(ctx, t, "only the newest worker of "+group+" is left", func() bool {
			pids := r.Pids(group)
			return len(pids) == 1 && pids[1+upgrades] != 0
		})
	}
	if n := r.reports.sum(straysOf); n != 0 {
		t.Errorf("%d connections were served by the other group", n)
	}
	if n := r.reports.sum(requestsOf); n == 0 {
		t.Error("nothing was reported")
	}
}

// serving waits until a freshly started rig serves.
func (r *rig) serving(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, host := range []string{testHost, promptHost} {
		c, base := r.clientOf(t, host, false)
		if err := post(ctx, c, base, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// stopped stops a process and waits until all its threads stand.
func stopped(ctx context.Context, t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, "the process stands", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, thread := range threads {
			if b, err := os.ReadFile(thread); err == nil && !strings.Contains(string(b), ") T ") {
				return false
			}
		}
		return len(threads) > 0
	})
}

// ask sends a request of the patient group on each of so many connections.
func (r *rig) ask(t *testing.T, count int) (out []net.Conn) {
	t.Helper()
	for range count {
		nc, err := net.Dial("tcp", r.Addr("plain"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		if _, err := io.WriteString(nc, "POST /echo HTTP/1.1\r\nHost: "+testHost+"\r\nContent-Length: 4\r\n\r\nbody"); err != nil {
			t.Fatal(err)
		}
		out = append(out, nc)
	}
	return out
}

// answered checks the answers to ask.
func answered(t *testing.T, conns []net.Conn) {
	t.Helper()
	for i, nc := range conns {
		_ = nc.SetReadDeadline(time.Now().Add(20 * time.Second))
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "body" {
			t.Errorf("connection %d: %q, %v", i, b, err)
		}
	}
}

// TestKilledPatientWorkerTakesItsOwnStreamsOnly: streams and requests of the prompt group go on under the kill, those of the patient one end, and
// what lay in the queue is served by the next worker.
func TestKilledPatientWorkerTakesItsOwnStreamsOnly(t *testing.T) {
	chunks := make(chan struct{}, 4*downloadChunks)
	r := startRig(t, chunks, bothGroups...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r.serving(ctx, t)
	prompt := openStreams(ctx, t, r, promptHost)
	patient := openStreams(ctx, t, r, testHost)
	c, base := r.clientOf(t, promptHost, true)
	stop, done := make(chan struct{}), make(chan []error, 1)
	go func() {
		_, errs := load(ctx, stop, 2*time.Millisecond, c, base)
		done <- errs
	}()

	pid := r.Pids("patient")[1]
	stopped(ctx, t, pid) // it takes nothing more out of the queue
	queued := r.ask(t, 20)
	prompt.check(ctx, t) // by now they have been handed on, or soon are: a prompt request came behind them
	time.Sleep(50 * time.Millisecond)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	answered(t, queued)
	for i, ws := range patient.sockets {
		if _, _, err := ws.Read(ctx); err == nil {
			t.Errorf("WebSocket %d of the killed worker goes on", i)
		}
	}
	prompt.check(ctx, t)
	close(stop)
	for _, err := range <-done {
		t.Error(err)
	}
	for range 4 * downloadChunks {
		chunks <- struct{}{}
	}
	prompt.finish(t)
	eventually(ctx, t, "the next worker is there", func() bool { return r.Pids("patient")[2] != 0 })
	if pids := r.Pids("prompt"); len(pids) != 1 || pids[1] == 0 {
		t.Errorf("the prompt workers are %v", pids)
	}
	for _, s := range append(patient.sockets, prompt.sockets...) {
		_ = s.CloseNow()
	}
	for _, closer := range append(patient.closers, prompt.closers...) {
		_ = closer.Close()
	}
	fresh, freshBase := r.clientOf(t, testHost, false)
	eventually(ctx, t, "the group is served by its own again", func() bool {
		before := r.reports.sum(straysOf)
		if err := post(ctx, fresh, freshBase, 1); err != nil {
			t.Fatal(err)
		}
		fresh.CloseIdleConnections()
		return r.reports.sum(straysOf) == before
	})
}

// TestKilledPromptWorkerLeavesThePatientOnes: streams of the patient group go on, and clients of both that come meanwhile wait.
func TestKilledPromptWorkerLeavesThePatientOnes(t *testing.T) {
	chunks := make(chan struct{}, 2*downloadChunks)
	r := startRig(t, chunks, bothGroups...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r.serving(ctx, t)
	patient := openStreams(ctx, t, r, testHost)
	for generation := 1; generation <= 2; generation++ {
		if err := syscall.Kill(r.Pids("prompt")[generation], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		r.serving(ctx, t) // whoever connects now waits for the next worker
		patient.check(ctx, t)
	}
	for range 2 * downloadChunks {
		chunks <- struct{}{}
	}
	patient.finish(t)
	if pids := r.Pids("patient"); len(pids) != 1 || pids[1] == 0 {
		t.Errorf("the patient workers are %v", pids)
	}
}

// TestUpgradeThatFailsInOneGroup leaves the old workers of both, whichever group's new one does not come up.
func TestUpgradeThatFailsInOneGroup(t *testing.T) {
	r := startRig(t, nil, bothGroups...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r.serving(ctx, t)
	old := map[string]int{"prompt": r.Pids("prompt")[1], "patient": r.Pids("patient")[1]}
	for _, broken := range bothGroups {
		r.broken.Store(&broken)
		if err := r.Upgrade(ctx); err == nil {
			t.Errorf("an upgrade with a broken %s worker is no error", broken)
		}
		for group, pid := range old {
			eventually(ctx, t, "the old worker of "+group+" alone is left", func() bool {
				pids := r.Pids(group)
				return len(pids) == 1 && pids[1] == pid
			})
		}
		r.serving(ctx, t)
	}
	r.broken.Store(nil)
	if err := r.Upgrade(ctx); err != nil {
		t.Error(err)
	}
	r.serving(ctx, t)
}

// TestNobodyToHandToIsNoLoss: while no patient worker comes up its hosts are served all the same, and that is counted.
func TestNobodyToHandToIsNoLoss(t *testing.T) {
	r := startRig(t, nil, bothGroups...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r.serving(ctx, t)
	group := "patient"
	r.broken.Store(&group)
	if err := syscall.Kill(r.Pids("patient")[1], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, "it has gone", func() bool { return r.Pids("patient")[1] == 0 })
	time.Sleep(20 * time.Millisecond) // a worker is told in a moment; a connection until then lies in the queue, as the test above has it
	for range 5 {
		c, base := r.client(t, true)
		if err := post(ctx, c, base, 1); err != nil {
			t.Fatal(err)
		}
		c.CloseIdleConnections()
	}
	eventually(ctx, t, "they are counted", func() bool { return r.reports.sum(straysOf) == 5 })
	r.broken.Store(nil)
	eventually(ctx, t, "it comes back", func() bool {
		before := r.reports.sum(requestsOf)
		c, base := r.client(t, false)
		if err := post(ctx, c, base, 1); err != nil {
			t.Fatal(err)
		}
		c.CloseIdleConnections()
		eventually(ctx, t, "it is reported", func() bool { return r.reports.sum(requestsOf) > before })
		return r.reports.sum(straysOf) < r.reports.sum(requestsOf)-3 // some request was no stray's
	})
}

// TestPassingLeavesNoDescriptors: after 1,000 connections to the patient group neither worker holds more than before.
func TestPassingLeavesNoDescriptors(t *testing.T) {
	r := startRig(t, nil, bothGroups...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r.serving(ctx, t)
	for _, c := range r.clients {
		c.CloseIdleConnections()
	}
	files := func(group string) int {
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.Pids(group)[1]))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	turn := func() {
		nc, err := net.Dial("tcp", r.Addr("plain"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(nc, "POST /echo HTTP/1.1\r\nHost: "+testHost+"\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
		b, err := io.ReadAll(nc)
		if _ = nc.Close(); err != nil || !strings.HasSuffix(string(b), "x") {
			t.Fatalf("%q, %v", b, err)
		}
	}
	for range 50 {
		turn()
	}
	before := map[string]int{}
	for _, g := range bothGroups {
		before[g] = files(g)
	}
	for range 1000 {
		turn()
	}
	for _, g := range bothGroups { // probes and connections to the backend come and go
		eventually(ctx, t, "the "+g+" worker holds no more than before", func() bool { return files(g) <= before[g]+8 })
	}
}
