package quicshare

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	routeMax  = 1024                   // parcels that wait for another process; the next is dropped
	writeWait = 200 * time.Millisecond // a process that takes nothing for so long loses what waits
)

// route is the way to another process of the port: a goroutine of its own, so that a process that is slow or stopped holds up nobody else.
type route struct {
	port  *Port
	owner uint16
	queue chan *parcel
	gone  atomic.Bool // the process has ended; its number is never used again
	stop  chan struct{}
}

// routeTo finds or opens the way. There are as many as processes: nobody without the secret can name another.
func (p *Port) routeTo(owner uint16) *route {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.routes[owner]
	if r == nil {
		r = &route{port: p, owner: owner, queue: make(chan *parcel, routeMax), stop: make(chan struct{})}
		p.routes[owner] = r
		if p.isClosed() {
			r.gone.Store(true)
			return r
		}
		p.loops.Go(r.run)
	}
	return r
}

func (r *route) close() { close(r.stop) }

// send never waits.
func (r *route) send(v *parcel) {
	if r.gone.Load() {
		r.orphan(v)
		return
	}
	select {
	case r.queue <- v:
	default:
		r.port.dropped.Add(1)
		parcels.Put(v)
	}
}

// orphan keeps a parcel of a process that has gone: QUIC answers what belongs to no connection by a stateless reset.
func (r *route) orphan(v *parcel) {
	r.port.orphans.Add(1)
	r.port.deliver(v)
}

func (r *route) run() {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: mailbox(r.port.folder, r.owner)})
	if err == nil {
		defer func() { _ = conn.Close() }() // nothing waits in it
	}
	b := make([]byte, 0, parcelMax)
	for {
		select {
		case <-r.stop:
			return
		case v := <-r.queue:
			if err != nil || !r.pass(conn, v.append(b[:0])) {
				r.gone.Store(true)
				r.orphan(v)
				r.drainGone()
				return
			}
			parcels.Put(v)
		}
	}
}

// drainGone keeps what waited when the process was found gone, and what came at the same moment.
func (r *route) drainGone() {
	for {
		select {
		case v := <-r.queue:
			r.orphan(v)
		case <-r.stop:
			return
		}
	}
}

// pass writes one parcel. It reports false when the process has gone; what it does not take in time is dropped.
func (r *route) pass(conn *net.UnixConn, b []byte) bool {
	_ = conn.SetWriteDeadline(time.Now().Add(writeWait)) // fails only once closed, which Write reports
	_, err := conn.Write(b)
	switch {
	case err == nil:
		r.port.passedOn.Add(1)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ENOBUFS):
		r.port.dropped.Add(1)
	default:
		return false
	}
	return true
}
