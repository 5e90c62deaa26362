package control

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// breaking is a crowd whose bundles break off as the test says.
type breaking struct {
	*crowd
	write func(ctx context.Context, w io.Writer) error
}

func (b *breaking) Bundle(ctx context.Context, _ nexus.ID, w *multipart.Writer, _ func(int, int, string, int)) error {
	return b.write(ctx, &parted{parts: w})
}

// parted begins its part with the first byte.
type parted struct {
	parts *multipart.Writer
	to    io.Writer
}

func (p *parted) Write(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	if p.to == nil {
		if p.to, err = p.parts.CreatePart(textproto.MIMEHeader{}); err != nil {
			return 0, err
		}
	}
	return p.to.Write(b)
}

// fetch has the owner fetch a bundle, and ends when the node is done with it.
func (b *breaking) fetch() {
	b.t.Helper()
	resp, err := b.ask(context.Background(), b.eve, "/v1/bundle?unit="+b.unit.String(), nil)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	b.until("no bundle is written any more", func() bool { return b.held() == 0 })
}

func (b *breaking) held() int {
	n := 0
	for _, p := range []*places{&b.server.leavers, &b.server.readers} {
		p.mu.Lock()
		n += len(p.held)
		p.mu.Unlock()
	}
	return n
}

func (b *breaking) failures() (f state.ExitFailures) {
	b.eng.View(func(st *state.State) { f = st.ExitFailuresOf(b.unit) })
	return f
}

func newBreaking(t *testing.T) *breaking {
	b := &breaking{crowd: newCrowd(t)}
	b.server.node = b
	return b
}

// A bundle that the node cannot write for a unit that leaves is a failure that the node states, with its code; of an error without one, that it
// was internal. It makes no difference whether a part of it was sent.
func TestAFailureOfTheNodeIsStated(t *testing.T) {
	t.Parallel()
	b := newBreaking(t)
	b.must(b.eve, state.KindExitBegin, b.unit, state.ExitBegin{})
	sent := make([]byte, 1<<20)
	for i, c := range []struct {
		bytes int
		err   error
		code  nexus.Code
	}{
		{0, nexus.Errf("write bundle", nexus.CodeCorrupt, "entry 7", "", "is not what it was"), nexus.CodeCorrupt},
		{len(sent), nexus.Errf("write bundle", nexus.CodeUnavailable, "disk", "", "gone"), nexus.CodeUnavailable},
		{0, errors.New("out of luck"), nexus.CodeInternal},
	} {
		b.write = func(_ context.Context, w io.Writer) error {
			_, err := w.Write(sent[:c.bytes])
			return errors.Join(err, c.err)
		}
		b.fetch()
		if f := b.failures(); int(f.Count) != i+1 || f.Step != state.ExitStepWrite || b.lastReason() != "write: "+string(c.code) {
			t.Errorf("%v after %d bytes: %+v, %q", c.err, c.bytes, f, b.lastReason())
		}
	}
}

// lastReason is what the newest failure in the ledger says.
func (b *breaking) lastReason() string {
	b.t.Helper()
	rec, err := b.eng.Store().LastRecord()
	if err != nil {
		b.t.Fatal(err)
	}
	for seq := rec.FirstSeq; seq < rec.Next(); seq++ {
		e, err := rec.Entry(seq)
		if err != nil {
			b.t.Fatal(err)
		}
		var body ledger.ExitBody
		if e.Kind == ledger.KindExit && nexus.Decode(e.Body, &body) == nil && body.Verb == "failed" {
			return body.Reason
		}
	}
	return "none"
}

// What a reader does is no failure of the platform: one who goes away, and one who is cut off because it reads too slowly, between two writes as
// in one.
func TestAFailureOfTheReaderIsNotTheNodes(t *testing.T) {
	t.Parallel()
	chunk := make([]byte, 64<<10)
	for name, write := range map[string]func(b *breaking, ctx context.Context, w io.Writer) error{
		"cut off between writes": func(b *breaking, _ context.Context, w io.Writer) error {
			if _, err := w.Write(chunk); err != nil {
				return err
			}
			b.cut(time.Hour)
			_, err := w.Write(chunk)
			return err
		},
		"cut off at the first write": func(b *breaking, _ context.Context, w io.Writer) error {
			b.cut(time.Hour)
			_, err := w.Write(chunk)
			return err
		},
		"gone while nothing is written": func(b *breaking, ctx context.Context, w io.Writer) error {
			if _, err := w.Write(chunk); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		},
		"gone": func(b *breaking, ctx context.Context, w io.Writer) error {
			for {
				if _, err := w.Write(chunk); err != nil {
					return err
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBreaking(t)
			b.must(b.eve, state.KindExitBegin, b.unit, state.ExitBegin{})
			before, wrong := b.eng.Store().Size(), make(chan error, 1)
			b.write = func(ctx context.Context, w io.Writer) error {
				err := write(b, ctx, w)
				wrong <- err
				return err
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			resp, err := b.ask(ctx, b.eve, "/v1/bundle?unit="+b.unit.String(), nil)
			if err == nil {
				if !strings.HasPrefix(name, "gone") {
					_, _ = io.Copy(io.Discard, resp.Body)
				}
				_ = resp.Body.Close()
			}
			if err := <-wrong; err == nil {
				t.Fatal("the reader's failure did not end the bundle")
			}
			b.until("no bundle is written any more", func() bool { return b.held() == 0 })
			if f := b.failures(); f.Count != 0 || b.eng.Store().Size() != before {
				t.Errorf("the node states it as its own: %+v", f)
			}
		})
	}
}

// cut finds the reader slow, as when others wait.
func (b *breaking) cut(waited time.Duration) {
	p := &b.server.leavers
	p.mu.Lock()
	defer p.mu.Unlock()
	for h := range p.held {
		h.mu.Lock()
		h.waited += waited
		h.mu.Unlock()
		h.cutIfSlow()
	}
}

// Of a unit that does not leave, or that has left, no failure of an exit is stated.
func TestNoFailureOfAnExitWithoutOne(t *testing.T) {
	t.Parallel()
	b := newBreaking(t)
	b.write = func(context.Context, io.Writer) error {
		return nexus.Errf("write bundle", nexus.CodeCorrupt, "x", "", "y")
	}
	before := b.eng.Store().Size()
	b.fetch()
	if b.failures().Count != 0 || b.eng.Store().Size() != before {
		t.Errorf("%+v", b.failures())
	}
}

// lame is a client whose connection takes nothing.
type lame struct{ http.ResponseWriter }

func (lame) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// A write that fails is the reader's doing, whatever becomes of the request.
func TestAFailedWriteIsTheReaders(t *testing.T) {
	t.Parallel()
	p := newPlaces("bundles", 1, 1)
	h, end, err := p.take(signer(1).Public())
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	out, ended := h.pace(lame{httptest.NewRecorder()})
	defer ended()
	if out.broken() {
		t.Error("broken before anything was written")
	}
	if _, err := out.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) || !out.broken() {
		t.Errorf("%v, broken: %t", err, out.broken())
	}
}
