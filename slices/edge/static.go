package edge

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"syscall"
)

// indexFile is what a folder shows; folders are never listed.
const indexFile = "index.html"

// serveFolder answers GET and HEAD from a folder. os.Root keeps every path, link and race inside it; names that begin
// with a dot do not exist here.
func serveFolder(w http.ResponseWriter, r *http.Request, folder string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		plainText(w, r, http.StatusMethodNotAllowed, "this host serves files; only GET and HEAD work here")
		return
	}
	name, ok := fileName(r.URL.Path)
	if !ok {
		notFound(w, r)
		return
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		plainText(w, r, http.StatusServiceUnavailable, "the files of this host are not available now")
		return
	}
	defer func() { _ = root.Close() }() // read only: nothing is lost
	serveFile(w, r, root, name)
}

func serveFile(w http.ResponseWriter, r *http.Request, root *os.Root, name string) {
	info, err := root.Stat(name)
	if err == nil && info.IsDir() {
		if !strings.HasSuffix(r.URL.Path, "/") {
			// The path begins with one slash and holds no empty element, so this never leads to another host.
			target := url.URL{Path: "/" + name + "/", RawQuery: r.URL.RawQuery}
			w.Header().Set("Location", target.String())
			plainText(w, r, http.StatusMovedPermanently, "moved to "+target.Path)
			return
		}
		name = path.Join(name, indexFile)
	} else if err == nil && strings.HasSuffix(r.URL.Path, "/") {
		notFound(w, r)
		return
	}
	// Without O_NONBLOCK, opening a named pipe would hang the request.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			plainText(w, r, http.StatusForbidden, "this file may not be read")
			return
		}
		notFound(w, r)
		return
	}
	defer func() { _ = f.Close() }() // read only: nothing is lost
	info, err = f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		notFound(w, r)
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, path.Base(name), info.ModTime(), f)
}

// fileName turns a URL path into a name inside a root, "." for the root itself. It refuses, rather than repairs, what
// no page links to: empty, dotted and hidden elements, backslashes and control characters.
func fileName(urlPath string) (string, bool) {
	if !strings.HasPrefix(urlPath, "/") {
		return "", false
	}
	trimmed := strings.TrimSuffix(urlPath[1:], "/")
	if trimmed == "" {
		return ".", urlPath == "/"
	}
	for element := range strings.SplitSeq(trimmed, "/") {
		if element == "" || element[0] == '.' || strings.ContainsFunc(element, forbiddenInNames) {
			return "", false
		}
	}
	return trimmed, true
}

func forbiddenInNames(r rune) bool { return r < 0x20 || r == 0x7f || r == '\\' || r == ':' }

func notFound(w http.ResponseWriter, r *http.Request) {
	plainText(w, r, http.StatusNotFound, "there is no such page here")
}
