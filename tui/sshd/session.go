package sshd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/ssh"
	gossh "golang.org/x/crypto/ssh"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Bounds of what one session may ask for.
const (
	channelsMost = 10   // sessions on one connection (ControlMaster)
	envMost      = 16   // variables
	envLen       = 128  // bytes of a value
	sideMost     = 1000 // cells of a window's side
)

// Size is a window's width and height, in cells.
type Size = [2]int

// Session is what a client gets: one command, or a terminal. Its streams are those of the client.
type Session struct {
	ID     string          // ten hexadecimal digits
	Key    nexus.PublicKey // that the client proved to hold
	Name   string          // of its identity
	Remote string          // host:port
	// Command is the command line as sent; empty for a console.
	Command string
	// Terminal says that the client asked for one; Term is its kind and Size its size at the beginning.
	Terminal bool
	Term     string
	Size     Size
	// Sizes gets the first size at the beginning, since a program that draws clears no rest of a line before it is told one, and
	// the newest whenever it changes; older ones are dropped. It is never closed.
	Sizes <-chan Size
	// Agent says that Signer signs with the client's key, on the client's machine; without it Signer refuses.
	Agent  bool
	Signer nexus.Signer
	// Recorded says that what the session shows is written to a file of the node.
	Recorded bool

	In  io.Reader
	Out io.Writer // as written, for a screen
	// Text and Err take lines and end them as the client's terminal needs.
	Text, Err io.Writer

	env map[string]string
}

// Getenv gives the variables that say how a terminal looks and nothing else, whatever the client sent.
func (s *Session) Getenv(name string) string { return s.env[name] }

// allowedEnv are the variables taken from a client.
func allowedEnv(name string) bool {
	switch name {
	case "COLORTERM", "COLORFGBG", "NO_COLOR", "LANG", "LC_ALL", "LC_CTYPE", "TERM_PROGRAM":
		return true
	}
	return false
}

// channel serves one session channel, from its opening to its exit code.
func (s *Server) channel(_ *ssh.Server, conn *gossh.ServerConn, offer gossh.NewChannel, ctx ssh.Context) {
	g, _ := ctx.Value(guestKey{}).(*guest)
	pub, _ := ctx.Value(ssh.ContextKeyPublicKey).(ssh.PublicKey)
	if g == nil || pub == nil || !g.channel(channelsMost) {
		_ = offer.Reject(gossh.ResourceShortage, "too many channels")
		return
	}
	defer g.out()
	key, ok := identityKey(pub)
	if !ok {
		_ = offer.Reject(gossh.Prohibited, "no identity")
		return
	}
	ch, reqs, err := offer.Accept()
	if err != nil {
		return
	}
	v := &visit{server: s, guest: g, conn: conn, ch: ch, pub: pub, sizes: make(chan Size, 1), lag: time.AfterFunc(s.limits.Login, func() { _ = ch.Close() }),
		session: Session{ID: newSessionID(), Key: key, Remote: conn.RemoteAddr().String(), env: map[string]string{}}}
	v.ctx, v.cancel = context.WithCancelCause(s.ctx)
	most := time.AfterFunc(s.limits.Most, func() { v.cancel(endMost(s.limits.Most)) })
	defer most.Stop()
	stop := context.AfterFunc(ctx, func() { v.cancel(errGone) })
	defer stop()
	for req := range reqs {
		ok := v.request(req)
		if req.WantReply {
			_ = req.Reply(ok, nil) // a client that is gone needs no answer
		}
		if ok && (req.Type == "shell" || req.Type == "exec") {
			v.start()
		}
	}
	v.cancel(errGone)
	v.done.Wait()
	v.lag.Stop() // of exit, which was over before
}

// visit is a session while it is served. The goroutine of channel owns all but what start hands over.
type visit struct {
	server  *Server
	guest   *guest
	conn    *gossh.ServerConn
	ch      gossh.Channel
	pub     gossh.PublicKey
	ctx     context.Context
	cancel  context.CancelCauseFunc // an *ending is said to the user
	session Session
	sizes   chan Size
	lag     *time.Timer // ends a channel that asks for nothing, then one whose client does not end it
	begun   bool
	rec     *recorder // nil: not recorded
	done    sync.WaitGroup
}

// request answers one request of the channel. Whatever is not named is refused: subsystems, X11, forwarding.
func (v *visit) request(req *gossh.Request) bool {
	s := &v.session
	switch req.Type {
	case "pty-req":
		var p struct {
			Term                          string
			Width, Height, PixelW, PixelH uint32
			Modes                         string
		}
		if v.begun || s.Terminal || gossh.Unmarshal(req.Payload, &p) != nil || len(p.Term) > envLen || printable(p.Term) != p.Term {
			return false
		}
		s.Terminal, s.Term, s.Size = true, p.Term, clamp(p.Width, p.Height)
		s.env["TERM"] = p.Term
		return true
	case "window-change":
		var p struct{ Width, Height, PixelW, PixelH uint32 }
		if !s.Terminal || gossh.Unmarshal(req.Payload, &p) != nil {
			return false
		}
		z := clamp(p.Width, p.Height)
		if v.rec != nil { // before the handler draws for it
			v.rec.resize(z)
		}
		v.resize(z)
		return true
	case "env":
		var p struct{ Name, Value string }
		if v.begun || gossh.Unmarshal(req.Payload, &p) != nil || !allowedEnv(p.Name) || len(p.Value) > envLen || printable(p.Value) != p.Value ||
			strings.Contains(p.Value, "\n") || len(s.env) >= envMost {
			return false
		}
		s.env[p.Name] = p.Value
		return true
	case "auth-agent-req@openssh.com":
		if !v.begun { // later it is the handler's
			s.Agent = true
		}
		return s.Agent
	case "shell", "exec":
		var p struct{ Command string }
		if v.begun || req.Type == "exec" && (gossh.Unmarshal(req.Payload, &p) != nil || len(p.Command) > commandMost) {
			return false
		}
		v.begun, s.Command = true, p.Command
		return true
	case "signal":
		var p struct{ Name string }
		if v.begun && gossh.Unmarshal(req.Payload, &p) == nil && (p.Name == "INT" || p.Name == "TERM" || p.Name == "HUP") {
			v.cancel(endSignal)
		}
		return v.begun
	}
	return false
}

