package sshd

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// patience is how long a test waits for what must come; nothing is judged by how fast it came.
const patience = 60 * time.Second

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// world is a server with one known key.
type world struct {
	*Server
	key     ed25519.PrivateKey
	file    string
	mu      sync.Mutex
	seen    []Session
	arrived chan *Session
}

func (w *world) handle(ctx context.Context, s *Session) int {
	w.mu.Lock()
	w.seen = append(w.seen, *s)
	w.mu.Unlock()
	switch s.Command {
	case "echo":
		_, _ = fmt.Fprintf(s.Text, "hello %s\n", s.Name)
		return 7
	case "paint":
		w.arrived <- s
		_, _ = io.ReadFull(s.In, make([]byte, 5))
		for _, part := range []string{"\x1b[1mgr\xc3", "\xbcn\x1b[0m", "\n"} { // a character in two writes
			_, _ = io.WriteString(s.Text, part)
		}
		return 0
	case "lines":
		for i := range 1000 {
			_, _ = fmt.Fprintf(s.Text, "line %d\n", i)
		}
		return 0
	case "panic":
		panic("of a session")
	case "sign":
		id := nexus.ID{1}
		if m, ok := s.Signer.(interface{ Mark(*nexus.ID) }); ok {
			m.Mark(&id)
		}
		sig, err := s.Signer.Sign([]byte("text"))
		_, _ = fmt.Fprintf(s.Text, "%v %v %v", s.Key.Verify([]byte("text"), sig), wire.SessionOf(id) == s.ID, nexus.CodeOf(err))
		return 0
	case "flood":
		for ctx.Err() == nil {
			if _, err := s.Out.Write(make([]byte, 32<<10)); err != nil {
				return 1
			}
		}
		return 0
	}
	w.arrived <- s
	<-ctx.Done()
	return 3
}

func serve(t *testing.T, limits Limits) *world {
	t.Helper()
	return serveWith(t, limits, func(*Config) {})
}

