package roam

import "sync"

// outbox queues frames for one connection. What waits is bounded by the session's window: the core sends no more.
type outbox struct {
	wake chan struct{}

	mu    sync.Mutex
	queue [][]byte
	ended bool
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

func (o *outbox) put(frame []byte, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	o.queue = append(o.queue, frame)
	o.ended = last
	signal(o.wake)
}

// end lets run return after what is queued.
func (o *outbox) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	signal(o.wake)
}

// run writes until the end or an error.
func (o *outbox) run(write func([]byte) error) {
	for {
		o.mu.Lock()
		batch, ended := o.queue, o.ended
		o.queue = nil
		o.mu.Unlock()
		for _, frame := range batch {
			if write(frame) != nil {
				o.end()
				return
			}
		}
		if len(batch) > 0 {
			continue
		}
		if ended {
			return
		}
		<-o.wake
	}
}