// resize leaves only the newest size to be read.
func (v *visit) resize(z Size) {
	select {
	case <-v.sizes:
	default:
	}
	v.sizes <- z // the only sender, so there is room
}

// clamp makes a size of what a client says: nothing is 80x24, anything else is within reason.
func clamp(width, height uint32) Size {
	if width == 0 || height == 0 {
		return Size{80, 24}
	}
	return Size{int(min(width, sideMost)), int(min(height, sideMost))}
}

// start hands the session to its handler.
func (v *visit) start() {
	v.lag.Stop()
	s, srv := &v.session, v.server
	out, diag := v.patience()
	s.In, s.Out, s.Text, s.Err, s.Sizes = v.ch, out, out, diag, v.sizes
	if s.Terminal {
		idle := time.AfterFunc(srv.limits.Idle, func() { v.cancel(endIdle(srv.limits.Idle)) })
		context.AfterFunc(v.ctx, func() { idle.Stop() })
		s.In = touched{v.ch, func() { idle.Reset(srv.limits.Idle) }}
		// A terminal has one stream: two would reach it in any order, words of before the screen on the screen.
		s.Text, s.Err = lines{out}, lines{out}
		v.resize(s.Size)
	}
	if s.Signer = nexus.Signer(noAgent{s.Key}); s.Agent {
		s.Signer = agentSigner{conn: v.conn, key: s.Key, pub: v.pub, session: s.ID}
	}
	name, err := srv.cfg.Known(s.Key)
	why := ""
	if err != nil {
		why = printable(err.Error())
	} else {
		s.Name = name
		why = srv.reserve(s.Key)
	}
	if why != "" {
		_, _ = fmt.Fprintf(s.Err, "nexus: %s\n", why)
		v.exit(1)
		return
	}
	v.guest.begin()
	if err := v.record(out, diag); err != nil {
		srv.cfg.Log.Error("ssh session not recorded", "component", "ssh", "session", s.ID, "identity", s.Name, "error", err)
		_, _ = io.WriteString(s.Err, "nexus: this session must be recorded and cannot be; tell the operator\n")
		srv.release(s.Key)
		v.exit(1)
		return
	}
	copied, rec := *s, v.rec // the channel's goroutine goes on with its own
	v.done.Go(func() {
		defer srv.release(copied.Key)
		code := v.handle(&copied)
		if rec != nil {
			srv.recorded(rec)
		}
		v.exit(code)
	})
}

// record begins the session's recording, when the server records, and says so.
func (v *visit) record(stdout, stderr io.Writer) (err error) {
	s, srv := &v.session, v.server
	if srv.cfg.RecordDir == "" {
		return nil
	}
	if v.rec, err = record(srv.cfg.RecordDir, srv.limits.Record, s, time.Now()); err != nil {
		return err
	}
	s.Recorded = true
	out, diag := &tee{stdout, v.rec}, &tee{stderr, v.rec}
	s.Out, s.Text, s.Err = out, out, diag
	if s.Terminal {
		s.Text, s.Err = lines{out}, lines{out}
	}
	_, _ = io.WriteString(s.Err, recordNotice) // a client that is gone needs no word
	return nil
}

// handle runs the handler. A panic in one session must not take the node with it.
func (v *visit) handle(s *Session) (code int) {
	log := v.server.cfg.Log.With("component", "ssh", "session", s.ID, "identity", s.Name, "remote", s.Remote)
	log.Info("ssh session begins", "terminal", s.Terminal, "agent", s.Agent, "command", printable(s.Command))
	began := time.Now()
	defer func() {
		if p := recover(); p != nil {
			log.Error("ssh session failed", "panic", fmt.Sprint(p))
			code = 1
		}
		log.Info("ssh session ends", "exit", code, "duration_ms", time.Since(began).Milliseconds())
	}()
	// A client that reads nothing blocks whoever writes to it: when the session is over its connection goes too.
	over := make(chan struct{})
	defer close(over)
	stop := context.AfterFunc(v.ctx, func() {
		select {
		case <-over:
		case <-time.After(v.server.limits.Farewell):
			_ = v.guest.Close()
		}
	})
	defer stop()
	return v.code(s, v.server.cfg.Handle(v.ctx, s))
}

// exit ends the channel. The client has Farewell to end its half.
func (v *visit) exit(code int) {
	v.lag = time.AfterFunc(v.server.limits.Farewell, func() { _ = v.guest.Close() })
	_, _ = v.ch.SendRequest("exit-status", false, gossh.Marshal(struct{ Status uint32 }{uint32(code)})) // a client that is gone needs no code
	_ = v.ch.CloseWrite()
	_ = v.ch.Close()
}

// touched tells of every read that brought something.
type touched struct {
	io.Reader
	touch func()
}

func (t touched) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if n > 0 {
		t.touch()
	}
	return n, err
}

// lines ends lines as a terminal without a line discipline of its own needs it.
type lines struct{ io.Writer }

func (l lines) Write(p []byte) (int, error) {
	if _, err := l.Writer.Write(bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))); err != nil {
		return 0, err
	}
	return len(p), nil
}
