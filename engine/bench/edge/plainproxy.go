package edge

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// plainProxy is what a Go program gets from the standard library: httputil.ReverseProxy with a transport that keeps its connections.
type plainProxy struct {
	Listen, ListenTLS string
	Cert, Key         string            // files
	Backends          map[string]string // host to address
	Bound             int               // requests at once of a host that floods with requests; 0: no bound
}

// Serve serves until ctx ends. Errors: those of the listeners and the certificate.
func (p plainProxy) Serve(ctx context.Context) error {
	transport := &http.Transport{MaxIdleConnsPerHost: 1024, IdleConnTimeout: time.Minute, DisableCompression: true}
	hosts := map[string]http.Handler{}
	for host, address := range p.Backends {
		h := http.Handler(&httputil.ReverseProxy{Transport: transport, ErrorLog: log.New(io.Discard, "", 0),
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(&url.URL{Scheme: "http", Host: address})
				r.Out.Host = r.In.Host
			}})
		if p.Bound > 0 && (host == smallHost || host == largeHost || host == greedyHost) {
			h = bounded(h, p.Bound)
		}
		hosts[host] = h
	}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h, ok := hosts[r.Host]
			if !ok {
				http.Error(w, "no such host", http.StatusNotFound)
				return
			}
			h.ServeHTTP(w, r)
		})}
	cert, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	if err != nil {
		return err
	}
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	plain, err := net.Listen("tcp", p.Listen)
	if err != nil {
		return err
	}
	secure, err := net.Listen("tcp", p.ListenTLS)
	if err != nil {
		_ = plain.Close()
		return err
	}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.ServeTLS(secure, "", "") }() // ends with Close
	_ = server.Serve(plain)                             // ends with Close
	return nil
}

// bounded lets n requests in at once; the others wait.
func bounded(h http.Handler, n int) http.Handler {
	places := make(chan struct{}, n)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
		case <-r.Context().Done():
			return
		}
		defer func() { <-places }()
		h.ServeHTTP(w, r)
	})
}

// decodeProxy reads a plainProxy.
func decodeProxy(in io.Reader) (plainProxy, error) {
	var p plainProxy
	err := json.NewDecoder(in).Decode(&p)
	return p, err
}
