package h1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"
	"testing/iotest"
)

// request reads and parses one request.
func request(raw string, size int) (*Request, *bufio.Reader, error) {
	br := bufio.NewReaderSize(iotest.HalfReader(strings.NewReader(raw)), size)
	head, n, err := ReadHead(br, 32<<10)
	if err != nil {
		return nil, nil, err
	}
	r := &Request{}
	if wrong := r.Parse(head); wrong != nil {
		return nil, nil, wrong
	}
	_, err = br.Discard(n)
	return r, br, err
}

// A head that does not fit the buffer is the same head, and what follows it is not lost.
func TestLongHeads(t *testing.T) {
	t.Parallel()
	for _, fill := range []int{0, 1, 15, 16, 17, 40, 1000, 20_000} {
		raw := "GET /x HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("y", fill) + "\r\n\r\nrest"
		r, br, err := request(raw, 64)
		if err != nil {
			t.Fatalf("%d bytes: %v", fill, err)
		}
		rest, _ := io.ReadAll(br)
		if string(rest) != "rest" || string(r.Host) != "a" || len(r.Field("x").Value) != fill {
			t.Errorf("%d bytes: rest %q, host %q", fill, rest, r.Host)
		}
	}
	var wrong *Bad
	if _, _, err := request("GET / HTTP/1.1\r\nX: "+strings.Repeat("y", 40<<10), 64); !errors.As(err, &wrong) || wrong.Status != 431 {
		t.Errorf("a head without end: %v", err)
	}
	if _, _, err := request("GET / HT", 64); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half a head: %v", err)
	}
	if _, _, err := request("", 64); !errors.Is(err, io.EOF) {
		t.Errorf("nothing: %v", err)
	}
}

func TestMeaning(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]Request{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n":                                                       {Minor: 1},
		"GET / HTTP/1.0\r\n\r\n":                                                                  {Close: true},
		"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n":                                        {},
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n":                               {Minor: 1, Close: true},
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n":          {Minor: 1, Upgrade: true},
		"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n":                                 {Minor: 1},
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\nExpect: 100-Continue\r\n\r\n":         {Minor: 1, Length: 7, Expect: true},
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n":                        {Minor: 1, Chunked: true},
		"POST / HTTP/1.0\r\nContent-Length: 999999999999999999\r\nConnection: keep-alive\r\n\r\n": {Length: 999999999999999999},
	} {
		r, _, err := request(raw, 4096)
		if err != nil {
			t.Errorf("%q: %v", raw, err)
			continue
		}
		if r.Minor != want.Minor || r.Close != want.Close || r.Upgrade != want.Upgrade || r.Length != want.Length || r.Expect != want.Expect ||
			r.Chunked != want.Chunked {
			t.Errorf("%q is %+v", raw, r)
		}
	}
}

func TestResponses(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]*Response{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n":                               {Status: 200, Length: 3},
		"HTTP/1.1 200\nContent-Length: 3\n\n":                                        {Status: 200, Length: 3},
		"HTTP/1.0 404 Not Found\r\n\r\n":                                             {Status: 404, Length: -1, Close: true},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n": {Status: 200, Length: -1, Chunked: true, Close: true},
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n":          {Status: 200, Length: 3},
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n":          nil,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n":                         nil,
		"HTTP/2.0 200 OK\r\n\r\n":                                                    nil,
		"HTTP/1.1 2000 OK\r\n\r\n":                                                   nil,
		"HTTP/1.1 99 OK\r\n\r\n":                                                     nil,
		"HTTP/1.1 200 OK\r\nX y\r\n\r\n":                                             nil,
		"ICY 200 OK\r\n\r\n":                                                         nil,
	} {
		head, _, err := ReadHead(bufio.NewReader(strings.NewReader(raw)), 1<<16)
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		r := &Response{}
		wrong := r.Parse(head)
		if (wrong == nil) != (want != nil) ||
			want != nil && (r.Status != want.Status || r.Length != want.Length || r.Chunked != want.Chunked || r.Close != want.Close) {
			t.Errorf("%q is %+v, %v", raw, r, wrong)
		}
	}
}

