package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// pieces gives one piece for each read, then waits until it is ended.
type pieces struct {
	give chan string
}

func (p *pieces) Read(b []byte) (int, error) {
	s, ok := <-p.give
	if !ok {
		return 0, io.ErrUnexpectedEOF
	}
	return copy(b, s), nil
}

// Ctrl-c interrupts what reads nothing, and is a key like another for what reads; nothing that was typed before is lost to it.
func TestGuestInput(t *testing.T) {
	t.Parallel()
	in := &pieces{give: make(chan string)}
	var interrupts atomic.Int32
	interrupted := make(chan struct{}, 9)
	g := newGuestInput(in, func() { interrupts.Add(1); interrupted <- struct{}{} })
	in.give <- "early"
	in.give <- "x\x03y"
	select {
	case <-interrupted:
	case <-time.After(time.Minute):
		t.Fatal("ctrl-c interrupts nothing")
	}
	p := make([]byte, 64)
	n, err := g.Read(p)
	if got := string(p[:n]); err != nil || got != "earlyx\x03y" {
		t.Errorf("typed before it was read: %q, %v", got, err)
	}
	go func() { in.give <- "\x03"; close(in.give) }()
	rest, err := io.ReadAll(g)
	if string(rest) != "\x03" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("typed for what reads: %q, %v", rest, err)
	}
	if interrupts.Load() != 1 {
		t.Errorf("%d interruptions", interrupts.Load())
	}
}

// What nobody reads is bounded, and what somebody reads comes whole, however much of it; one who leaves in the middle holds nothing up.
func TestGuestInputIsBounded(t *testing.T) {
	t.Parallel()
	const much = 100 * 1600
	in := &pieces{give: make(chan string)}
	g := newGuestInput(in, func() {})
	for range 2 * guestAheadMax / 100 {
		in.give <- strings.Repeat("a", 100)
	}
	in.give <- "" // taken in: all before it is too
	g.mu.Lock()
	if len(g.ahead) != guestAheadMax {
		t.Errorf("%d bytes are kept for nobody", len(g.ahead))
	}
	g.mu.Unlock()
	whole := &pieces{give: make(chan string)}
	r := newGuestInput(whole, func() {})
	first := make([]byte, 1)
	go func() {
		whole.give <- "b"
		for range much / 100 {
			whole.give <- strings.Repeat("b", 100)
		}
		close(whole.give)
	}()
	if _, err := r.Read(first); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	if len(rest) != much || !errors.Is(err, io.ErrUnexpectedEOF) || bytes.Count(rest, []byte("b")) != much {
		t.Errorf("%d of %d bytes, %v", len(rest), much, err)
	}
	left := &pieces{give: make(chan string)}
	l := newGuestInput(left, func() {})
	go func() { left.give <- "c" }()
	if _, err := l.Read(first); err != nil {
		t.Fatal(err)
	}
	l.close()
	for range 2 * guestAheadMax / 100 { // is taken all the same
		select {
		case left.give <- strings.Repeat("c", 100):
		case <-time.After(time.Minute):
			t.Fatal("who left holds the input up")
		}
	}
	close(left.give)
	close(in.give)
}
