package witness

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	requestsMax  = 32 // judged at once; others are told to come again
	sizeType     = "text/x.tlog.size"
	textType     = "text/plain; charset=utf-8"
	addPath      = "/add-checkpoint"
	retrySeconds = "1"
)

// Handler serves POST /add-checkpoint and GET /<hash of an origin>/checkpoint (c2sp.org/tlog-witness). Bodies and requests at once are
// bounded; timeouts are the server's: see Server.
func (w *Witness) Handler() http.Handler {
	busy := make(chan struct{}, requestsMax)
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+addPath, func(rw http.ResponseWriter, r *http.Request) {
		req, ok := read(rw, r)
		if !ok {
			return
		}
		// Counted from here on: whoever sends slowly must hold up nobody but itself.
		select {
		case busy <- struct{}{}:
			defer func() { <-busy }()
		default:
			rw.Header().Set("Retry-After", retrySeconds)
			http.Error(rw, "too many requests at once", http.StatusTooManyRequests)
			return
		}
		w.add(rw, req)
	})
	mux.HandleFunc("GET /{origin}/checkpoint", w.monitor)
	return mux
}

// read takes a request in; false when it was answered with what is wrong with it.
func read(rw http.ResponseWriter, r *http.Request) (Request, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, requestMax))
	if err != nil {
		status := http.StatusBadRequest
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(rw, fmt.Sprintf("a request has at most %d bytes: %v", requestMax, err), status)
		return Request{}, false
	}
	req, err := ParseRequest(body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return Request{}, false
	}
	return req, true
}

func (w *Witness) add(rw http.ResponseWriter, req Request) {
	line, err := w.Add(req)
	var refused *Refusal
	switch {
	case err == nil:
		rw.Header().Set("Content-Type", textType)
		_, _ = io.WriteString(rw, line) // a client that is gone asks again
	case errors.As(err, &refused) && refused.Status == http.StatusConflict:
		rw.Header().Set("Content-Type", sizeType)
		rw.WriteHeader(refused.Status)
		_, _ = fmt.Fprintf(rw, "%d\n", refused.Size)
	case errors.As(err, &refused):
		http.Error(rw, refused.Why, refused.Status)
	default:
		w.log.Error("not cosigned", "component", "witness", "error", err)
		http.Error(rw, "the witness cannot save what it would cosign; its operator was told", http.StatusInternalServerError)
	}
}

// monitor shows the newest checkpoint that was cosigned, so that those who watch the log can compare it with what they were shown.
func (w *Witness) monitor(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Cache-Control", "no-cache")
	for _, l := range w.Watching() {
		if sum := sha256.Sum256([]byte(l.Origin)); hex.EncodeToString(sum[:]) == r.PathValue("origin") && l.Checkpoint != "" {
			rw.Header().Set("Content-Type", textType)
			_, _ = io.WriteString(rw, l.Checkpoint)
			return
		}
	}
	http.Error(rw, "nothing cosigned of a log of this origin", http.StatusNotFound)
}

// Server is an HTTP server with the bounds that a witness needs towards strangers.
func (w *Witness) Server() *http.Server {
	return &http.Server{Handler: w.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
}
