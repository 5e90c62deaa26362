package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// Connections of HTTP/3 on which nothing was asked are bounded beside others: the oldest go, in steps, without an error. Where something was asked
// the connection stays, however old, and a slice alone may have as many as it likes.
func TestSilentConnectionsOfQUICMakeRoom(t *testing.T) {
	t.Parallel()
	g, ca, a, b := twoOverQUIC(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	config := &tls.Config{RootCAs: ca.Pool(), ServerName: "a.test", NextProtos: []string{http3.NextProtoH3}}
	var conns []*quic.Conn
	open := func() *quic.Conn {
		t.Helper()
		qc, err := quic.DialAddr(ctx, g.QUICAddr(), config, &quic.Config{MaxIdleTimeout: time.Minute, KeepAlivePeriod: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, qc)
		return qc
	}
	silent := func() int {
		a.quicSilent.mu.Lock()
		defer a.quicSilent.mu.Unlock()
		return a.quicSilent.conns.Len()
	}
	h3 := (&http3.Transport{}).NewClientConn(open())
	ask := func() { askHTTP3(ctx, t, h3, "a.test") }
	ask()
	for n := range quicSilentMax + quicSilentStep + 1 {
		open()
		eventually(t, "it is known, before the next one", func() bool { return silent() == n+1 })
	}
	if n := a.counters.Cut.Load(); n != 0 {
		t.Errorf("%d connections of a slice alone were ended", n)
	}
	busy(g, b)
	open()
	eventually(t, "a step was made", func() bool { return silent() == quicSilentMax+2 && a.counters.Cut.Load() == quicSilentStep })
	open()
	eventually(t, "the bound is kept", func() bool { return silent() == quicSilentMax })
	eventually(t, "the oldest know it", func() bool {
		for _, qc := range conns[1 : 1+quicSilentStep+3] {
			if qc.Context().Err() == nil {
				return false
			}
		}
		return true
	})
	var why *quic.ApplicationError
	if cause := context.Cause(conns[1].Context()); !errors.As(cause, &why) || !why.Remote || why.ErrorCode != h3NoError {
		t.Errorf("the oldest was ended by %v", cause)
	}
	for i, qc := range conns {
		if wants := i >= 1 && i < 1+quicSilentStep+3; wants != (qc.Context().Err() != nil) {
			t.Errorf("connection %d of %d: ended %t", i, len(conns), !wants)
		}
	}
	ask()
	for _, qc := range conns {
		_ = qc.CloseWithError(0, "")
	}
	eventually(t, "none is remembered", func() bool { return silent() == 0 })
}

// askHTTP3 asks for the first page of a host on a connection.
func askHTTP3(ctx context.Context, t *testing.T, on *http3.ClientConn, host string) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := on.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close() // its status is all that is judged
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d", resp.StatusCode)
	}
}
