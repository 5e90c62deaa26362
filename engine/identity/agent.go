package identity

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Limits of a conversation with an ssh-agent. Signing may wait for a person who confirms or touches a token.
const (
	agentListTimeout = 5 * time.Second
	agentSignTimeout = 2 * time.Minute
)

// agentSigner signs through an ssh-agent, with a connection of its own for each signature: the agent may be restarted
// or locked between two of them. Safe for concurrent use.
type agentSigner struct {
	socket string
	public nexus.PublicKey
}

// AgentSigner finds an Ed25519 key in the ssh-agent that listens on the unix socket. The key is named by its
// fingerprint as `ssh-add -l` prints it ("SHA256:..." or the part after the colon, at least 8 characters of it when
// they fit only one key), or by its public key in base64.
func AgentSigner(socket, fingerprint string) (nexus.Signer, error) {
	const op = "ssh-agent"
	if socket == "" {
		return nil, nexus.Errf(op, nexus.CodeUnavailable, "SSH_AUTH_SOCK", "eval $(ssh-agent) && ssh-add",
			"not set: no agent runs")
	}
	var found []nexus.PublicKey
	var listed []string
	err := withAgent(socket, agentListTimeout, func(a agent.ExtendedAgent) error {
		keys, err := a.List()
		if err != nil {
			return err
		}
		for _, k := range keys {
			pub, err := fromAgent(k)
			if err != nil {
				continue // keys of other types are none of ours
			}
			listed = append(listed, Fingerprint(pub))
			if matchFingerprint(pub, fingerprint) {
				found = append(found, pub)
			}
		}
		return nil
	})
	if err != nil {
		return nil, &nexus.Error{Op: op, Code: nexus.CodeUnavailable, Subject: "socket " + socket, Cause: err,
			Hint: "check that the ssh-agent runs: ssh-add -l"}
	}
	switch len(found) {
	case 1:
		return &agentSigner{socket: socket, public: found[0]}, nil
	case 0:
		hint := "add it: ssh-add FILE"
		if len(listed) > 0 {
			hint = "the agent has " + strings.Join(listed, ", ")
		}
		return nil, nexus.Errf(op, nexus.CodeNotFound, fmt.Sprintf("key %q", fingerprint), hint,
			"the agent has no such Ed25519 key")
	default:
		return nil, nexus.Errf(op, nexus.CodeUsage, fmt.Sprintf("key %q", fingerprint),
			"give the whole fingerprint: ssh-add -l",
			"fits %d keys", len(found))
	}
}

// Public implements nexus.Signer.
func (s *agentSigner) Public() nexus.PublicKey { return s.public }

// Sign implements nexus.Signer. The signature is verified before it is returned: what an agent says is outside input.
func (s *agentSigner) Sign(msg []byte) ([]byte, error) {
	var sig *ssh.Signature
	err := withAgent(s.socket, agentSignTimeout, func(a agent.ExtendedAgent) (err error) {
		sig, err = a.Sign(toSSH(s.public), msg)
		return err
	})
	if err == nil && (sig.Format != ssh.KeyAlgoED25519 || !s.public.Verify(msg, sig.Blob)) {
		err = errors.New("the agent's signature does not verify")
	}
	if err != nil {
		return nil, &nexus.Error{Op: "ssh-agent sign", Code: nexus.CodeUnavailable, Subject: Fingerprint(s.public),
			Cause: err,
			Hint:  "check that the agent runs, is unlocked and still has the key: ssh-add -l"}
	}
	return sig.Blob, nil
}

func withAgent(socket string, timeout time.Duration, fn func(agent.ExtendedAgent) error) error {
	conn, err := net.DialTimeout("unix", socket, agentListTimeout)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	return fn(agent.NewClient(conn))
}

func fromAgent(k *agent.Key) (nexus.PublicKey, error) {
	pub, err := ssh.ParsePublicKey(k.Blob)
	if err != nil {
		return nexus.PublicKey{}, err
	}
	return fromSSH(pub)
}

func matchFingerprint(pub nexus.PublicKey, want string) bool {
	const prefix, shortest = "SHA256:", 8
	if want == pub.String() {
		return true
	}
	want = strings.TrimSuffix(strings.TrimPrefix(want, prefix), "=")
	have := strings.TrimPrefix(Fingerprint(pub), prefix)
	return len(want) >= shortest && strings.HasPrefix(have, want)
}
