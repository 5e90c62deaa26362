package control

import (
	"context"
	"io"
	"net/http"
	"net/url"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// backup streams the records since a place of the log (docs/operate/backup.md). What comes is complete only with its
// trailer: a node that dies or fails on the way leaves it out.
func (s *Server) backup(w http.ResponseWriter, r *http.Request, who caller) (any, error) {
	from, err := uintParam(r, "from", 0)
	if err != nil {
		return nil, err
	}
	size, err := uintParam(r, "size", 0)
	if err != nil {
		return nil, err
	}
	held, end, err := s.backups.take(who.query.Actor)
	if err != nil {
		return nil, err
	}
	defer end()
	out, ended := held.pace(w)
	defer ended()
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := s.engine().Backup(out, from, size); err != nil {
		if out.n() == 0 {
			return nil, err
		}
		s.log.Warn("backup broke off", "component", "control", "error", err)
	}
	return nil, nil
}

// Raw reads an answer that is not JSON. The caller closes it.
func (c *Client) Raw(ctx context.Context, path string, q url.Values) (io.ReadCloser, error) {
	resp, err := c.send(ctx, http.MethodGet, path, q, nil)
	if err != nil {
		return nil, err
	}
	if got := resp.Header.Get("Content-Type"); got != "application/octet-stream" {
		_ = resp.Body.Close()
		return nil, nexus.Errf("ask node", nexus.CodeMalformed, path, "use programs of one version", "it answered with %q", got)
	}
	return resp.Body, nil
}