func serveWith(t *testing.T, limits Limits, set func(*Config)) *world {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{key: key, file: filepath.Join(t.TempDir(), "ssh", "host"), arrived: make(chan *Session, 300)}
	known := nexus.PublicKey(key.Public().(ed25519.PublicKey))
	cfg := Config{Addr: "127.0.0.1:0", HostKeyFile: w.file, Limits: limits, Handle: w.handle,
		Known: func(k nexus.PublicKey) (string, error) {
			if k != known {
				return "", errors.New("is of no identity here: register it")
			}
			return "eva", nil
		}}
	set(&cfg)
	if w.Server, err = Listen(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// dial logs in. The banners are what the server told about keys.
func (w *world) dial(key ed25519.PrivateKey) (c *gossh.Client, banners string, err error) {
	signer, err := gossh.NewSignerFromKey(key)
	if err != nil {
		return nil, "", err
	}
	c, err = gossh.Dial("tcp", w.Addr(), &gossh.ClientConfig{User: "any", Auth: []gossh.AuthMethod{gossh.PublicKeys(signer)}, Timeout: patience,
		HostKeyCallback: gossh.InsecureIgnoreHostKey(), BannerCallback: func(text string) error { banners += text; return nil }})
	return c, banners, err
}

func (w *world) client(t *testing.T) *gossh.Client {
	t.Helper()
	c, _, err := w.dial(w.key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func session(t *testing.T, c *gossh.Client) *gossh.Session {
	t.Helper()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestACommandRunsAsTheKeysIdentity(t *testing.T) {
	t.Parallel()
	w := serve(t, Limits{})
	s := session(t, w.client(t))
	out, err := s.Output("echo")
	var exit *gossh.ExitError
	if string(out) != "hello eva\n" || !errors.As(err, &exit) || exit.ExitStatus() != 7 {
		t.Errorf("%q, %v", out, err)
	}
	if err := session(t, w.client(t)).Run("panic"); !errors.As(err, &exit) || exit.ExitStatus() != 1 {
		t.Errorf("a panic ends as %v", err)
	}
	if out, err := session(t, w.client(t)).Output("echo"); string(out) != "hello eva\n" {
		t.Errorf("after a panic: %q, %v", out, err)
	}
}

func TestAnUnknownKeyIsToldHowToRegister(t *testing.T) {
	t.Parallel()
	w := serve(t, Limits{})
	_, stranger, _ := ed25519.GenerateKey(rand.Reader)
	c, banners, err := w.dial(stranger)
	if err == nil {
		_ = c.Close()
		t.Fatal("a stranger came in")
	}
	if !strings.Contains(banners, "SHA256:") || !strings.Contains(banners, "register it") {
		t.Errorf("told %q", banners)
	}
	eventually(t, "the connection is gone", func() bool { n, _ := w.door.count(); return n == 0 })
}

func TestTheHostKeyStaysAndIsPrivate(t *testing.T) {
	t.Parallel()
	w := serve(t, Limits{})
	info, err := os.Stat(w.file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	again, err := hostKey(w.file)
	if err != nil || gossh.FingerprintSHA256(again.PublicKey()) != w.Fingerprint() {
		t.Errorf("another key after a restart: %v", err)
	}
	if err := os.Chmod(w.file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := hostKey(w.file); nexus.CodeOf(err) != nexus.CodeUnfit {
		t.Errorf("a readable host key: %v", err)
	}
}

// Nothing but a session: no forwarding, no subsystem, no environment beyond how a terminal looks.
func TestNothingElseIsServed(t *testing.T) {
	t.Parallel()
	w := serve(t, Limits{})
	c := w.client(t)
	for _, kind := range []string{"tcpip-forward", "streamlocal-forward@openssh.com", "cancel-tcpip-forward", "no-such"} {
		if ok, _, err := c.SendRequest(kind, true, gossh.Marshal(struct {
			A string
			P uint32
		}{"127.0.0.1", 0})); ok || err != nil {
			t.Errorf("%s: %v %v", kind, ok, err)
		}
	}
	for _, kind := range []string{"direct-tcpip", "direct-streamlocal@openssh.com", "x11", "auth-agent@openssh.com", "no-such"} {
		if ch, _, err := c.OpenChannel(kind, gossh.Marshal(struct {
			A string
			P uint32
			B string
			Q uint32
		}{"127.0.0.1", 22, "127.0.0.1", 1})); err == nil {
			_ = ch.Close()
			t.Errorf("%s was opened", kind)
		}
	}
	s := session(t, c)
	for _, name := range []string{"LD_PRELOAD", "PATH", "HOME", "NEXUS_DATA_DIR", "SSH_AUTH_SOCK", "NEXUS_IDENTITY"} {
		if s.Setenv(name, "/tmp/x") == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if s.Setenv("COLORTERM", "truecolor") != nil || s.Setenv("LANG", "x\x1b[2J") == nil || s.Setenv("LANG", strings.Repeat("x", 4096)) == nil {
		t.Error("wrong environment taken or refused")
	}
	for _, kind := range []string{"x11-req", "subsystem", "no-such"} {
		if ok, err := s.SendRequest(kind, true, gossh.Marshal(struct{ Name string }{"sftp"})); ok || err != nil {
			t.Errorf("%s: %v %v", kind, ok, err)
		}
	}
	if out, err := s.Output("echo"); string(out) != "hello eva\n" {
		t.Errorf("after all that: %q %v", out, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if v := w.seen[0]; v.Getenv("COLORTERM") != "truecolor" || v.Getenv("PATH") != "" || v.Agent {
		t.Errorf("environment %v", v.env)
	}
}

func TestWindowsOfAnySize(t *testing.T) {
	t.Parallel()
	w := serve(t, Limits{})
	s := session(t, w.client(t))
	if err := s.RequestPty("xterm-256color", 1<<30, 1<<30, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Shell(); err != nil {
		t.Fatal(err)
	}
	v := <-w.arrived
	if v.Size != (Size{sideMost, sideMost}) || !v.Terminal || v.Getenv("TERM") != "xterm-256color" {
		t.Errorf("%+v", v)
	}
	if first := <-v.Sizes; first != v.Size {
		t.Errorf("the first size told is %v", first)
	}
	for i := range 1000 { // nobody reads them: the newest stays, and nothing blocks
		if err := s.WindowChange(i, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.WindowChange(40, 100); err != nil {
		t.Fatal(err)
	}
	var last Size
	eventually(t, "the last size", func() bool {
		select {
		case last = <-v.Sizes:
		default:
		}
		return last == Size{100, 40}
	})
	if err := s.Signal(gossh.SIGINT); err != nil {
		t.Fatal(err)
	}
	var exit *gossh.ExitError
	if err := s.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != 130 {
		t.Errorf("interrupted: %v", err)
	}
}

func TestTheClientsAgentSigns(t *testing.T) {
	t.Parallel()
	w := serve(t, Limits{})
	c := w.client(t)
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: w.key}); err != nil {
		t.Fatal(err)
	}
	if err := agent.ForwardToAgent(c, ring); err != nil {
		t.Fatal(err)
	}
	s := session(t, c)
	if err := agent.RequestAgentForwarding(s); err != nil {
		t.Fatal(err)
	}
	if out, err := s.Output("sign"); err != nil || !strings.HasPrefix(string(out), "true true") {
		t.Errorf("with an agent: %q %v", out, err)
	}
	if out, err := session(t, w.client(t)).Output("sign"); err != nil || string(out) != "false false "+string(nexus.CodeRefused) {
		t.Errorf("without one: %q %v", out, err)
	}
}

func TestLimitsOfSessions(t *testing.T) {
	t.Parallel()
	w := serve(t, Limits{SessionsPerKey: 2})
	c := w.client(t)
	for range 2 {
		if err := session(t, c).Start("wait"); err != nil {
			t.Fatal(err)
		}
		<-w.arrived
	}
	third := session(t, c)
	var told bytes.Buffer
	third.Stderr = &told
	if err := third.Run("wait"); err == nil || !strings.Contains(told.String(), "too many sessions with this key") {
		t.Errorf("%v, %q", err, told.String())
	}
	_ = c.Close()
	eventually(t, "the places are free again", func() bool { return w.Sessions() == 0 })
}

// Garbage, silence, floods and cut lines end their own connection. The server goes on, with nothing left of them.
func TestHostileClients(t *testing.T) {
	t.Parallel()
	w := serve(t, Limits{Login: 2 * time.Second, Logins: 20, FailuresPerTime: 1 << 20})
	refused := 0
	var all []net.Conn
	for i := range 200 {
		c, err := net.Dial("tcp", w.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		all = append(all, c)
		switch i % 4 {
		case 0: // slow: a byte and no more
			_, _ = c.Write([]byte("S"))
		case 1:
			_, _ = c.Write(bytes.Repeat([]byte{0xff, 0, 13, 10}, 4096))
		case 2:
			_, _ = c.Write([]byte("SSH-2.0-x\r\n\x7f\xff\xff\xff\x00garbage"))
		case 3:
			_, _ = c.Write([]byte("SSH-2.0-x\r\n"))
			_ = c.Close()
		}
		if conns, logins := w.door.count(); conns > 20 || logins > 20 {
			t.Fatalf("%d connections, %d logging in", conns, logins)
		}
	}
	for _, c := range all {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, c); err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			refused++
		}
	}
	if refused != len(all) {
		t.Errorf("%d of %d connections were ended", refused, len(all))
	}
	eventually(t, "nothing is left of them", func() bool { conns, logins := w.door.count(); return conns == 0 && logins == 0 })
	// One that reads nothing of what it asked for, and one cut in the middle.
	c := w.client(t)
	if err := session(t, c).Start("flood"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs", func() bool { return w.Sessions() == 1 })
	_ = c.Close()
	eventually(t, "it ended", func() bool { return w.Sessions() == 0 })
	if out, _ := session(t, w.client(t)).Output("echo"); string(out) != "hello eva\n" {
		t.Errorf("the server after all that: %q", out)
	}
}

func TestFailedLoginsAreCountedByAddress(t *testing.T) {
	t.Parallel()
	w := serve(t, Limits{FailuresPerTime: 3, FailureTime: time.Hour})
	_, stranger, _ := ed25519.GenerateKey(rand.Reader)
	for range 3 {
		if _, banners, err := w.dial(stranger); err == nil || banners == "" {
			t.Fatalf("%q %v", banners, err)
		}
	}
	eventually(t, "the address is turned away", func() bool {
		_, banners, err := w.dial(stranger)
		return err != nil && banners == ""
	})
}

func TestIdleAndCloseEndSessions(t *testing.T) {
	t.Parallel()
	w := serve(t, Limits{Idle: 50 * time.Millisecond})
	s := session(t, w.client(t))
	var told bytes.Buffer
	s.Stdout = &told
	if err := s.RequestPty("xterm", 24, 80, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Shell(); err != nil {
		t.Fatal(err)
	}
	var exit *gossh.ExitError
	if err := s.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != 1 || told.String() != "nexus: this session ends: no key was pressed for 50ms\r\n" {
		t.Errorf("idle: %v, told %q", err, told.String())
	}
	if err := session(t, w.client(t)).Start("flood"); err != nil { // and it is never read
		t.Fatal(err)
	}
	eventually(t, "it runs", func() bool { return w.Sessions() == 1 })
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if n := w.Sessions(); n != 0 {
		t.Errorf("%d sessions after Close", n)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`imvu create --name 'Night Show'`: `imvu|create|--name|Night Show`, `a "b c" d\ e`: `a|b c|d e`, `a '' "x\"y" $HOME; rm *`: `a||x"y|$HOME;|rm|*`, "": "",
	} {
		got, err := Words(line)
		if err != nil || strings.Join(got, "|") != want {
			t.Errorf("%s: %q %v", line, got, err)
		}
	}
	for _, line := range []string{`a 'b`, `a "b`, `a \`, strings.Repeat("x", commandMost+1)} {
		if got, err := Words(line); err == nil {
			t.Errorf("%.10s: %q", line, got)
		}
	}
}

// counting is an agent that counts what it is asked for, and may lie.
type counting struct {
	agent.Agent
	mu     sync.Mutex
	signed int
	other  int // anything but signatures
	lies   bool
}

func (c *counting) List() ([]*agent.Key, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.other++
	return c.Agent.List()
}

func (c *counting) Add(agent.AddedKey) error         { return c.refuse() }
func (c *counting) Remove(gossh.PublicKey) error     { return c.refuse() }
func (c *counting) RemoveAll() error                 { return c.refuse() }
func (c *counting) Lock([]byte) error                { return c.refuse() }
func (c *counting) Unlock([]byte) error              { return c.refuse() }
func (c *counting) Signers() ([]gossh.Signer, error) { return nil, c.refuse() }

func (c *counting) refuse() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.other++
	return errors.New("not for a node")
}

func (c *counting) Sign(key gossh.PublicKey, data []byte) (*gossh.Signature, error) {
	c.mu.Lock()
	c.signed++
	lies := c.lies
	c.mu.Unlock()
	if lies {
		data = append([]byte("another "), data...)
	}
	return c.Agent.Sign(key, data)
}

func (c *counting) counts() [2]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return [2]int{c.signed, c.other}
}

// A forwarded agent is asked for a signature when something is signed and for nothing else: not when the session begins, not for its list of
// keys. What it answers is verified. An agent that was not offered for the session is not asked at all, though the connection has one.
func TestTheAgentIsAskedForSignaturesOnly(t *testing.T) {
	t.Parallel()
	w := serve(t, Limits{})
	c := w.client(t)
	ring := &counting{Agent: agent.NewKeyring()}
	if err := ring.Agent.Add(agent.AddedKey{PrivateKey: w.key}); err != nil {
		t.Fatal(err)
	}
	if err := agent.ForwardToAgent(c, ring); err != nil {
		t.Fatal(err)
	}
	run := func(forward bool, command string) string {
		t.Helper()
		s := session(t, c)
		if forward {
			if err := agent.RequestAgentForwarding(s); err != nil {
				t.Fatal(err)
			}
		}
		out, _ := s.Output(command) // echo exits 7
		return string(out)
	}
	if out := run(false, "sign"); out != "false false "+string(nexus.CodeRefused) || ring.counts() != [2]int{} {
		t.Errorf("without -A: %q, the agent was asked %v", out, ring.counts())
	}
	if out := run(true, "echo"); out != "hello eva\n" || ring.counts() != [2]int{} {
		t.Errorf("a session that signs nothing: %q, the agent was asked %v", out, ring.counts())
	}
	for i := 1; i <= 2; i++ {
		if out := run(true, "sign"); !strings.HasPrefix(out, "true true") || ring.counts() != [2]int{i, 0} {
			t.Errorf("act %d: %q, the agent was asked %v", i, out, ring.counts())
		}
	}
	ring.mu.Lock()
	ring.lies = true
	ring.mu.Unlock()
	if out := run(true, "sign"); out != "false true "+string(nexus.CodeUnavailable) {
		t.Errorf("a signature of something else: %q", out)
	}
	if err := ring.Agent.RemoveAll(); err != nil {
		t.Fatal(err)
	}
	if out := run(true, "sign"); out != "false true "+string(nexus.CodeUnavailable) {
		t.Errorf("an agent without the key: %q", out)
	}
}

// The log names the keys that a failed login offered: whoever calls can be let in without asking them for it again.
func TestAFailedLoginNamesItsKeys(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var text bytes.Buffer
	w := serveWith(t, Limits{}, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(lockedWriter{&mu, &text}, nil)) })
	_, stranger, _ := ed25519.GenerateKey(rand.Reader)
	if _, _, err := w.dial(stranger); err == nil {
		t.Fatal("a stranger came in")
	}
	signer, err := gossh.NewSignerFromKey(stranger)
	if err != nil {
		t.Fatal(err)
	}
	logged := func() string {
		mu.Lock()
		defer mu.Unlock()
		return text.String()
	}
	eventually(t, "a line of the log", func() bool { return strings.Contains(logged(), "ssh login failed") })
	if want := "offered=" + gossh.FingerprintSHA256(signer.PublicKey()); !strings.Contains(logged(), want) {
		t.Errorf("no %s in %s", want, logged())
	}
	if c, err := net.Dial("tcp", w.Addr()); err == nil {
		_ = c.Close()
	}
	eventually(t, "one without a key", func() bool { return strings.Contains(logged(), `offered="no key"`) })
}

// lockedWriter writes under a lock.
type lockedWriter struct {
	mu *sync.Mutex
	io.Writer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Writer.Write(p)
}
