package session

import "time"

// Limits bounds what is kept of a session. Zero fields take the defaults.
type Limits struct {
	RetainBytes int           // payload bytes kept unacknowledged per direction; default 1 MiB
	RetainFor   time.Duration // how long a session without a connection is kept; default 2 min
	TicketFor   time.Duration // life of a ticket; default RetainFor
	Heartbeat   time.Duration // between a client's pings; after two without an answer another edge is tried; default 100 ms
	Sessions    int           // sessions one home holds; default 100,000
}

// WithDefaults fills in what is zero.
func (l Limits) WithDefaults() Limits {
	if l.RetainBytes <= 0 {
		l.RetainBytes = 1 << 20
	}
	if l.RetainFor <= 0 {
		l.RetainFor = 2 * time.Minute
	}
	if l.TicketFor <= 0 {
		l.TicketFor = l.RetainFor
	}
	if l.Heartbeat <= 0 {
		l.Heartbeat = 100 * time.Millisecond
	}
	if l.Sessions <= 0 {
		l.Sessions = 100_000
	}
	return l
}

// overheadBytes is counted per kept message beside its payload, so that empty messages are bounded too.
const overheadBytes = 64

// window keeps the messages of one direction that the other side has not acknowledged, numbered without gaps from 1.
type window struct {
	first uint64 // number of messages[0]
	bytes int
	kept  [][]byte
}

func newWindow() window { return window{first: 1} }

// last is the number of the newest message, 0 before the first.
func (w *window) last() uint64 { return w.first + uint64(len(w.kept)) - 1 }

// room reports whether a message of n bytes fits.
func (w *window) room(n, limit int) bool { return len(w.kept) == 0 || w.bytes+n+overheadBytes <= limit }

// push keeps a message and gives its number.
func (w *window) push(payload []byte) uint64 {
	w.kept = append(w.kept, payload)
	w.bytes += len(payload) + overheadBytes
	return w.last()
}

// ack forgets everything up to seq. False when seq was never sent.
func (w *window) ack(seq uint64) bool {
	if seq > w.last() {
		return false
	}
	w.forget(seq)
	return true
}

func (w *window) forget(seq uint64) {
	n := 0
	for w.first <= seq {
		w.bytes -= len(w.kept[n]) + overheadBytes
		w.kept[n] = nil
		n++
		w.first++
	}
	w.kept = w.kept[n:]
	if len(w.kept) == 0 {
		w.kept = nil // an idle session holds no array
	}
}

// after lists the kept messages with numbers above seq.
func (w *window) after(seq uint64) [][]byte {
	if seq < w.first {
		return w.kept
	}
	if n := seq - w.first + 1; n < uint64(len(w.kept)) {
		return w.kept[n:]
	}
	return nil
}
