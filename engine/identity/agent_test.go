package identity

import (
	"crypto/ed25519"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/agent"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// startAgent runs the real ssh-agent and waits until it answers.
func startAgent(t *testing.T) (socket string) {
	t.Helper()
	path, err := exec.LookPath("ssh-agent")
	if err != nil {
		t.Fatal("ssh-agent is needed: apt install openssh-client")
	}
	socket = filepath.Join(t.TempDir(), "a.sock")
	cmd := exec.Command(path, "-D", "-a", socket) // -D: stays in the foreground, so that it can be ended by its process
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			_ = conn.Close()
			return socket
		}
		if time.Now().After(deadline) {
			t.Fatalf("ssh-agent does not answer: %v", err)
		}
	}
}

func sshAdd(t *testing.T, socket string, args ...string) string {
	t.Helper()
	cmd := exec.Command("ssh-add", args...)
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ssh-add %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestRealAgent(t *testing.T) {
	t.Parallel()
	socket := startAgent(t)
	dir := t.TempDir()
	for _, kind := range []string{"ed25519", "ecdsa"} {
		path := filepath.Join(dir, kind)
		sshKeygen(t, "-q", "-t", kind, "-N", "", "-f", path)
		sshAdd(t, socket, "-q", path)
	}
	pub := must[nexus.PublicKey](t)(LoadPublic(filepath.Join(dir, "ed25519.pub")))
	fp := Fingerprint(pub)
	if !strings.Contains(sshAdd(t, socket, "-l"), fp) {
		t.Fatalf("ssh-add -l does not show %s", fp)
	}
	for _, name := range []string{fp, strings.TrimPrefix(fp, "SHA256:"), fp[:20], pub.String()} {
		signer := must[nexus.Signer](t)(Resolve("agent:"+name, dir, socket))
		if signer.Public() != pub {
			t.Fatalf("%s gives %v", name, signer.Public())
		}
		action := must[nexus.Action](t)(nexus.SignAction(signer, nexus.Action{Version: 1, Kind: "imvu.create"}))
		if !action.Verify() {
			t.Fatalf("action signed through the agent as %s does not verify", name)
		}
	}
	for _, name := range []string{"", "SHA256:", fp[:10], "SHA256:AAAAAAAAAAAAAAAA"} {
		_, err := AgentSigner(socket, name)
		wantCode(t, err, nexus.CodeNotFound, fp)
	}

	signer := must[nexus.Signer](t)(AgentSigner(socket, fp))
	sshAdd(t, socket, "-q", "-D")
	_, err := signer.Sign([]byte("x"))
	wantCode(t, err, nexus.CodeUnavailable, fp, "ssh-add -l")
	_, err = AgentSigner(filepath.Join(dir, "none.sock"), fp)
	wantCode(t, err, nexus.CodeUnavailable, "none.sock")
	_, err = AgentSigner("", fp)
	wantCode(t, err, nexus.CodeUnavailable, "SSH_AUTH_SOCK")
}

func TestAgentIsNotBelieved(t *testing.T) {
	t.Parallel()
	ring := agent.NewKeyring()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	lying := serveAgent(t, ring.(agent.ExtendedAgent), func(b []byte) {
		// The last byte of a sign response is the last of the signature's scalar.
		if len(b) > 0 && b[0] == 14 {
			b[len(b)-1] ^= 1
		}
	})
	pub := nexus.KeySigner(private).Public()
	signer := must[nexus.Signer](t)(AgentSigner(lying, pub.String()))
	_, err = signer.Sign([]byte("x"))
	wantCode(t, err, nexus.CodeUnavailable, "does not verify")
	honest := serveAgent(t, ring.(agent.ExtendedAgent), func([]byte) {})
	if _, err := must[nexus.Signer](t)(AgentSigner(honest, pub.String())).Sign([]byte("x")); err != nil {
		t.Fatal(err)
	}
}

// serveAgent serves an agent on a socket; spoil may change each answer's body.
func serveAgent(t *testing.T, a agent.ExtendedAgent, spoil func(body []byte)) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = agent.ServeAgent(a, &spoiledConn{Conn: conn, spoil: spoil})
			_ = conn.Close()
		}
	}()
	return socket
}

// spoiledConn changes answers: the agent protocol writes the length and then the body in one write each.
type spoiledConn struct {
	net.Conn
	spoil func([]byte)
}

func (c *spoiledConn) Write(b []byte) (int, error) {
	if len(b) > 4 {
		c.spoil(b)
	}
	return c.Conn.Write(b)
}

func TestResolveNames(t *testing.T) {
	t.Parallel()
	dir, g := devCluster(t)
	must[*Key](t)(GenerateKey(KeyPath(dir, "ada"), ""))
	for _, spec := range []string{"", "operator"} {
		if s := must[nexus.Signer](t)(Resolve(spec, dir, "")); s.Public() != g.Operator.Public {
			t.Errorf("%q is not the operator", spec)
		}
	}
	byName := must[nexus.Signer](t)(Resolve("ada", dir, ""))
	byFile := must[nexus.Signer](t)(Resolve(KeyPath(dir, "ada"), "", ""))
	if byName.Public() != byFile.Public() {
		t.Error("name and file give two identities")
	}
	_, err := Resolve("nobody", dir, "")
	wantCode(t, err, nexus.CodeNotFound, "nobody", "identity list")
	_, err = Resolve("", t.TempDir(), "")
	wantCode(t, err, nexus.CodeNotFound, "operator", "--identity")
	for _, bad := range []string{".hidden", "a b", "-x", "k.sum", "k.pub", "é", strings.Repeat("a", 65)} {
		_, err := Resolve(bad, dir, "")
		wantCode(t, err, nexus.CodeMalformed)
	}
	signer, err := Resolve("./nobody", dir, "")
	if signer != nil || nexus.CodeOf(err) != nexus.CodeNotFound {
		t.Errorf("a missing file gives %v, %v", signer, err)
	}

	writeFile(t, KeyPath(dir, "ada"), []byte("damaged"))
	entries := must[[]Entry](t)(List(dir))
	if len(entries) != 4 || entries[0].Name != "ada" || entries[0].Err == nil || entries[2].Public != g.Operator.Public {
		t.Errorf("list: %+v", entries)
	}
}
