package control

import (
	"net/http"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// A request of a read-only session says so in a header that its signature covers: the node then refuses whatever would change
// something, dry runs excepted. It binds a session that an operator or an SSH server opened read-only; it takes no right from
// the key itself.
const (
	modeHeader   = "Nexus-Mode"
	modeReadOnly = "read-only"
)

func errReadOnly(r *http.Request) error {
	return nexus.Errf("act", nexus.CodeRefused, r.Method+" "+r.URL.Path, "leave read-only mode, or act from a session without it",
		"this session is read-only: the node changes nothing for it")
}

// SetReadOnly makes every later request of the client one of a read-only session, or ends that. Safe for concurrent use.
func (c *Client) SetReadOnly(on bool) { c.readOnly.Store(on) }

// ReadOnly reports whether the client's requests are those of a read-only session.
func (c *Client) ReadOnly() bool { return c.readOnly.Load() }

func (c *Client) mode() string {
	if c.ReadOnly() {
		return modeReadOnly
	}
	return ""
}
