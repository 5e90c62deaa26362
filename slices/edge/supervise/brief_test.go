//go:build linux

package supervise

import (
	"context"
	"encoding/json"
	"os/exec"
	"testing"
	"time"
)

// A worker that accepts connections for others reads, before it serves, which of them serve: the words lie on the line before it is started.
func TestWorkerIsBriefedBeforeItStarts(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	scripts := map[string]string{
		"patient": `echo '{}' >&3; exec sleep 60`,
		"prompt":  `IFS= read -r a <&3; IFS= read -r b <&3; printf '["%s","%s"]\n' "$a" "$b" >&3; exec sleep 60`,
	}
	heard := make(chan json.RawMessage, 1)
	s, err := New(Config{Sockets: []Socket{{Name: "plain", Addr: "127.0.0.1:0"}}, Groups: []string{"prompt", "patient"},
		Worker: func(group string, _ int) *exec.Cmd { return exec.Command("sh", "-c", scripts[group]) },
		OnReady: func(group string, _ int, about json.RawMessage) {
			if group == "prompt" {
				heard <- about
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	select {
	case about := <-heard:
		if string(about) != `["up patient","briefed"]` {
			t.Errorf("a new worker heard %s", about)
		}
	case err := <-ended:
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
