package archtest

import (
	"go/ast"
	"os"
	"regexp"
	stdslices "slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"
	"unicode/utf8"
)

// decoderName is how the house calls what reads bytes that it did not just make itself.
var decoderName = regexp.MustCompile(`^(Parse|Decode|Open|Check|Read|Unmarshal)`)

// notDecoders have a decoder's name and take text or bytes, but decode nothing from outside, or nothing of their own.
var notDecoders = map[string]string{
	"cluster/consensus.CheckFiles":          "names the files to scanSegment, openSealed and parseHead, each with its target",
	"cluster/consensus.Open on markerStore": "looks a name up",
	"cluster/consensus.OpenHead":            "opens the file that parseHead, which has a target, decodes",
	"cluster/gossip.Read on begun":          "passes bytes on, reads no meaning into them",
	"cluster/witness.ReadFolder":            "names the file to parseState, which has a target",
	"engine.CheckFiles":                     "names the folders to the checks of identity, consensus and badgerstore",
	"engine/control.OpenSession on Server":  "registers a session under a name that the SSH front door has checked",
	"engine/control.ReadNodeFile":           "encoding/json on a file of the node's own",
	"engine/identity.Check on Pins":         "compares a checkpoint that ParseCheckpoint, which has a target, decodes",
	"engine/identity.CheckName":             "compares with a pattern",
	"engine/node.OpenSession on Node":       "hands over to the control server",
	"engine/revenue.Read on recordLimit":    "counts bytes, reads no meaning into them",
	"engine/state.ReadFacts on State":       "looks names up",
	"ledger/backup.Read on hashing":         "hashes bytes, reads no meaning into them",
	"ledger/badgerstore.CheckFiles":         "names the files to the checks of one file, which FuzzCheckFiles calls",
	"ledger/badgerstore.Open":               "takes a folder, whose files the checks behind CheckFiles read first",
	"ledger/badgerstore.OpenReadOnly":       "as Open",
	"slices/edge.OpenDevCA":                 "crypto/x509 on files of the node's own",
	"slices/edge.Read on upstream":          "passes bytes on, reads no meaning into them",
	"slices/edge.Read on client1":           "passes bytes on, reads no meaning into them",
	"slices/edge.Read on prefixed":          "passes bytes on, reads no meaning into them",
	"slices/edge.Read on body1":             "passes bytes on; chunked framing is h1.Chunked's",
	"slices/edge.Read on conn":              "passes bytes on, reads no meaning into them",
	"slices/edge.Read on quicBody":          "passes bytes on, reads no meaning into them",
	"slices/edge.Read on quicConn":          "refuses: bytes of a QUIC connection are in its streams",
	"slices/edge.Read on steadyBody":        "passes bytes on, reads no meaning into them",
	"slices/edge.Read on timedBody":         "passes bytes on, reads no meaning into them",
	"tui.Read on fileWriter":                "passes bytes on, reads no meaning into them",
	"tui.Read on localKeys":                 "passes bytes on; tui/answers.Read, which has a target, reads meaning into them",
	"tui.Read on nonEmpty":                  "as localKeys",
	"tui/sshd.Read on touched":              "passes bytes on, reads no meaning into them",

	"cluster/consensus.OpenWriter on watchedFS": "opens a file of raft-wal, whose decoders are scanSegment and openSealed",
}

// owedTargets are decoders whose target is still to be written. The list may only become shorter.
var owedTargets = map[string]string{}

// A decoder is an exported function or method that takes bytes, text or a reader.
type decoder struct{ name, method, where string }

// decoders lists the decoders of a package and the names that its fuzz targets reach. Reach is by name, within the folder:
// it can take one method for another of the same name, never miss a call within it.
func (t *Tree) decoders(p *Package) (list []decoder, reached map[string]bool) {
	bodies := map[string][]ast.Node{}
	var queue []string
	for _, f := range p.Files {
		for _, d := range f.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			name := fn.Name.Name
			bodies[name] = append(bodies[name], fn.Body)
			if f.Test && fn.Recv == nil && len(name) > 4 && name[:4] == "Fuzz" {
				queue = append(queue, name)
			}
			if !f.Test && takesBytes(fn) && decodes(name) {
				list = append(list, decoder{strings.TrimPrefix(p.Dir, ".") + "." + name + receiver(fn), name, t.at(f, fn.Pos())})
			}
		}
	}
	reached = map[string]bool{}
	for ; len(queue) > 0; queue = queue[1:] {
		for _, body := range bodies[queue[0]] {
			ast.Inspect(body, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && !reached[id.Name] {
					reached[id.Name] = true
					queue = append(queue, id.Name)
				}
				return true
			})
		}
	}
	return list, reached
}

