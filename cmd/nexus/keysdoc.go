package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
)

// keysPage is the reference page of the console's keys, from the table that the console itself goes by.
func keysPage() []byte {
	var b bytes.Buffer
	b.WriteString("# Keys of the console\n\n" +
		"The name is what `keys.conf` calls the key: `pause = b` gives it another ([console](../console.md)).\n" +
		"A key that changes something is a signed action, judged by all gates, and does what the verb beside it does.\n\n" +
		"| key | name | what it does | where | acts as |\n| --- | --- | --- | --- | --- |\n")
	keys, err := keymap.New(nil)
	if err != nil { // the table itself would be wrong: its test says where
		return b.Bytes()
	}
	for _, k := range keys.All() {
		var names, views []string
		for _, key := range k.Keys {
			names = append(names, "`"+key+"`")
		}
		for _, v := range k.Views {
			views = append(views, keymap.Views()[v])
		}
		where, acts := strings.Join(views, ", "), ""
		if k.Views == nil {
			where = "everywhere"
		}
		if k.Changes {
			acts = "`nexus " + k.Verb + "`, " + k.Danger.String()
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", strings.Join(names, " "), k.Name(), strings.ReplaceAll(k.Help, "|", "\\|"), where, acts)
	}
	return b.Bytes()
}
