//go:build linux

package satellite

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge/supervise"
)

// client3 speaks HTTP/3 to the rig's UDP port, over one connection.
func (r *rig) client3(t *testing.T) *http.Client { return r.client3At(t, r.Addr("tls")) }

func (r *rig) client3At(t *testing.T, addr string) *http.Client {
	t.Helper()
	tr := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: r.ca.Pool(), NextProtos: []string{http3.NextProtoH3}},
		Dial: func(ctx context.Context, _ string, c *tls.Config, q *quic.Config) (*quic.Conn, error) {
			return quic.DialAddr(ctx, addr, c, q)
		}}
	t.Cleanup(func() { _ = tr.Close() })
	return &http.Client{Transport: tr}
}

func (r *rig) open3(ctx context.Context, t *testing.T, path string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+testHost+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := r.client3(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// TestUpgradeUnderHTTP3: upgrades of real processes under open loop load of HTTP/3, with event streams and a long download begun before the
// first one: no request is lost, no stream is cut, new connections go to the new worker, and the old ones end.
func TestUpgradeUnderHTTP3(t *testing.T) {
	upgrades := 3
	if os.Getenv("NEXUS_SOAK") != "" {
		upgrades = 30
	}
	chunks := make(chan struct{}, 2*(upgrades+downloadChunks))
	r := startRig(t, chunks)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	download := r.open3(ctx, t, "/long")
	var events []*bufio.Reader
	for range 5 {
		resp := r.open3(ctx, t, "/events")
		defer func() { _ = resp.Body.Close() }()
		events = append(events, bufio.NewReader(resp.Body))
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { // requests on one connection that is used all the time
		defer close(done)
		sent, errs := load(ctx, stop, 5*time.Millisecond, r.client3(t), "https://"+testHost)
		for _, err := range errs {
			t.Error(err)
		}
		if sent == 0 {
			t.Error("no load")
		}
		t.Logf("%d requests, %d failed", sent, len(errs))
	}()
	next := 0
	for range upgrades {
		if err := r.Upgrade(ctx); err != nil {
			t.Fatal(err)
		}
		chunks <- struct{}{}
		if err := post(ctx, r.client3(t), "https://"+testHost, 1); err != nil {
			t.Errorf("new connection: %v", err)
		}
		for n := range 20 {
			for _, e := range events {
				if line, err := e.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", next+n) {
					t.Fatalf("event stream: %q, %v, want %d", line, err, next+n)
				}
			}
		}
		next += 20
	}
	close(stop)
	<-done
	for range downloadChunks {
		chunks <- struct{}{}
	}
	if n, err := io.Copy(io.Discard, download.Body); err != nil || n != downloadChunks*chunkBytes {
		t.Errorf("download: %d bytes of %d, %v", n, downloadChunks*chunkBytes, err)
	}
	if pids := r.Pids(""); pids[1] == 0 || pids[1+upgrades] == 0 {
		t.Errorf("the first worker has open streams and the newest serves, yet the workers are %v", pids)
	}
}

// TestRetiredHTTP3Ends: connections that stay open and unused do not keep a retired worker for ever; their clients' next request is served by the new one.
func TestRetiredHTTP3Ends(t *testing.T) {
	r := startRig(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := r.client3(t)
	if err := post(ctx, c, "https://"+testHost, 1); err != nil {
		t.Fatal(err)
	}
	if err := r.Upgrade(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, "only the newest worker is left", func() bool { pids := r.Pids(""); return len(pids) == 1 && pids[2] != 0 })
	if err := post(ctx, c, "https://"+testHost, 2); err != nil {
		t.Error(err)
	}
}

// TestCrashedHTTP3Worker: the client of a worker that was killed learns it from the next one, and is served by it.
func TestCrashedHTTP3Worker(t *testing.T) {
	r := startRig(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	resp := r.open3(ctx, t, "/events")
	defer func() { _ = resp.Body.Close() }()
	if err := syscall.Kill(r.Pids("")[1], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, "the next worker is there", func() bool { return r.Pids("")[2] != 0 })
	began := time.Now()
	_, err := io.Copy(io.Discard, resp.Body)
	// The client of an event stream sends acknowledgements only when something comes, and asks again when it is idle: the word comes with its next datagram.
	var reset *quic.StatelessResetError
	var idle *quic.IdleTimeoutError
	if !errors.As(err, &reset) && !errors.As(err, &idle) {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	if err := post(ctx, r.client3(t), "https://"+testHost, 2); err != nil {
		t.Error(err)
	}
}

// alternative asks on a new connection over TLS and gives the ":port" that Alt-Svc names, "" for none. It is told to who came to the right port.
func (r *rig) alternative(t *testing.T, host, tlsPort string) (port string) {
	t.Helper()
	c, base := r.clientOf(t, host, true)
	defer c.CloseIdleConnections()
	resp, err := c.Get(base + ":" + tlsPort + "/echo?told")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if v := resp.Header.Get("Alt-Svc"); v != "" {
		if _, err := fmt.Sscanf(v, "h3=%q; ma=", &port); err != nil {
			t.Fatalf("Alt-Svc is %q", v)
		}
	}
	return port
}

// TestGroupsSpeakHTTP3: each group has a UDP port of its own, tells its hosts' clients of it, and keeps it over an upgrade.
func TestGroupsSpeakHTTP3(t *testing.T) {
	r := startRig(t, nil, "prompt", "patient")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r.serving(ctx, t)
	_, tlsPort, err := net.SplitHostPort(r.Addr("tls"))
	if err != nil {
		t.Fatal(err)
	}
	ports := map[string]string{}
	for _, generation := range []int{1, 2} {
		for _, host := range []string{promptHost, testHost} {
			var port string
			eventually(ctx, t, host+" is told of HTTP/3", func() bool { // a worker that retires says nothing
				port = r.alternative(t, host, tlsPort)
				return port != ""
			})
			if ports[host] != "" && ports[host] != port {
				t.Errorf("%s: port %s after the upgrade, %s before", host, port, ports[host])
			}
			ports[host] = port
			if err := post(ctx, r.client3At(t, "127.0.0.1"+port), "https://"+host, generation); err != nil {
				t.Errorf("%s: %v", host, err)
			}
		}
		if generation == 1 {
			if err := r.Upgrade(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if ports[promptHost] == ports[testHost] {
		t.Errorf("both groups at port %s", ports[testHost])
	}
	if ports[promptHost] != ":"+tlsPort {
		t.Errorf("the group that accepts is at UDP port %s, TLS at %s", ports[promptHost], tlsPort)
	}
}

// keeperVariable makes the test binary a supervisor on this TLS address, with workers of the test binary; the home's folder is in homeVariable.
const keeperVariable = "NEXUS_TEST_KEEPER"

func keeperMain() error {
	s, err := supervise.New(supervise.Config{Sockets: testSockets(os.Getenv(keeperVariable)), Datagrams: "tls", Worker: func(string, int) *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env, cmd.Stderr = os.Environ(), os.Stderr
		return cmd
	}, OnReady: func(string, int, json.RawMessage) { fmt.Println("ready") }})
	if err != nil {
		return err
	}
	fmt.Println(s.Addr("plain"), s.Addr("tls"))
	return s.Run(context.Background())
}

// keep starts a supervisor as a process and gives it with its addresses once its worker serves.
func (r *rig) keep(t *testing.T, secure string) (cmd *exec.Cmd, plainAddr, secureAddr string) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), keeperVariable+"="+secure, homeVariable+"="+r.dir, "TMPDIR="+r.dir), os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := fmt.Fscan(out, &plainAddr, &secureAddr, new(string)); err != nil {
		t.Fatalf("the supervisor did not come up: %v", err)
	}
	return cmd, plainAddr, secureAddr
}

// TestDatagramPortIsFreed: a supervisor that is killed takes its workers' UDP port with it, so that the next one can bind it at once, while streams over
// TCP that those workers have go on.
func TestDatagramPortIsFreed(t *testing.T) {
	chunks := make(chan struct{}, 2*downloadChunks)
	r := startRig(t, chunks)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	keeper, plain, secure := r.keep(t, "127.0.0.1:0")
	resp, err := (&http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", plain)
	}}}).Get("http://" + testHost + "/long")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := keeper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, "the UDP port is free", func() bool {
		c, err := net.ListenPacket("udp", secure)
		return err == nil && c.Close() == nil
	})
	eventually(ctx, t, "the folder of the port is gone", func() bool {
		left, err := filepath.Glob(filepath.Join(r.dir, "nexus-edge-*"))
		return err == nil && len(left) == 0
	})
	if _, _, again := r.keep(t, secure); again != secure {
		t.Errorf("the next supervisor is at %s, %s wanted", again, secure)
	}
	for range downloadChunks {
		chunks <- struct{}{}
	}
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != downloadChunks*chunkBytes {
		t.Errorf("download: %d bytes of %d, %v", n, downloadChunks*chunkBytes, err)
	}
}
