package edge

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// grpcBackend speaks gRPC's framing by hand, over HTTP/2 only as gRPC servers do: /echo sends each message back at once, /fail answers with
// trailers alone.
func grpcBackend(t *testing.T) Backend {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.Header.Get("Te") != "trailers" {
			http.Error(w, "this is no gRPC", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/grpc")
		if r.URL.Path == "/test.Echo/fail" {
			w.Header().Set("Grpc-Status", "5")
			return
		}
		w.Header().Set("Trailer", "Grpc-Status")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush() // the client may be gone
		in := bufio.NewReader(r.Body)
		for {
			m, err := grpcMessage(in)
			if err != nil {
				break
			}
			if _, err := w.Write(m); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush() // as above
		}
		w.Header().Set("Grpc-Status", "0")
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return Backend{Address: s.Listener.Addr().String()}
}

// grpcMessage reads one message with its prefix: a flag and four bytes of length.
func grpcMessage(in *bufio.Reader) ([]byte, error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(in, head); err != nil {
		return nil, err
	}
	m := append(head, make([]byte, binary.BigEndian.Uint32(head[1:]))...)
	_, err := io.ReadFull(in, m[5:])
	return m, err
}

func grpcFrame(text string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(text))), text...)
}

func grpcCall(t *testing.T, c *http.Client, method string, body io.Reader) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://grpc.example/test.Echo/"+method, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc+proto")
	req.Header.Set("Te", "trailers")
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// TestGRPC: a call with both sides speaking in turn sees every message before the next is sent, outlives the time that a body may
// pause and a change of the table, and ends with the trailers; an answer of trailers alone arrives too.
func TestGRPC(t *testing.T) {
	t.Parallel()
	s := unit("grpc")
	tab := table(t, []Route{route("grpc.example", s, grpcBackend(t))}, s)
	const stall = 200 * time.Millisecond
	g := gateway(t, tab, func(c *Config) { c.StallTimeout = stall })
	c := client(t, g.Addr(), h2c)
	out, in := io.Pipe()
	resp := grpcCall(t, c, "stream", out)
	messages := bufio.NewReader(resp.Body)
	for i := range 50 {
		want := grpcFrame(fmt.Sprintf("message %d", i))
		if _, err := in.Write(want); err != nil {
			t.Fatal(err)
		}
		if got, err := grpcMessage(messages); err != nil || string(got) != string(want) {
			t.Fatalf("message %d: %q, %v", i, got, err)
		}
		if i == 10 {
			other := unit("other")
			if err := g.Swap(table(t, []Route{route("grpc.example", s, grpcBackend(t)), route("other.example", other, Backend{})}, s, other)); err != nil {
				t.Fatal(err)
			}
		}
		if i == 20 {
			timer := time.NewTimer(2 * stall) // the pause is what is tried
			<-timer.C
		}
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(messages); err != nil || len(rest) > 0 || resp.Trailer.Get("Grpc-Status") != "0" {
		t.Fatalf("the end: %q, %v, trailers %v", rest, err, resp.Trailer)
	}
	failed := grpcCall(t, c, "fail", http.NoBody)
	if b, err := io.ReadAll(failed.Body); err != nil || len(b) > 0 || failed.StatusCode != http.StatusOK {
		t.Fatalf("an answer without messages: %d %q, %v", failed.StatusCode, b, err)
	}
	if status := failed.Trailer.Get("Grpc-Status") + failed.Header.Get("Grpc-Status"); status != "5" {
		t.Fatalf("status %q, header %v, trailers %v", status, failed.Header, failed.Trailer)
	}
}

// TestEventsArriveAsTheyAreSent: over HTTP/1.1 and HTTP/2 an event is with the client before the backend sends the next.
func TestEventsArriveAsTheyAreSent(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*http.Transport){"HTTP/1.1": func(*http.Transport) {}, "HTTP/2": h2c} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, steps := unit("events"), &stepper{}
			g := gateway(t, table(t, []Route{route("events.example", s, countingBackend(t, steps))}, s))
			resp, err := client(t, g.Addr(), edit).Get("http://events.example/")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }() // the backend ends with it
			lines := bufio.NewReader(resp.Body)
			for n := range 50 {
				if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintf("%d\n", n) {
					t.Fatalf("event %d: %q, %v", n, line, err)
				}
				steps.step()
			}
			if got := g.Snapshot()[0].Gateway.Streams; got != 1 {
				t.Fatalf("%d streams counted", got)
			}
		})
	}
}
