//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdKeep keeps a value of the JSON that the last command printed in a variable: keep proposals.0.id P1
func cmdKeep(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: keep PATH VARIABLE")
	}
	var doc any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &doc))
	got, err := lookUp(doc, strings.Split(args[0], "."))
	ts.Check(err)
	ts.Setenv(args[1], fmt.Sprint(got))
}

// cmdWaitUnread waits until an owner's inbox holds so many unread notices: waitunread eva 0
func cmdWaitUnread(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		ts.Check(ts.Exec("nexus", "notices", "list", "--unread", "--identity", args[0], "-o", "json"))
		var doc struct{ Unread uint64 }
		ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &doc))
		if fmt.Sprint(doc.Unread) == args[1] {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%d are unread", doc.Unread)
		}
	}
}
