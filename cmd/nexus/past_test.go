package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
)

// cmdPast founds a cluster in a data directory two months and some days ago, by the real engine under a clock of then: past DIR. The script finds
// the month of it in $FIRST, the one after, which is over too, in $SECOND, and the one before it in $BEFORE.
func cmdPast(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	now := time.Now().UTC()
	then := time.Date(now.Year(), now.Month()-2, 7, 12, 0, 0, 0, time.UTC)
	gen, err := identity.NewGenesis(dir, identity.GenesisOptions{Profile: identity.ProfileDev, NodeName: "node", OperatorName: "operator"})
	ts.Check(err)
	keys, err := identity.LoadKeys(dir, gen)
	ts.Check(err)
	act, err := engine.Found(gen, keys.Platform)
	ts.Check(err)
	e, err := engine.Open(engine.Config{DataDir: dir, NodeName: "node", Cluster: gen.Cluster, Node: keys.Node, Genesis: act, Bus: bus.New(bus.Limits{}),
		Logger: slog.New(slog.DiscardHandler), Capacity: engine.Capacity{CPUMilli: 2000, MemoryBytes: 8 << 30, NetworkBps: 1e9},
		Clock: func() time.Time { return then }})
	ts.Check(err)
	ts.Check(e.Sweep(context.Background()))
	ts.Check(e.Close())
	for name, months := range map[string]int{"BEFORE": -1, "FIRST": 0, "SECOND": 1} {
		ts.Setenv(name, time.Date(then.Year(), then.Month()+time.Month(months), 1, 0, 0, 0, 0, time.UTC).Format("2006-01"))
	}
}