// decodes says whether a name is one of decoderName's words, alone or followed by another word (not Ready, Checkpoint).
func decodes(name string) bool {
	word := decoderName.FindString(name)
	next, _ := utf8.DecodeRuneInString(name[len(word):])
	return word != "" && !unicode.IsLower(next)
}

func takesBytes(fn *ast.FuncDecl) bool {
	return stdslices.ContainsFunc(fn.Type.Params.List, func(p *ast.Field) bool {
		switch x := p.Type.(type) {
		case *ast.Ident:
			return x.Name == "string"
		case *ast.ArrayType:
			of, ok := x.Elt.(*ast.Ident)
			return ok && x.Len == nil && of.Name == "byte"
		case *ast.SelectorExpr:
			return x.Sel.Name == "Reader"
		}
		return false
	})
}

// receiver is " on T" for a method of T.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return ""
	}
	x := fn.Recv.List[0].Type
	if star, ok := x.(*ast.StarExpr); ok {
		x = star.X
	}
	if id, ok := x.(*ast.Ident); ok {
		return " on " + id.Name
	}
	return " on ?"
}

// unfuzzed lists the decoders without a fuzz target, and the entries of both lists that name none.
func (t *Tree) unfuzzed(exempt, owed map[string]string) (out []Finding, seen int) {
	used := map[string]bool{}
	for _, p := range t.packages() {
		list, reached := t.decoders(p)
		for _, d := range list {
			seen++
			switch {
			case exempt[d.name] != "":
				used[d.name] = true
			case reached[d.method] && owed[d.name] != "":
				out = append(out, Finding{d.where, d.name + " has a fuzz target now: take it off the list"})
			case !reached[d.method] && owed[d.name] == "":
				out = append(out, Finding{d.where, d.name + " decodes outside bytes and no Fuzz function of its folder reaches it"})
			}
			used[d.name] = true
		}
	}
	for _, names := range []map[string]string{exempt, owed} {
		for name := range names {
			if !used[name] {
				out = append(out, Finding{name, "is on a list and is no decoder"})
			}
		}
	}
	return out, seen
}

func TestEveryDecoderHasAFuzzTarget(t *testing.T) {
	tree, err := loadTree(os.DirFS(repository))
	if err != nil {
		t.Fatal(err)
	}
	findings, seen := tree.unfuzzed(notDecoders, owedTargets)
	for _, f := range findings {
		t.Error(f)
	}
	if seen < 40 {
		t.Errorf("%d decoders seen: the search is blind", seen)
	}
}

// TestUnfuzzedIsFound plants decoders: one with a target, one reached through a helper, one without, one stale entry.
func TestUnfuzzedIsFound(t *testing.T) {
	tree, err := loadTree(fstest.MapFS{
		"a/a.go":      {Data: []byte("package a\nfunc ParseX(b []byte) {}\nfunc DecodeY(s string) {}\nfunc ReadZ(b []byte) {}\nfunc Checkpoint(s string) {}\n")},
		"a/a_test.go": {Data: []byte("package a\nfunc FuzzX(f int) { ParseX(nil); help() }\nfunc help() { DecodeY(\"\") }\nfunc TestZ(t int) { ReadZ(nil) }\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		exempt, owed map[string]string
		want         []string
	}{
		{nil, nil, []string{"a/a.go:4"}},
		{map[string]string{"a.ReadZ": "why"}, nil, nil},
		{nil, map[string]string{"a.ReadZ": "why"}, nil},
		{nil, map[string]string{"a.ReadZ": "why", "a.ParseX": "why"}, []string{"a/a.go:2"}},
		{map[string]string{"a.ReadZ": "why", "a.Gone": "why"}, nil, []string{"a.Gone"}},
	} {
		findings, seen := tree.unfuzzed(c.exempt, c.owed)
		var where []string
		for _, f := range findings {
			where = append(where, f.Where)
		}
		if !stdslices.Equal(where, c.want) || seen != 3 {
			t.Errorf("%v %v: %v of %d decoders", c.exempt, c.owed, findings, seen)
		}
	}
}
