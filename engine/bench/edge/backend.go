package edge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // RFC 6455 names it
	"encoding/base64"
	"encoding/binary"
	"net"
	"strconv"
	"sync"
	"time"
)

// What a backend answers.
const (
	pathSmall     = "/"
	pathLarge     = "/large"
	pathBroadcast = "/broadcast"

	smallBytes     = 256
	largeBytes     = 1 << 20
	broadcastBytes = 1 << 10
	broadcastEvery = 5 * time.Millisecond
)

// backend is the program behind every proxy: it reads a request, writes an answer that was made before, and does nothing else, so
// that what is measured is the proxy.
type backend struct {
	small, large []byte
	mu           sync.Mutex
	beat         chan struct{} // closed and replaced at each broadcast
}

func newBackend() *backend {
	whole := func(n int) []byte {
		head := "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " + strconv.Itoa(n) + "\r\n\r\n"
		return append([]byte(head), bytes.Repeat([]byte("n"), n)...)
	}
	return &backend{small: whole(smallBytes), large: whole(largeBytes), beat: make(chan struct{})}
}

// serve answers until ctx ends.
func (b *backend) serve(ctx context.Context, ln net.Listener) {
	context.AfterFunc(ctx, func() { _ = ln.Close() })
	go b.broadcast(ctx)
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go b.serveConn(ctx, c)
	}
}

func (b *backend) broadcast(ctx context.Context) {
	t := time.NewTicker(broadcastEvery)
	defer t.Stop()
	for ctx.Err() == nil {
		<-t.C
		b.mu.Lock()
		close(b.beat)
		b.beat = make(chan struct{})
		b.mu.Unlock()
	}
}

func (b *backend) nextBeat() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.beat
}

// serveConn takes requests without a body, one after the other.
func (b *backend) serveConn(ctx context.Context, c net.Conn) {
	defer func() { _ = c.Close() }()
	br := bufio.NewReaderSize(c, 8<<10)
	for {
		path, key, err := readRequest(br)
		if err != nil {
			return
		}
		switch path {
		case pathLarge:
			_, err = c.Write(b.large)
		case pathBroadcast:
			b.subscribe(ctx, c, key)
			return
		default:
			_, err = c.Write(b.small)
		}
		if err != nil {
			return
		}
	}
}

// readRequest reads a request's header and gives its path and its WebSocket key.
func readRequest(br *bufio.Reader) (path, key string, err error) {
	for first := true; ; first = false {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return "", "", err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			return path, key, nil
		}
		if first {
			if parts := bytes.Fields(line); len(parts) == 3 {
				path = string(parts[1])
			}
			continue
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("Sec-WebSocket-Key")) {
			key = string(bytes.TrimSpace(value))
		}
	}
}

// subscribe writes every broadcast to a WebSocket until it ends; one that takes nothing misses broadcasts.
func (b *backend) subscribe(ctx context.Context, c net.Conn, key string) {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // RFC 6455, 4.2.2
	head := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"
	if _, err := c.Write([]byte(head)); err != nil {
		return
	}
	message := append([]byte{0x82, 126}, binary.BigEndian.AppendUint16(nil, broadcastBytes)...) // a whole binary message, unmasked
	message = append(message, bytes.Repeat([]byte("n"), broadcastBytes)...)
	for {
		select {
		case <-b.nextBeat():
		case <-ctx.Done():
			return
		}
		if _, err := c.Write(message); err != nil {
			return
		}
	}
}
