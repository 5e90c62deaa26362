package control

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// maxRequest bounds a request body, in bytes.
const maxRequest = 32 << 20

// Node is what the server asks of the running node beside the engine.
type Node interface {
	Hello() wire.NodeInfo
	Overview() *wire.Overview
	// Changed returns a channel that is closed when the next Overview differs from the last one.
	Changed() <-chan struct{}
	// Pressed returns a channel that is closed when the next Overview shows a refusal that the last one did not; it is not waited with.
	Pressed() <-chan struct{}
	Slices() []wire.SliceRow
	// SliceDetail gives one slice with its series and distribution; false when there is none of that id.
	SliceDetail(id nexus.ID) (wire.SliceDetail, bool)
	// LogPath is the file that the node logs to.
	LogPath() string
	Members() []wire.MemberRow
	// GossipKeys says how this node stands with the keys of gossip, without a secret. CodeUnavailable before gossip runs.
	GossipKeys() (wire.GossipKeys, error)
	// Edges lists the processes that serve as edges, the node's own gateway first.
	Edges() []wire.EdgeRow
	Invite(ctx context.Context, ttl time.Duration) (wire.Invite, error)
	Verify(ctx context.Context) (wire.VerifyReport, error)
	Audit(ctx context.Context, unit string) (wire.AuditReport, error)
	Suites(ctx context.Context, names []string) (wire.Suites, error)
	RerunPhase(ctx context.Context, phase int) error
	// Bundle writes a unit's bundle as parts; TakeIn verifies one in a folder of this machine and keeps it for its
	// owner or an operator.
	Bundle(ctx context.Context, unit nexus.ID, w *multipart.Writer, told func(part, of int, path string, percent int)) error
	TakeIn(ctx context.Context, dir string, key, by nexus.PublicKey) (state.UnitImportSlice, error)
	// Served waits until this node's gateway serves what an action of this kind has changed by the receipt's decision, a few seconds at most, and says why
	// it does not; empty when it does, when the kind changes nothing there, and on a node without a gateway.
	Served(ctx context.Context, kind string, r nexus.Receipt) string
	StopRequested()
}

// Server answers the local API. Run serves until ctx ends.
type Server struct {
	eng    atomic.Pointer[engine.Engine] // nil until the ledger is open, for ever on a node whose ledger is elsewhere
	node   Node
	bus    *bus.Bus
	log    *slog.Logger
	mux    *http.ServeMux
	socket net.Listener
	doors  doorSessions

	pictures pictures
	pace     time.Duration // of the overview stream

	// What holds a whole unit's files: bundles for owners whose unit leaves, bundles for everybody else, folders being taken in.
	leavers, readers, imports places
	// What reads or recomputes much of the ledger: see newBounds.
	bounds
	leave leaving
}

// NewServer listens on the socket (mode 0600). A stale socket file of a dead node is replaced; the data directory's lock
// makes sure that nobody lives behind it.
func NewServer(path string, node Node, b *bus.Bus, log *slog.Logger) (*Server, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, nexus.Errf("listen", nexus.CodeUnfit, "socket "+path, "choose another data directory", "%v", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	s := &Server{node: node, bus: b, log: log, mux: http.NewServeMux(), socket: l, pace: watchInterval,
		leavers: newPlaces("bundles of leaving units are being written", placesEach, placesLeaver),
		readers: newPlaces("bundles are being written", placesEach, placesAll),
		imports: newPlaces("bundles are being taken in", placesEach, placesAll), bounds: newBounds()}
	s.routes()
	return s, nil
}

// Attach gives the server the open engine; until then only hello, overview, watch, slices and members answer.
func (s *Server) Attach(e *engine.Engine) { s.eng.Store(e) }

func (s *Server) engine() *engine.Engine { return s.eng.Load() }

// Close gives the socket back when Run was never reached; after Run there is nothing left to close.
func (s *Server) Close() error {
	if err := s.socket.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Run serves until ctx ends, then lets running requests finish for two seconds.
func (s *Server) Run(ctx context.Context) error {
	srv := &http.Server{Handler: s.mux, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx }, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(s.socket) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		err = srv.Close()
		<-done
		return err
	}
	<-done
	return nil
}

// caller is who asks, after the query's signature was verified.
type caller struct {
	query    nexus.Query
	readOnly bool // the request says that its session changes nothing; the signature covers that
	// session is the SSH session that asks, empty for any other client. Signed says that the request is signed all the same.
	session string
	token   string // of that session
	signed  bool
	early   bool // asks before there is an engine
	shown   bool // who asks was shown when a stream began that goes on now
}

type handler func(w http.ResponseWriter, r *http.Request, who caller) (any, error)

// need says what a route reads: the resource it is, and whether the constitution makes it public.
type need struct {
	resource string
	public   bool
	early    bool // answers without an engine too
	acts     bool // changes something, so it is refused to a read-only session
	sealed   bool // the answer is checked against a digest: sealed texts stay as they are in it
}

// handle registers a signed route. The gates judge the read before the handler runs; a unit-bound handler judges again
// for its unit.
func (s *Server) handle(pattern string, n need, h handler) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			s.reply(w, caller{}, nil, nexus.Errf("read request", nexus.CodeMalformed, "body", "send less at once", "%v", err))
			return
		}
		who, err := s.authenticate(r, body)
		who.early = s.engine() == nil
		if err == nil && who.early && !n.early {
			err = nexus.Errf("ask node", nexus.CodeUnavailable, "ledger", "wait for phase 2, or ask the node that holds it",
				"it is not open on this node")
		}
		if err == nil && who.readOnly && n.acts {
			err = errReadOnly(r)
		}
		if err == nil && who.session != "" && n.acts && !who.signed {
			err = errUnsignedAct(r)
		}
		if err == nil {
			err = s.mayRead(who, nexus.ID{}, n)
		}
		var out any
		if err == nil {
			r.Body = io.NopCloser(bytes.NewReader(body))
			out, err = h(w, r, who)
		}
		if err == nil && n.sealed && out != nil {
			s.replySealed(w, out)
			return
		}
		s.reply(w, who, out, err)
	})
}

