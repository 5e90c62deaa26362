// Package browser holds the browser's client of sessions that move, nn5g.js, and its types (docs/session.md).
//
// Job: the script speaks the protocol of slices/session over what a browser offers; the gateway serves both files on every host. Its
// tests run the script itself, in an interpreter, against the real Home, with a clock and sockets made of memory. The package
// imports nothing of this module.
package browser

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
)

//go:embed nn5g.js
var script []byte

//go:embed nn5g.d.ts
var types []byte

// The paths that the gateway answers on every host.
const (
	ScriptPath = "/.well-known/nexus/nn5g.js"
	TypesPath  = "/.well-known/nexus/nn5g.d.ts"
)

// File is one of the two files as it is served.
type File struct {
	Body []byte // never to be changed
	Type string // media type
	ETag string // strong, of the body
}

var files = map[string]File{
	ScriptPath: file(script, "text/javascript; charset=utf-8"),
	TypesPath:  file(types, "text/plain; charset=utf-8"),
}

func file(b []byte, kind string) File {
	sum := sha256.Sum256(b)
	return File{Body: b, Type: kind, ETag: `"` + hex.EncodeToString(sum[:12]) + `"`}
}

// Lookup gives the file that a path names.
func Lookup(path string) (File, bool) {
	f, ok := files[path]
	return f, ok
}
