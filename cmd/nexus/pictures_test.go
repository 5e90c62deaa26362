//go:build pictures

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestPictures records the sessions that docs/console.md shows, on a real node over SSH, and draws them: make pictures.
func TestPictures(t *testing.T) {
	records := filepath.Join(t.TempDir(), "records")
	n := launchNode(t, "--ssh", "127.0.0.1:0", "--ssh-record", records, "--node-name", "edge-1")
	operator, eva := n.sshKey("maria", "operator"), n.sshKey("eva", "creator")
	n.run("imvu", "create", "--name", "Quiet Harbour", "--owner", "eva")
	n.run("imvu", "create", "--name", "Night Show", "--owner", "eva")
	n.run("imvu", "create", "--name", "Kilo", "--owner", "max")
	for i, unit := range []string{"IMVU-001", "IMVU-002", "IMVU-003", "IMVU-001", "IMVU-003"} {
		n.run("revenue", "record", "--unit", unit, "--amount", []string{"777123", "19900", "250000", "4999", "1"}[i], "--currency", "USD")
	}
	n.run("imvu", "scale", "IMVU-001", "--cpu", "1", "--propose", "--reason", "fewer visitors in winter")
	n.run("imvu", "create", "--name", "Own")
	if out, errs, code := n.try("revenue", "record", "--unit", "IMVU-004", "--amount", "100000", "--currency", "USD"); code != exitRefused {
		t.Fatalf("who reports revenue of their own unit exits %d: %s%s", code, out, errs)
	}
	agent := n.agent(eva)
	type session struct {
		key           string
		columns, rows int
		env, flags    []string
		keys          []string // each after the screen shows what stands before it
		before        []string
	}
	sessions := map[string]session{
		"console-overview": {key: operator, columns: 120, rows: 36},
		"console-evidence": {key: operator, columns: 120, rows: 40, before: []string{"4 Splits", "chain, findings", "beneficiary", "/beneficiary"},
			keys: []string{"8", "/beneficiary\r", "g", "\r"}},
		"console-home": {key: eva, columns: 120, rows: 30, env: agent, flags: []string{"-A"}},
		"console-wizard": {key: eva, columns: 100, rows: 30, env: agent, flags: []string{"-A"},
			before: []string{"Home of eva", "What shall it be?", "Who shall own it?", "People read the name", "Envelope", "step 5", "step 6", "step 7"},
			keys:   []string{"W", "\r", "\r", "Morning Show\r", "\r", "\r", "\r\r", "\r"}},
	}
	for _, p := range docPictures() {
		s := sessions[p.name]
		screen := n.startSSH(s.columns, s.rows, s.key, s.env, s.flags...)
		for i, keys := range s.keys {
			eventuallyTrue(t, s.before[i], func() bool { return screen.Shows(s.before[i]) }, screen.Text)
			typeKeys(t, screen.Screen, keys)
		}
		eventuallyTrue(t, p.name, func() bool { return screen.Shows(p.shows...) }, screen.Text)
		_ = screen.cmd.Process.Signal(syscall.SIGTERM) // the recording ends with what is shown
		_ = screen.cmd.Wait()
		n.keepRecording(t, records, p)
	}
	n.run("stop")
}

// keepRecording waits for the newest recording to be whole, and keeps it with its picture.
func (n *liveNode) keepRecording(t *testing.T, records string, p docPicture) {
	t.Helper()
	files, err := filepath.Glob(records + "/*.cast")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	newest, at := "", int64(0)
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.ModTime().UnixNano() > at {
			newest, at = f, info.ModTime().UnixNano()
		}
	}
	eventuallyTrue(t, "the entry of the recording", func() bool { _, _, code := n.try("ssh", "verify", newest); return code == 0 },
		func() string { return newest })
	cast, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	svg, err := replayCast(cast, p.title, p.shows)
	if err != nil {
		t.Fatal(err)
	}
	for ext, data := range map[string][]byte{".cast": cast, ".svg": svg} {
		if err := os.WriteFile(picturesDir+p.name+ext, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
