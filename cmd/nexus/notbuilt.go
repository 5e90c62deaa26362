package main

import (
	"strings"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// notBuilt is a verb of the command line's promise whose fabric this version does not have. It is listed so that a script
// gets a clear answer; it does nothing.
type notBuilt struct{ path, why string }

// What is missing, in words that stand alone.
const (
	needsCompute = "the compute fabric is not built in this version"
	needsMedia   = "the media fabric is not built in this version"
	needsNames   = "the DNS and mail fabrics are not built in this version"
	needsCluster = "a ledger on several nodes is not built in this version"
)

// notBuiltCommands lists every one, once.
func notBuiltCommands() []notBuilt {
	return []notBuilt{
		{"imvu start", needsCompute}, {"imvu stop", needsCompute}, {"imvu deploy", needsCompute}, {"imvu logs", needsCompute},
		{"imvu exec", needsCompute}, {"imvu snapshot", needsCompute}, {"imvu rollback", needsCompute},
		{"stream key", needsMedia}, {"ott upload", needsMedia}, {"ott publish", needsMedia}, {"ott grant", needsMedia},
		{"cluster join", "a node joins when it is launched: nexus launch --join-token FILE"}, {"cluster leave", needsCluster}, {"cluster rtt", needsCluster},
		{"cluster peers", needsCluster}, {"cluster promote", needsCluster}, {"cluster drain", needsCluster},
		{"dns", needsNames}, {"mail", needsNames},
	}
}

// notBuiltFlags are flags of launch that ask for what is not there; the value beside each is what this version does.
func notBuiltFlags() []struct{ key, only, why string } {
	return []struct{ key, only, why string }{
		{"bootstrap_expect", "1", needsCluster},
	}
}

// refuseNotBuilt refuses settings of launch that this version cannot honour.
func (a *app) refuseNotBuilt() error {
	for _, f := range notBuiltFlags() {
		if v := a.conf.values[f.key]; v.text != f.only {
			return nexus.Errf("launch", nexus.CodeUnavailable, f.key+" = "+v.text+" from "+v.origin, "leave it out", "%s", f.why)
		}
	}
	return nil
}

// notBuiltMark begins the help of such a command.
const notBuiltMark = "(not built in this version) "

// addNotBuilt adds the commands under their nouns.
func addNotBuilt(root *cobra.Command) {
	for _, n := range notBuiltCommands() {
		words := strings.Fields(n.path)
		parent := root
		for _, w := range words[:len(words)-1] {
			parent = child(parent, w)
		}
		path, why := n.path, n.why
		parent.AddCommand(&cobra.Command{Use: words[len(words)-1], Short: notBuiltMark + why, Args: cobra.ArbitraryArgs,
			FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
			RunE: func(*cobra.Command, []string) error {
				return nexus.Errf("nexus "+path, nexus.CodeUnavailable, "", "", "not built in this version: %s", why)
			}})
	}
}

// child finds or makes the noun of a command.
func child(parent *cobra.Command, word string) *cobra.Command {
	for _, c := range parent.Commands() {
		if c.Name() == word {
			return c
		}
	}
	c := noun(word, notBuiltMark+"see its verbs")
	parent.AddCommand(c)
	return c
}
