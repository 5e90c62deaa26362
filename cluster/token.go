package cluster

import (
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// TokenPrefix begins every join token.
const TokenPrefix = "nexus-join-1:"

const tokenDomain = "nexus-join-v1\n"

// Limits of a token.
const (
	MaxSeeds      = 16
	MaxTokenBytes = 8 << 10 // printed length
)

// Token lets a process join: where to knock and the key that gossip is encrypted with. It is a secret, because it
// carries that key; it admits nobody (admission is an operator's signed Action about the node's record).
type Token struct {
	Cluster   nexus.ID
	Seeds     []string // gossip addresses, host:port, 1 to MaxSeeds
	GossipKey [32]byte // AES-256
	Label     string   // suggested human name of the joining node, may be empty
	ExpiresMs int64    // Unix milliseconds
	Issuer    nexus.PublicKey
	Signature []byte // Issuer's over the rest
}

func tokenBytes(t Token) []byte {
	t.Signature = nil
	return nexus.AppendCanonical([]byte(tokenDomain), t)
}

func tokenErr(code nexus.Code, subject, hint, format string, args ...any) error {
	return nexus.Errf("join token", code, subject, hint, format, args...)
}

// SignToken checks the fields, sets the issuer and signs.
func SignToken(s nexus.Signer, t Token) (Token, error) {
	t.Issuer = s.Public()
	if err := t.validate(); err != nil {
		return Token{}, err
	}
	sig, err := s.Sign(tokenBytes(t))
	if err != nil {
		return Token{}, &nexus.Error{Op: "join token", Code: nexus.CodeUnavailable, Subject: "identity " + t.Issuer.Short(),
			Cause: err, Hint: "check the key file or that the ssh-agent is running"}
	}
	t.Signature = sig
	return t, nil
}

func (t Token) validate() error {
	switch {
	case t.Cluster.IsZero():
		return tokenErr(nexus.CodeMalformed, "cluster", "ask for a new token", "missing")
	case len(t.Seeds) == 0 || len(t.Seeds) > MaxSeeds:
		return tokenErr(nexus.CodeMalformed, fmt.Sprintf("%d seeds", len(t.Seeds)), "give 1 to 16 addresses", "out of range")
	case len(t.Label) > MaxLabel:
		return tokenErr(nexus.CodeMalformed, fmt.Sprintf("label %q", t.Label), "at most 40 bytes", "too long")
	case t.GossipKey == [32]byte{}:
		return tokenErr(nexus.CodeMalformed, "gossip key", "ask for a new token", "missing")
	case t.Issuer.IsZero():
		return tokenErr(nexus.CodeMalformed, "issuer", "ask for a new token", "missing")
	case t.ExpiresMs <= 0:
		return tokenErr(nexus.CodeMalformed, "expiry", "ask for a new token", "missing")
	}
	for _, seed := range t.Seeds {
		host, port, err := net.SplitHostPort(seed)
		if err != nil || host == "" || port == "" || len(seed) > MaxAddr {
			return tokenErr(nexus.CodeMalformed, fmt.Sprintf("seed %q", seed), "write host:port", "not an address")
		}
	}
	return nil
}

// Verify checks the signature and that now is before the expiry. Who the issuer is, and whether that key may
// invite, is for the caller to say.
func (t Token) Verify(now time.Time) error {
	if err := t.validate(); err != nil {
		return err
	}
	if !t.Issuer.Verify(tokenBytes(t), t.Signature) {
		return tokenErr(nexus.CodeRefused, "signature of "+t.Issuer.Short(),
			"copy the whole line, or ask for a new token with nexus cluster invite", "does not verify")
	}
	if expires := time.UnixMilli(t.ExpiresMs); !now.Before(expires) {
		return tokenErr(nexus.CodeRefused, "token of cluster "+t.Cluster.String(),
			"ask for a new one with nexus cluster invite",
			"expired at %s, it is %s", expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// EncodeToken prints a token as one line without spaces.
func EncodeToken(t Token) string {
	return TokenPrefix + base64.RawURLEncoding.EncodeToString(nexus.Encode(t))
}

// ParseToken reads a printed token and checks its form; white space around it is ignored. It does not check
// signature or expiry: call Verify.
func ParseToken(line string) (Token, error) {
	line = strings.TrimSpace(line)
	if len(line) > MaxTokenBytes {
		return Token{}, tokenErr(nexus.CodeMalformed, fmt.Sprintf("token of %d bytes", len(line)),
			"copy one line as nexus cluster invite printed it", "longer than %d bytes", MaxTokenBytes)
	}
	body, ok := strings.CutPrefix(line, TokenPrefix)
	if !ok {
		return Token{}, tokenErr(nexus.CodeMalformed, fmt.Sprintf("token %.20q", line),
			"copy the whole line that nexus cluster invite printed", "does not begin with %s", TokenPrefix)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || strings.ContainsAny(body, "\r\n") {
		return Token{}, tokenErr(nexus.CodeMalformed, "token", "copy the whole line, without spaces or line breaks",
			"not base64")
	}
	var t Token
	if err := nexus.Decode(raw, &t); err != nil {
		return Token{}, tokenErr(nexus.CodeMalformed, "token", "copy the whole line that nexus cluster invite printed",
			"cut short or changed: %w", err)
	}
	if err := t.validate(); err != nil {
		return Token{}, err
	}
	return t, nil
}
