package control

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// A session over SSH has proved at its login who asks, and its client's key is not here to sign each read. The SSH server, in this
// process, opens a session for it and gets a token that stands for that proof in reads. It stands for nothing else: an action is
// signed by the client's own agent, and so is every other request that changes something (decision 0032).
const tokenHeader = "Nexus-Session"

// doorSession is what a token stands for.
type doorSession struct {
	id       string
	key      nexus.PublicKey
	readOnly bool // the session has nothing to sign with
}

// doorSessions holds the open ones; the SSH server bounds their number.
type doorSessions struct {
	mu   sync.Mutex
	open map[string]doorSession
}

// OpenSession lets a session read as the holder of key until end is called. id is the session's, readOnly says that it can sign
// nothing. Safe for concurrent use.
func (s *Server) OpenSession(id string, key nexus.PublicKey, readOnly bool) (token string, end func()) {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	token = hex.EncodeToString(raw[:])
	s.doors.mu.Lock()
	defer s.doors.mu.Unlock()
	if s.doors.open == nil {
		s.doors.open = map[string]doorSession{}
	}
	s.doors.open[token] = doorSession{id, key, readOnly}
	return token, func() {
		s.doors.mu.Lock()
		defer s.doors.mu.Unlock()
		delete(s.doors.open, token)
	}
}

// session gives the caller that a request's token stands for; false when it bears none that is open.
func (s *Server) session(r *http.Request) (caller, bool) {
	c, err := s.within(r.Header.Get(tokenHeader))
	c.readOnly = c.readOnly || r.Header.Get(modeHeader) == modeReadOnly
	return c, err == nil
}

// within gives the caller that a token stands for while its session is open.
func (s *Server) within(token string) (caller, error) {
	s.doors.mu.Lock()
	d, ok := s.doors.open[token]
	s.doors.mu.Unlock()
	if !ok {
		return caller{}, nexus.Errf("read", nexus.CodeRefused, "gate 1 identity-binding", "connect again", "the session is over")
	}
	return caller{query: nexus.Query{Actor: d.key, TimeMs: time.Now().UnixMilli()}, session: d.id, token: token, readOnly: d.readOnly}, nil
}

// errUnsignedAct answers a request that changes something and was not signed by the session's own client.
func errUnsignedAct(r *http.Request) error {
	return nexus.Errf("act", nexus.CodeRefused, "gate 1 identity-binding: "+r.Method+" "+r.URL.Path, "sign it: connect with ssh -A",
		"a session may read unsigned and act only signed")
}

// fromItsSession demands that an action which names a session comes from that session, and one from a session names it.
func fromItsSession(who caller, a *nexus.Action) error {
	named := wire.SessionOf(a.ID)
	if named == who.session && (named == "" || a.Actor == who.query.Actor) {
		return nil
	}
	return nexus.Errf("act", nexus.CodeRefused, "action id "+a.ID.String(), "choose a random id, or act from the session that it names",
		"the id names session %q and it comes from %q", named, who.session)
}

// NewSessionClient makes a client for a session that the node's SSH server opened. Reads go by the token; what changes something is
// signed by the signer too, unless readOnly says that there is nothing to sign with.
func NewSessionClient(path string, cluster nexus.ID, signer nexus.Signer, token string, readOnly bool) *Client {
	c := NewClient(path, cluster, signer)
	c.token, c.unsigned = token, readOnly
	return c
}

// signs reports whether a request bears a signature of the client's key.
func (c *Client) signs(method, path string) bool {
	switch {
	case c.signer == nil:
		return false
	case c.token == "":
		return true
	}
	return !c.unsigned && method != http.MethodGet && path != "/v1/actions" // an action bears its own
}
