package sshd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/ssh"
	"github.com/charmbracelet/wish"
	gossh "golang.org/x/crypto/ssh"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// Limits bound what clients may cost. Zero values take the defaults named beside them.
type Limits struct {
	Connections     int           // open at once, logged in or not: 256
	Logins          int           // of them not logged in yet: 64
	Sessions        int           // in all: 128
	SessionsPerKey  int           // 16
	Tries           int           // keys that one connection may offer: 6
	FailuresPerTime int           // connections of one address that may fail to log in within FailureTime: 60
	FailureTime     time.Duration // a minute
	Login           time.Duration // from connecting to the first command: 20 s
	Idle            time.Duration // on a terminal, without a key pressed: 30 minutes
	Most            time.Duration // of a session: 12 hours
	Stall           time.Duration // that a client may leave one write of output untaken: 2 minutes
	Farewell        time.Duration // for a session that must end to give the terminal back, and for its client to end its half: 3 s
	Record          int64         // bytes of a session's recording: RecordMost
}

func (l Limits) withDefaults() Limits {
	number := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	span := func(v *time.Duration, def time.Duration) {
		if *v <= 0 {
			*v = def
		}
	}
	number(&l.Connections, 256)
	number(&l.Logins, 64)
	number(&l.Sessions, 128)
	number(&l.SessionsPerKey, 16)
	number(&l.Tries, 6)
	number(&l.FailuresPerTime, 60)
	span(&l.FailureTime, time.Minute)
	span(&l.Login, 20*time.Second)
	span(&l.Idle, 30*time.Minute)
	span(&l.Most, 12*time.Hour)
	span(&l.Stall, 2*time.Minute)
	span(&l.Farewell, 3*time.Second)
	if l.Record <= 0 {
		l.Record = RecordMost
	}
	return l
}

// Config says what to serve. All but Limits, Log, Version and what is for recordings are needed.
type Config struct {
	Addr        string // host:port
	HostKeyFile string // made when it is not there, mode 0600
	Version     string // after "SSH-2.0-", letters only; "" is Nexus
	// Known gives the name of the identity that a key is of. The error is told to the client: it says why the key does not open
	// this door, and what to do. It is asked again when the session begins. Called from many goroutines.
	Known func(nexus.PublicKey) (name string, err error)
	// Handle runs a session and gives its exit code. The context ends when the client goes, a limit is reached or the server
	// closes; Handle must then return.
	Handle func(ctx context.Context, s *Session) int
	// RecordDir is where each session is recorded; "" records none. A session that cannot be recorded does not begin.
	RecordDir string
	// Recorded gets what was written when a session has ended, before its client learns the exit code. Needed with RecordDir; called
	// from many goroutines.
	Recorded func(Recording)
	Log      *slog.Logger
	Limits   Limits
}

// Server is a running door. Safe for concurrent use.
type Server struct {
	cfg         Config
	limits      Limits
	listener    net.Listener
	inner       *ssh.Server
	fingerprint string
	ctx         context.Context
	cancel      context.CancelCauseFunc
	wg          sync.WaitGroup // sessions and the accept loop

	door door

	mu      sync.Mutex // guards the two below
	perKey  map[nexus.PublicKey]int
	running int
}

// Listen opens the door. It serves until Close.
func Listen(cfg Config) (*Server, error) {
	if cfg.Known == nil || cfg.Handle == nil || cfg.HostKeyFile == "" {
		return nil, nexus.Errf("ssh console", nexus.CodeInternal, "configuration", "", "is not complete")
	}
	if cfg.RecordDir != "" {
		if cfg.Recorded == nil {
			return nil, nexus.Errf("ssh console", nexus.CodeInternal, "configuration", "", "records and tells nobody")
		}
		if err := recordFolder(cfg.RecordDir); err != nil {
			return nil, err
		}
	}
	if cfg.Version == "" {
		cfg.Version = "Nexus"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	key, err := hostKey(cfg.HostKeyFile)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, limits: cfg.Limits.withDefaults(), fingerprint: gossh.FingerprintSHA256(key.PublicKey()), perKey: map[nexus.PublicKey]int{}}
	s.door = door{limits: s.limits, failures: map[string]int{}}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	// The host key comes first: without one wish makes a file in the working directory.
	ours := func(inner *ssh.Server) error { inner.HostSigners = []ssh.Signer{key}; return nil }
	if s.inner, err = wish.NewServer(ours, wish.WithVersion(cfg.Version), wish.WithPublicKeyAuth(s.authenticate)); err == nil {
		s.inner.ConnCallback = s.admit
		s.inner.ServerConfigCallback = s.protocol
		s.inner.ConnectionFailedCallback = s.failed
		s.inner.ChannelHandlers = map[string]ssh.ChannelHandler{"session": s.channel}
		s.inner.RequestHandlers = map[string]ssh.RequestHandler{"keepalive@openssh.com": func(ssh.Context, *ssh.Server, *gossh.Request) (bool, []byte) {
			return true, nil
		}}
		s.inner.SubsystemHandlers = map[string]ssh.SubsystemHandler{}
		s.listener, err = net.Listen("tcp", cfg.Addr)
	}
	if err != nil {
		s.cancel(err)
		return nil, nexus.Errf("ssh console", nexus.CodeUnfit, "address "+cfg.Addr, "give another --ssh address", "%w", err)
	}
	s.wg.Go(func() {
		if err := s.inner.Serve(s.listener); err != nil && !errors.Is(err, ssh.ErrServerClosed) && s.ctx.Err() == nil {
			cfg.Log.Error("ssh console ended", "component", "ssh", "error", err)
		}
	})
	return s, nil
}

