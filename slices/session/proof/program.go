package proof

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Program is the unit's side: a plain WebSocket service that knows nothing of sessions that move. It sends numbered messages every
// `every` (query parameter, a duration; default 1ms) until the client says "stop", then answers with the tally of what came.
type Program struct{}

// programReport is its last message.
type programReport struct {
	Sent uint64 `json:"sent"`
	Got  Tally  `json:"got"`
}

// ServeHTTP implements http.Handler.
func (Program) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	every, err := time.ParseDuration(r.URL.Query().Get("every"))
	if err != nil || every < 100*time.Microsecond {
		every = time.Millisecond
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled, InsecureSkipVerify: true})
	if err != nil {
		return // answered by Accept
	}
	defer func() { _ = ws.CloseNow() }() // closed in order before, or gone
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	stop := make(chan struct{})
	var sent uint64
	var sender sync.WaitGroup
	sender.Go(func() {
		sent = sendNumbers(ctx, every, stop, func(b []byte) error { return ws.Write(ctx, websocket.MessageBinary, b) })
	})
	got := newCounter()
	for {
		kind, b, err := ws.Read(ctx)
		if err != nil {
			cancel()
			sender.Wait()
			return
		}
		if kind == websocket.MessageText {
			break
		}
		got.take(b)
	}
	close(stop)
	sender.Wait()
	b, err := json.Marshal(programReport{Sent: sent, Got: got.result()})
	if err == nil {
		err = ws.Write(ctx, websocket.MessageText, b)
	}
	if err == nil {
		_ = ws.Close(websocket.StatusNormalClosure, "done") // the home may close first
	}
}

// sendNumbers sends messages on a fixed beat until stop and gives their number. When sending was held up it catches up, so that the
// gap which a client sees is the network's and not the sender's.
func sendNumbers(ctx context.Context, every time.Duration, stop <-chan struct{}, send func([]byte) error) uint64 {
	begin := time.Now()
	t := time.NewTicker(every)
	defer t.Stop()
	n := uint64(0)
	for {
		select {
		case <-stop:
			return n
		case <-ctx.Done():
			return n
		case <-t.C:
		}
		for due := uint64(time.Since(begin) / every); n < due; n++ {
			if send(message(n)) != nil {
				return n
			}
		}
	}
}