// What is accepted must mean the same to net/http: method, target, host, and where the body ends.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST /x?y HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
		"POST http://a/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: u\r\n\r\n", "\r\nGET /%zz HTTP/1.1\r\nHOST:a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X\r\nX: y\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, br, err := request(string(raw), 64)
		if err != nil {
			return
		}
		theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\r\n")))))
		if err != nil { // a target or host that net/http does not take is no matter of framing; the gateway looks the host up by itself
			if !strings.Contains(err.Error(), "parse") && !strings.Contains(err.Error(), "malformed") && !strings.Contains(err.Error(), "invalid") {
				t.Fatalf("we take what net/http does not: %v\n%q", err, raw)
			}
			return
		}
		if theirs.Method != string(r.Method) || theirs.ContentLength >= 0 && theirs.ContentLength != r.Length || (theirs.ContentLength < 0) != r.Chunked {
			t.Fatalf("we read %s %d %v, net/http %s %d\n%q", r.Method, r.Length, r.Chunked, theirs.Method, theirs.ContentLength, raw)
		}
		if !strings.EqualFold(theirs.Host, string(r.Host)) && theirs.Method != http.MethodConnect {
			t.Fatalf("we read host %q, net/http %q\n%q", r.Host, theirs.Host, raw)
		}
		var ours io.Reader = io.LimitReader(br, r.Length)
		if r.Chunked {
			ours = &Chunked{R: br}
		}
		a, errA := io.ReadAll(ours)
		b, errB := io.ReadAll(theirs.Body)
		if errA == nil && (errB != nil || !bytes.Equal(a, b)) {
			t.Fatalf("we read a body of %d bytes, net/http %d, %v\n%q", len(a), len(b), errB, raw)
		}
	})
}

// No bytes of a backend bring the parser down, and a body is never longer than it says.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.0 301 X\nLocation: /\n\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		br := bufio.NewReaderSize(bytes.NewReader(raw), 64)
		head, n, err := ReadHead(br, 1<<16)
		if err != nil {
			return
		}
		r := &Response{}
		if r.Parse(head) != nil {
			return
		}
		if r.Status < 100 || r.Status > 999 || r.Chunked && r.Length >= 0 || len(r.Fields) > FieldsMax {
			t.Fatalf("%+v of %q", r, raw)
		}
		for _, x := range r.Fields {
			if bytes.ContainsAny(x.Value, "\r\n\x00") || !Token(x.Name) ||
				HopByHop(r.Fields, &x) && x.Is("x") && !bytes.Contains(bytes.ToLower(raw), []byte("connection")) {
				t.Fatalf("field %q: %q", x.Name, x.Value)
			}
		}
		_, _ = br.Discard(n)
	})
}

// A chunked body that we take whole is the same to net/http, and what we write as chunks we read back.
func FuzzChunked(f *testing.F) {
	f.Add([]byte("3\r\nabc\r\n0\r\n\r\n"))
	f.Add([]byte("a;x=y\r\n0123456789\r\n1\r\nz\r\n0\r\nT: u\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := &Chunked{R: bufio.NewReaderSize(bytes.NewReader(raw), 64)}
		var ours []byte
		var err error
		for buf := make([]byte, 7); err == nil; {
			var n int
			n, err = c.Read(buf)
			ours = append(ours, buf[:n]...)
		}
		if errors.Is(err, io.EOF) {
			theirs, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(raw)))
			if err != nil || !bytes.Equal(ours, theirs) {
				t.Fatalf("%q: we read %q, net/http %q, %v", raw, ours, theirs, err)
			}
		}
		framed := append(AppendChunk(AppendChunk(nil, raw), nil), "0\r\n\r\n"...)
		back, err := io.ReadAll(&Chunked{R: bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(framed)), 64)})
		if err != nil || !bytes.Equal(back, raw) {
			t.Fatalf("%q came back as %q, %v", raw, back, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	raw := []byte("GET /index.html?x=1 HTTP/1.1\r\nHost: a.test\r\nUser-Agent: x/1.0\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\nCookie: a=b; c=d\r\n\r\n")
	var r Request
	b.ReportAllocs()
	for b.Loop() {
		if wrong := r.Parse(raw); wrong != nil {
			b.Fatal(wrong)
		}
	}
}
