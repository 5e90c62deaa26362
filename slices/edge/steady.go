package edge

import (
	"net/http"
	"sync"
	"time"
)

// A connection of HTTP/2 or HTTP/3 on which most streams are reset soon after they were opened, by the client or because the client makes it
// necessary, costs much and is of use to nobody (CVE-2023-44487, CVE-2025-8671); the bound on streams at once does not count them. Pages
// that are left while they load reset some tens.
const (
	abandonedWithin = time.Second
	abandonedMax    = 500
)

// noteEnd counts a request of HTTP/2 or HTTP/3, and ends a connection that abandons its requests.
func (c *conn) noteEnd(begin time.Time, abandoned bool) {
	asked := c.asked.Add(1)
	if !abandoned || time.Since(begin) > abandonedWithin {
		return
	}
	if n := c.abandoned.Add(1); n > abandonedMax && 2*n > asked {
		if s := c.bound.Load(); s != nil && n == abandonedMax+1 {
			s.counters.Cut.Add(1)
		}
		_ = c.Close() // closed before by another request of it
	}
}

// steadyWriter cuts a response of HTTP/2 or HTTP/3 whose client takes nothing for the stall timeout. Below them nothing stalls: a
// client that opens no flow-control window, and answers pings, would hold its place and what was written for ever.
type steadyWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
	conn    *conn

	timer *time.Timer // of the writing handler; nil before the first write

	mu      sync.Mutex
	writing bool
}

func newSteadyWriter(w http.ResponseWriter, c *conn) *steadyWriter {
	return &steadyWriter{ResponseWriter: w, control: http.NewResponseController(w), stall: c.gateway.config.StallTimeout, conn: c}
}

// Write implements io.Writer.
func (w *steadyWriter) Write(p []byte) (int, error) {
	w.begin()
	defer w.end()
	return w.ResponseWriter.Write(p)
}

// FlushError serves http.ResponseController: event streams need it.
func (w *steadyWriter) FlushError() error {
	w.begin()
	defer w.end()
	return w.control.Flush()
}

// Unwrap lets http.ResponseController reach the deadlines.
func (w *steadyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *steadyWriter) begin() {
	w.setWriting(true)
	if w.timer == nil {
		w.timer = time.AfterFunc(w.stall, w.cut)
	} else {
		w.timer.Reset(w.stall)
	}
}

func (w *steadyWriter) end() {
	w.timer.Stop()
	w.setWriting(false)
}

func (w *steadyWriter) setWriting(to bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writing = to
}

// cut ends the write under way, unless it was the slice's own rate that it waited for. The mutex keeps the handler from ending
// meanwhile: the writer below may not be touched after that.
func (w *steadyWriter) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.writing:
	case w.conn.throttled(time.Now().Add(-w.stall)):
		w.timer.Reset(w.stall)
	case w.control.SetWriteDeadline(time.Unix(1, 0)) == nil:
		if s := w.conn.bound.Load(); s != nil {
			s.counters.Cut.Add(1)
		}
	}
}

// last bounds the writing of what the library still holds when the handler ends. To be called at the handler's end. A head alone waits for no window.
func (w *steadyWriter) last() {
	if w.timer == nil {
		return
	}
	_ = w.control.SetWriteDeadline(time.Now().Add(w.stall)) // a stream that is gone takes no deadline
}
