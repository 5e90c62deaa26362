package sshd

import (
	"errors"
	"time"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// signTimeout is how long a person may take to confirm a signature on their own machine.
const signTimeout = 2 * time.Minute

// agentSigner asks the agent on the client's machine for each signature, through the connection that the client opened for it.
// The key never leaves that machine. Safe for concurrent use.
type agentSigner struct {
	conn    *gossh.ServerConn
	key     nexus.PublicKey
	pub     gossh.PublicKey
	session string
}

// Mark puts the session into the id of an action that is about to be signed.
func (a agentSigner) Mark(id *nexus.ID) { wire.MarkSession(id, a.session) }

// Public implements nexus.Signer.
func (a agentSigner) Public() nexus.PublicKey { return a.key }

// Sign implements nexus.Signer. What the agent answers is outside input and is verified.
func (a agentSigner) Sign(msg []byte) ([]byte, error) {
	fail := func(err error) ([]byte, error) {
		return nil, nexus.Errf("sign over ssh", nexus.CodeUnavailable, "agent of the client", "check ssh-add -l on your machine, and that it is unlocked", "%w", err)
	}
	ch, reqs, err := a.conn.OpenChannel("auth-agent@openssh.com", nil)
	if err != nil {
		return fail(err)
	}
	go gossh.DiscardRequests(reqs) // ends with the channel
	late := time.AfterFunc(signTimeout, func() { _ = ch.Close() })
	defer late.Stop()
	sig, err := agent.NewClient(ch).Sign(a.pub, msg)
	_ = ch.Close() // what counts is the signature
	if err == nil && (sig.Format != gossh.KeyAlgoED25519 || !a.key.Verify(msg, sig.Blob)) {
		err = errors.New("its signature does not verify")
	}
	if err != nil {
		return fail(err)
	}
	return sig.Blob, nil
}

// noAgent stands for a client that offered no agent: it can read and not act.
type noAgent struct{ key nexus.PublicKey }

// Public implements nexus.Signer.
func (n noAgent) Public() nexus.PublicKey { return n.key }

// Sign implements nexus.Signer.
func (n noAgent) Sign([]byte) ([]byte, error) {
	return nil, nexus.Errf("act", nexus.CodeRefused, "gate 1 identity-binding: this session", "connect with your agent: ssh -A (the key stays on your machine)",
		"has no key to sign with, so it only reads")
}
