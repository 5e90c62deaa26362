package edge

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFolder(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	folder := filepath.Join(base, "site")
	write := func(name, data string) {
		t.Helper()
		path := filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("secret.txt", "SECRET")
	write("site/index.html", "<h1>home</h1>")
	write("site/a b/page.txt", "0123456789")
	write("site/sub/index.html", "sub index")
	write("site/.env", "SECRET")
	write("site/.git/config", "SECRET")
	write("site/bare/file.txt", "x")
	for link, to := range map[string]string{"out": "../secret.txt", "abs": filepath.Join(base, "secret.txt"), "up": ".."} {
		if err := os.Symlink(to, filepath.Join(folder, link)); err != nil {
			t.Fatal(err)
		}
	}
	makePipe(t, filepath.Join(folder, "pipe"))
	a := unit("a")
	g := gateway(t, table(t, []Route{
		route("a.test", a, Backend{Folder: folder}), route("gone.test", a, Backend{Folder: filepath.Join(base, "gone")}),
	}, a))
	c := client(t, g.Addr())
	get(t, c, "http://a.test/").want(t, 200, "home")
	get(t, c, "http://a.test/a%20b/page.txt").want(t, 200, "0123456789")
	get(t, c, "http://a.test/sub/").want(t, 200, "sub index")
	moved := get(t, c, "http://a.test/sub?x=1")
	if moved.status != 301 || moved.header.Get("Location") != "/sub/?x=1" {
		t.Errorf("folder without slash: %d to %q", moved.status, moved.header.Get("Location"))
	}
	for _, path := range []string{
		"/missing", "/bare/", "/index.html/", "/.env", "/.git/config", "/sub/../.env", "/../secret.txt", "/out", "/abs",
		"/up/secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/sub/%2e%2e/%2e%2e/secret.txt", "/..%5csecret.txt",
		"//secret.txt", "/sub//index.html", "/pipe", "/a%00b", "/index.html::$DATA",
	} {
		got := raw(t, g.Addr(), "GET "+path+" HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 404") || strings.Contains(got, "SECRET") || strings.Contains(got, "file.txt") {
			t.Errorf("%s: %.100q", path, got)
		}
	}
	get(t, c, "http://gone.test/").want(t, 503, "not available")
	rangesAndMethods(t, c)
}

func rangesAndMethods(t *testing.T, c *http.Client) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://a.test/a%20b/page.txt", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", "bytes=2-4")
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusPartialContent || resp.Header.Get("Content-Range") != "bytes 2-4/10" {
		t.Errorf("range: %d %q", resp.StatusCode, resp.Header.Get("Content-Range"))
	}
	post, err := c.Post("http://a.test/", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	_ = post.Body.Close()
	if post.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST to files: %d", post.StatusCode)
	}
}

func FuzzFileName(f *testing.F) {
	for _, s := range []string{"/", "/a", "/a/", "//", "/..", "/a/../b", "/.x", "a", "", "/a\\b", "/a\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, ok := fileName(s)
		if !ok {
			return
		}
		if name != "." && !filepath.IsLocal(name) || strings.Contains(name, "/.") || strings.ContainsAny(name, "\\\x00") {
			t.Errorf("%q became %q", s, name)
		}
	})
}
