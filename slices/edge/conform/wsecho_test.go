package conform_test

import (
	"net/http"

	"github.com/lxzan/gws"
)

// strictEcho is an echo server on another WebSocket library, one that holds clients to the whole of RFC 6455 and RFC 7692.
func strictEcho() http.Handler {
	return echoWith(gws.PermessageDeflate{Enabled: true, ServerContextTakeover: true, ClientContextTakeover: true})
}

// echoWith is strictEcho with other words on compression.
func echoWith(d gws.PermessageDeflate) http.Handler {
	up := gws.NewUpgrader(echoEvents{}, &gws.ServerOption{CheckUtf8Enabled: true, ReadMaxPayloadSize: 32 << 20, WriteMaxPayloadSize: 32 << 20,
		PermessageDeflate: d})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r)
		if err != nil {
			return // answered by Upgrade
		}
		c.ReadLoop()
	})
}

type echoEvents struct{ gws.BuiltinEventHandler }

// OnPing implements gws.Event.
func (echoEvents) OnPing(c *gws.Conn, payload []byte) { _ = c.WritePong(payload) } // the reading says what went wrong

// OnMessage implements gws.Event.
func (echoEvents) OnMessage(c *gws.Conn, m *gws.Message) {
	defer func() { _ = m.Close() }()
	_ = c.WriteMessage(m.Opcode, m.Bytes()) // the reading says what went wrong
}
