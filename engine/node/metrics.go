package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/metrics"
)

// scrapeEndpoint is the listener that Prometheus asks. It shows all units, so there is none unless the operator names an address.
type scrapeEndpoint struct {
	addr string
	srv  *http.Server
	done chan struct{}
}

// openMetrics opens the endpoint, once, and says so as a check of phase 1.
func (n *Node) openMetrics() wire.Check {
	check := wire.Check{Name: "metrics", Status: wire.StatusPassed}
	n.mu.Lock()
	open := n.metrics
	n.mu.Unlock()
	if open == nil {
		var lc net.ListenConfig
		ln, err := lc.Listen(n.ctx, "tcp", n.cfg.MetricsAddr)
		if err != nil {
			return wire.Check{Name: check.Name, Status: wire.StatusFailed, Detail: err.Error(), Remedy: "give another --metrics address, or mend what is named"}
		}
		open = &scrapeEndpoint{addr: ln.Addr().String(), done: make(chan struct{}), srv: &http.Server{Handler: metrics.Handler(n.view.picture),
			ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
			ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelWarn)}}
		go func() {
			defer close(open.done)
			if err := open.srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				n.log.Error("metrics ended", "component", "metrics", "error", err)
			}
		}()
		n.mu.Lock()
		n.metrics = open
		n.mu.Unlock()
		if err := n.writeNodeFile(); err != nil {
			n.log.Error("node file not written", "component", "node", "error", err)
		}
		n.view.touch()
	}
	check.Detail = "http://" + open.addr + "/metrics, for whoever reaches it"
	return check
}

// closeMetrics lets a running scrape end, within bounds.
func (n *Node) closeMetrics() error {
	n.mu.Lock()
	open := n.metrics
	n.metrics = nil
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
