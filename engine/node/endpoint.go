package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/metrics"
	"github.com/BobbyBlanco400/nexus-cos/engine/tilelog"
)

// endpoint is a listener that anybody who reaches it may read. There is none unless the operator names an address.
type endpoint struct {
	addr string
	srv  *http.Server
	done chan struct{}
}

// Names of the endpoints: of their checks, and of their addresses in the node file.
const (
	endpointMetrics = "metrics"
	endpointLog     = "log_http"
)

// openMetrics opens what Prometheus asks; it shows all units.
func (n *Node) openMetrics() wire.Check {
	return n.openEndpoint(endpointMetrics, "--metrics", n.cfg.MetricsAddr, "/metrics", metrics.Handler(n.view.picture, n.busFigures))
}

// openLog opens the published log, and beside it what is published monthly; it answers 503 until the ledger is open, and always on a node that holds none.
func (n *Node) openLog() wire.Check {
	open := func() tilelog.Log {
		if e := n.eng.Load(); e != nil {
			return publishedLog{e.Store(), e}
		}
		return nil
	}
	return n.openEndpoint(endpointLog, "--log-http", n.cfg.LogHTTPAddr, "/checkpoint",
		newPublications(n.eng.Load, n.log).beside(tilelog.Handler(open, n.log)))
}

// publishedLog is a ledger as tilelog reads it.
type publishedLog struct {
	engine.Reader
	eng *engine.Engine
}

// Head implements tilelog.Log.
func (l publishedLog) Head() (string, uint64) {
	h := l.eng.PublishedHead()
	return h.Note, h.Checkpoint.Size
}

// openEndpoint opens an endpoint, once, and says so as a check of phase 1.
func (n *Node) openEndpoint(name, flag, addr, path string, h http.Handler) wire.Check {
	n.mu.Lock()
	open := n.endpoints[name]
	n.mu.Unlock()
	if open == nil {
		var lc net.ListenConfig
		ln, err := lc.Listen(n.ctx, "tcp", addr)
		if err != nil {
			return wire.Check{Name: name, Status: wire.StatusFailed, Detail: err.Error(), Remedy: "give another " + flag + " address, or mend what is named"}
		}
		open = &endpoint{addr: ln.Addr().String(), done: make(chan struct{}), srv: &http.Server{Handler: h,
			ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
			ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelWarn)}}
		go func() {
			defer close(open.done)
			if err := open.srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				n.log.Error("endpoint ended", "component", name, "error", err)
			}
		}()
		n.mu.Lock()
		n.endpoints[name] = open
		n.mu.Unlock()
		if err := n.writeNodeFile(); err != nil {
			n.log.Error("node file not written", "component", "node", "error", err)
		}
		n.view.touch()
	}
	return wire.Check{Name: name, Status: wire.StatusPassed, Detail: "http://" + open.addr + path + ", for whoever reaches it"}
}

// closeEndpoint lets running requests end, within bounds.
func (n *Node) closeEndpoint(name string) error {
	n.mu.Lock()
	open := n.endpoints[name]
	delete(n.endpoints, name)
	n.mu.Unlock()
	if open == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := open.srv.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, open.srv.Close())
	}
	<-open.done
	return err
}