// Addr is where it listens, with the port that was chosen.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Fingerprint is the host key's, as ssh-keygen -l prints it: what a client sees at its first visit.
func (s *Server) Fingerprint() string { return s.fingerprint }

// Close lets nobody in any more, ends every session and connection, and returns when they have ended. Consoles give the terminal back and
// their users are told; who does not take that within some seconds is cut off.
func (s *Server) Close() error {
	s.mu.Lock()
	s.cancel(endStop) // no session is reserved after this
	s.mu.Unlock()
	_ = s.listener.Close() // once
	s.wg.Wait()
	for end := time.Now().Add(leaveGrace); time.Now().Before(end) && s.door.leaving(); {
		time.Sleep(time.Millisecond)
	}
	err := s.inner.Close()
	s.door.closeAll()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// protocol is the part of the protocol that is ours to set for one connection.
func (s *Server) protocol(ctx ssh.Context) *gossh.ServerConfig {
	return &gossh.ServerConfig{MaxAuthTries: s.limits.Tries, PreAuthConnCallback: func(c gossh.ServerPreAuthConn) { ctx.SetValue(preAuthKey{}, c) }}
}

type (
	preAuthKey struct{}
	guestKey   struct{}
)

// authenticate judges a key that a client offers. Why one is refused goes to the client as a banner: without it ssh says
// "Permission denied" and nobody knows what to mend.
func (s *Server) authenticate(ctx ssh.Context, offered ssh.PublicKey) bool {
	tell := func(text string) bool {
		if c, ok := ctx.Value(preAuthKey{}).(gossh.ServerPreAuthConn); ok {
			_ = c.SendAuthBanner(strings.ReplaceAll(text, "\n", "\r\n") + "\r\n") // a client that is gone needs no word
		}
		return false
	}
	if g, ok := ctx.Value(guestKey{}).(*guest); ok {
		g.offer(gossh.FingerprintSHA256(offered))
	}
	key, ok := identityKey(offered)
	if !ok {
		return tell("nexus: a key of type " + safeType(offered.Type()) + " opens nothing here; use an ssh-ed25519 key: ssh-keygen -t ed25519")
	}
	if _, err := s.cfg.Known(key); err != nil {
		return tell("nexus: " + gossh.FingerprintSHA256(offered) + ": " + printable(err.Error()))
	}
	return true
}

// failed counts a connection that did not log in, by its address. The log names the keys that it offered, so that an operator can let in who calls.
func (s *Server) failed(c net.Conn, err error) {
	s.door.failed(c.RemoteAddr())
	s.cfg.Log.Info("ssh login failed", "component", "ssh", "remote", c.RemoteAddr().String(), "offered", s.door.offered(c.RemoteAddr()), "reason",
		printable(err.Error()))
}

// recorded ends a session's recording and hands it over. Until that is done the file is one of a session that lasts.
func (s *Server) recorded(r *recorder) {
	done, held, err := r.close(time.Now())
	defer held()
	if err != nil {
		s.cfg.Log.Error("ssh session's recording failed", "component", "ssh", "session", done.Session, "file", done.File, "error", err)
	}
	s.cfg.Recorded(done)
}

// reserve takes a place for a session of key; "" when there is one, else why not.
func (s *Server) reserve(key nexus.PublicKey) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ctx.Err() != nil:
		return "the node is stopping"
	case s.running >= s.limits.Sessions:
		return "too many sessions on this node; try again later"
	case s.perKey[key] >= s.limits.SessionsPerKey:
		return "too many sessions with this key; close one first"
	}
	s.running++
	s.perKey[key]++
	s.wg.Add(1)
	return ""
}

func (s *Server) release(key nexus.PublicKey) {
	s.mu.Lock()
	s.running--
	if s.perKey[key]--; s.perKey[key] <= 0 {
		delete(s.perKey, key)
	}
	s.mu.Unlock()
	s.wg.Done()
}

// Sessions is how many run now.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

func newSessionID() string {
	var b [wire.SessionIDBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
