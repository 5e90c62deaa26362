package main

import (
	"encoding/json"
	"fmt"
	"strings"

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