// authenticate verifies the signed query of a request. What is unsigned is counted and rolled up, never an entry each.
func (s *Server) authenticate(r *http.Request, body []byte) (caller, error) {
	within, inside := s.session(r)
	if inside && r.Header.Get("Authorization") == "" {
		return within, nil
	}
	refuse := func(reason, why string) (caller, error) {
		if s.engine() != nil {
			s.engine().Refused(reason)
		}
		return caller{}, nexus.Errf("authenticate", nexus.CodeRefused, "gate 1 identity-binding", "sign the request with --identity", "%s", why)
	}
	h, ok := strings.CutPrefix(r.Header.Get("Authorization"), authScheme)
	if !ok {
		return refuse("unsigned-request", "the request is not signed")
	}
	raw, err := base64.StdEncoding.DecodeString(h)
	if err != nil {
		return refuse("malformed-query", "the signature header is not base64")
	}
	var q nexus.Query
	if err := nexus.Decode(raw, &q); err != nil {
		return refuse("malformed-query", err.Error())
	}
	mode := r.Header.Get(modeHeader)
	if mode != "" && mode != modeReadOnly {
		return refuse("malformed-query", "the mode is unknown")
	}
	if q.Method != r.Method || q.Target != signedTarget(r.URL.RequestURI(), body, mode) || !q.Verify() {
		return refuse("forged-query", "the signature is not the actor's over this request")
	}
	who := caller{query: q, readOnly: mode == modeReadOnly, signed: true}
	if inside {
		if q.Actor != within.query.Actor {
			return refuse("forged-query", "the signature is not that of the session's identity")
		}
		who.session, who.token, who.readOnly = within.session, within.token, who.readOnly || within.readOnly
	}
	return who, nil
}

// mayRead judges a read by the gates on the applied state. Unknown, revoked or late callers and foreign units are refused.
func (s *Server) mayRead(who caller, unit nexus.ID, n need) error {
	if v, refused := s.refusal(who, unit, n); refused {
		return nexus.Errf("read "+n.resource, nexus.CodeRefused, "identity "+who.query.Actor.Short(), v.Fix,
			"refused by gate %d: %s; required: %s", v.Gate, v.Observed, v.Required)
	}
	return nil
}

// mayReadNamed judges reading what the caller named, by a word or by a number of the whole log. Whoever tries names, or counts through the
// numbers, must not learn what or whose is behind them, so the refusal says what was asked for and nothing else.
func (s *Server) mayReadNamed(who caller, unit nexus.ID, n need, subject string) error {
	if v, refused := s.refusal(who, unit, n); refused {
		return nexus.Errf("read ledger", nexus.CodeRefused, subject, "nexus gates log and nexus home say what is yours",
			"refused by gate %d: nothing that is yours to read; required: %s", v.Gate, v.Required)
	}
	return nil
}

// refusal has the gates judge a read, and gives the first that refuses it.
func (s *Server) refusal(who caller, unit nexus.ID, n need) (gates.Verdict, bool) {
	if s.engine() == nil {
		return gates.Verdict{}, false
	}
	var d gates.Decision
	s.engine().View(func(st *state.State) {
		f := st.ReadFacts(&who.query, time.Now().UnixMilli(), unit, n.resource, n.public)
		if who.session != "" || who.shown { // its login has shown who asks, to this node, now; or its signature did, when it began
			f.Identity.SignatureValid, f.Identity.ClusterMatches = true, true
		}
		d = st.Decide(&f, gates.DecisionInput{Kind: f.Kind, Actor: who.query.Actor, Unit: unit, TimeMs: f.NowMs})
	})
	return d.FirstRefusal()
}

func (s *Server) reply(w http.ResponseWriter, who caller, out any, err error) {
	if err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status(w, err))
		_ = s.encode(w, who, map[string]any{"error": wire.ProblemOf(err)})
		return
	}
	if out == nil {
		return // the handler wrote by itself
	}
	w.Header().Set("Content-Type", "application/json")
	if err := s.encode(w, who, out); err != nil {
		s.log.Debug("answer not delivered", "component", "control", "error", err)
	}
}

// replySealed answers with every sealed text as it stands in the ledger.
func (s *Server) replySealed(w http.ResponseWriter, out any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(out); err != nil {
		s.log.Debug("answer not delivered", "component", "control", "error", err)
	}
}

func statusOf(c nexus.Code) int {
	switch c {
	case nexus.CodeMalformed, nexus.CodeUsage:
		return http.StatusBadRequest
	case nexus.CodeRefused:
		return http.StatusForbidden
	case nexus.CodeNotFound:
		return http.StatusNotFound
	case nexus.CodeConflict:
		return http.StatusConflict
	case nexus.CodeUnavailable, nexus.CodeNoNode:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
