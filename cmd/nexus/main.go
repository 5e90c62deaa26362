// Command nexus is the one binary of Nexus COS: it launches a node, shows its console and acts on it.
//
// This package is wiring: the command tree (cobra), the configuration (viper, here and nowhere else), the mapping of
// errors to exit codes, and adapters between engine/control's client and the console. It decides nothing: every change is
// a signed action that the node's gates judge. It must not be imported, and it must not reach into the ledger or the
// state of a running node except through engine/control.
//
// Promises, on which scripts depend (docs/reference): results on stdout, everything else on stderr; exit codes 0 done,
// 1 failed, 2 usage or configuration, 3 no node, 4 refused by a gate, 130 interrupted.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	// First, so that no console library asks the terminal anything while the program starts.
	_ "github.com/BobbyBlanco400/nexus-cos/tui/aaterm"
)

// Set by the linker (Makefile); a plain `go build` leaves them empty and the build information of the toolchain is used.
var (
	version   string
	commit    string
	buildTime string
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv, now: time.Now}
	code := a.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
