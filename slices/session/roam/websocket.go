package roam

import (
	"context"
	"errors"
	"net/http"

	"github.com/coder/websocket"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// socket is a connection over WebSocket: one frame, one binary message.
type socket struct{ ws *websocket.Conn }

func (s *Session) dialWebSocket(ctx context.Context, address string) (wire, error) {
	ws, _, err := websocket.Dial(ctx, address+s.path, &websocket.DialOptions{HTTPClient: s.httpClient(), Subprotocols: []string{session.Subprotocol},
		CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return nil, err
	}
	if ws.Subprotocol() != session.Subprotocol {
		_ = ws.CloseNow() // nobody reads what it would say
		return nil, nexus.Errf("session dial", nexus.CodeUnavailable, address, "use an address of a gateway that serves sessions",
			"answered without %s", session.Subprotocol)
	}
	ws.SetReadLimit(session.MaxFrameBytes)
	return &socket{ws}, nil
}

// httpClient makes connections for one use each.
func (s *Session) httpClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: s.dialContext, TLSClientConfig: s.options.TLS, DisableKeepAlives: true}}
}

func (s *socket) read(ctx context.Context) ([]byte, error) {
	kind, b, err := s.ws.Read(ctx)
	if err == nil && kind != websocket.MessageBinary {
		err = errors.New("session: a text message from an edge")
	}
	return b, err
}

func (s *socket) write(ctx context.Context, frame []byte) error {
	return s.ws.Write(ctx, websocket.MessageBinary, frame)
}

// close cuts the connection: what had to be said is in the frames.
func (s *socket) close() { _ = s.ws.CloseNow() }
