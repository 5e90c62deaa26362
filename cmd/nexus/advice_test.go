//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui"
)

// What a console advises to type is what one would type there: without the flags that the console itself puts before a command line,
// and it does what was promised.
func TestAdviceOfTheConsoleIsTypable(t *testing.T) {
	t.Parallel()
	n := launchNode(t)
	n.run("imvu", "create", "--name", "Aria", "--owner", "maria")
	c := &commands{app: &app{getenv: os.Getenv, now: time.Now, conf: &config{values: map[string]configValue{"data_dir": {text: n.dir}}}}}
	words := strings.Fields("imvu scale IMVU-001 --cpu 1")
	o := c.Run(context.Background(), words, false, 0)
	const advice = "to ask for the approval: nexus imvu scale IMVU-001 --cpu 1 --propose\n"
	if o.Code != exitRefused || !strings.Contains(o.Err, advice) {
		t.Errorf("exit %d, advised:\n%s\nwant %q", o.Code, o.Err, advice)
	}
	if o := c.Run(context.Background(), append(words, "--propose"), false, 0); o.Code != exitDone || !strings.Contains(o.Out, "owner maria: waits") {
		t.Errorf("the advice came to exit %d\n%s%s", o.Code, o.Out, o.Err)
	}
}

// Themes and keys lie beside the configuration that was named, not beside another one.
func TestThemesLieBesideTheNamedConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"nexus.yaml": "theme: dusk\n", "keys.conf": "pause = b\n", "themes/dusk.theme": "good = #7fd88f\n"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, home := range []string{t.TempDir(), dir} {
		a := &app{getenv: func(name string) string {
			return map[string]string{"HOME": home, "NEXUS_CONFIG": filepath.Join(dir, "nexus.yaml")}[name]
		}, now: time.Now}
		cmd := a.root()
		if err := a.configure(cmd); err != nil {
			t.Fatal(err)
		}
		own, err := a.userThemes()
		if err != nil {
			t.Fatal(err)
		}
		look, err := a.look(own)
		if err != nil || look.Name != "dusk" {
			t.Errorf("the look is %q, %v", look.Name, err)
		}
		if keys, err := a.userKeys(); err != nil || len(keys["pause"]) != 1 || keys["pause"][0] != "b" {
			t.Errorf("the keys are %v, %v", keys, err)
		}
	}
}

// Whoever leaves the console of a launch is not told that a node serves which was killed while it was watched.
func TestAKilledNodeIsNotSaidToServe(t *testing.T) {
	t.Parallel()
	child := exec.Command(binary, "version")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	for pid, serves := range map[int]bool{child.Process.Pid: false, os.Getpid(): true} {
		var errs strings.Builder
		a := &app{err: &errs, getenv: os.Getenv, now: time.Now}
		err := a.afterConsole(context.Background(), &backend{app: a, file: control.NodeFile{PID: pid}}, tui.Result{Quit: tui.QuitDetach, Launch: wire.StatusPassed})
		if said := strings.Contains(errs.String(), "goes on serving"); said != serves || (err == nil) != serves {
			t.Errorf("serves %v: said %q, %v", serves, errs.String(), err)
		}
		if !serves && !strings.Contains(fmt.Sprint(err), "is no longer there") {
			t.Errorf("said %v", err)
		}
	}
}

// What was on the screen of a failed launch is said when it is gone: the phase, the fix, and where the whole of it can be read.
func TestAFailedLaunchSaysWhereItIsWritten(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	a := &app{err: &errs}
	l := wire.Launch{Status: wire.StatusFailed, Log: "/var/log/deployment.log", Report: "/var/log/report.json"}
	l.Phases[0] = wire.Phase{Number: 1, Name: "preflight", Status: wire.StatusFailed, Reason: "port gateway: taken", Checks: []wire.Check{
		{Name: "cores", Status: wire.StatusPassed, Remedy: "none"}, {Name: "port gateway", Status: wire.StatusFailed, Remedy: "choose another address"}}}
	l.Phases[1] = wire.Phase{Number: 2, Name: "scrub", Status: wire.StatusSkipped, Reason: "needs phase 1"}
	a.sayWhy(&l)
	want := "phase 1 preflight failed: port gateway: taken\n  fix port gateway: choose another address\nreport /var/log/report.json\nlog /var/log/deployment.log\n"
	if errs.String() != want {
		t.Errorf("%s", errs.String())
	}
}

// A launch that fails on a taken port names its log, and a mistake in a file of keys sends nobody to the flags.
func TestFailuresNameWhatHelps(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	dir := t.TempDir()
	code, out, errs := runApp(t, nil, "launch", "--no-tui", "--data-dir", dir, "--gateway", taken.Addr().String())
	if code != exitFailed || !strings.Contains(out, "launch FAILED") || !strings.Contains(errs, " failed: ") || !strings.Contains(errs, "\n  fix ") ||
		!strings.Contains(errs, "\nlog "+filepath.Join(dir, "logs", "launch", "deployment-")) {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	for err, want := range map[error]bool{
		nexus.Errf("keys", nexus.CodeUsage, "keys.conf line 1", "", "no key"):                     true,
		nexus.Errf("configuration", nexus.CodeUsage, `key "x" in file nexus.yaml`, "", "unknown"): true,
		nexus.Errf("configuration", nexus.CodeUsage, "--theme dusk", "", "unknown"):               false,
		nexus.Errf("launch", nexus.CodeUsage, "--skip x", "", "unknown"):                          false,
	} {
		if ofFile(err) != want {
			t.Errorf("%v is of a file: %v", err, !want)
		}
	}
}
