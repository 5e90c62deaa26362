package edge

import (
	"errors"
	"net"
	"net/http"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// responder is the smallest honest backend: probes reach it through the gateway, the baseline straight.
type responder struct {
	address string
	server  *http.Server
	done    chan struct{}
}

func startResponder() (*responder, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, &nexus.Error{Op: "edge listen", Code: nexus.CodeUnavailable, Subject: "probe responder", Cause: err,
			Hint: "check that 127.0.0.1 is up and sockets are left"}
	}
	r := &responder{address: ln.Addr().String(), done: make(chan struct{})}
	r.server = &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		MaxHeaderBytes:    4 << 10,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			plainText(w, r, http.StatusOK, "probe")
		}),
	}
	go func() {
		defer close(r.done)
		if err := r.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			_ = ln.Close() // probes will fail and be counted as missed
		}
	}()
	return r, nil
}

func (r *responder) close() error {
	err := r.server.Close()
	<-r.done
	return err
}
