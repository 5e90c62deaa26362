package edge

import (
	"fmt"
	"net"
	"path/filepath"
	stdslices "slices"
	"strconv"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// Backend says what serves a host: a program's address or a static folder, never both. The zero Backend is a unit
// without anything deployed: its host answers 503 and says so.
type Backend struct {
	Address string // "127.0.0.1:port", spoken to in HTTP/1.1
	Folder  string // absolute path of a folder of files
}

// Route binds one host to a slice and a backend. RouteIndex is the ledger index of the entry that made the route; every
// response carries it as Nexus-Route, so that anyone can look the route up.
type Route struct {
	Host       string // lower-case DNS name without port or final dot, or an IP address
	Unit       nexus.ID
	SliceID    nexus.ID
	Backend    Backend
	RouteIndex uint64
}

// Table is what the gateway serves: hosts and slices. It is immutable; a change makes a new one and swaps it in. The
// zero number of hosts is allowed: everything is refused.
type Table struct {
	routes map[string]Route
	slices map[nexus.ID]slices.Slice
}

// NewTable checks and indexes routes and slices. It refuses a host claimed twice, a route whose slice is unknown or
// belongs to another unit, and a malformed host or backend, naming the offender.
func NewTable(routes []Route, set []slices.Slice) (*Table, error) {
	t := &Table{routes: make(map[string]Route, len(routes)), slices: make(map[nexus.ID]slices.Slice, len(set))}
	for _, s := range set {
		if err := s.Validate(); err != nil {
			return nil, err
		}
		if _, twice := t.slices[s.ID]; twice {
			return nil, tableError("slice "+s.Name, "give every slice an id of its own", "id %s is listed twice", s.ID)
		}
		t.slices[s.ID] = s
	}
	for _, r := range routes {
		if err := t.addRoute(r); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func tableError(subject, hint, format string, args ...any) error {
	return nexus.Errf("edge table", nexus.CodeMalformed, subject, hint, format, args...)
}

func (t *Table) addRoute(r Route) error {
	host, err := ParseHost(r.Host)
	if err != nil {
		return err
	}
	subject := fmt.Sprintf("host %q", r.Host)
	if host != r.Host {
		return tableError(subject, fmt.Sprintf("write it as %q", host), "not in its one form")
	}
	if first, twice := t.routes[host]; twice {
		return nexus.Errf("edge table", nexus.CodeConflict, subject, "release the first claim",
			"claimed by unit %s (route %d) and unit %s (route %d)", first.Unit, first.RouteIndex, r.Unit, r.RouteIndex)
	}
	s, ok := t.slices[r.SliceID]
	if !ok {
		return tableError(subject, "list the slice in the same table", "slice %s is unknown", r.SliceID)
	}
	if s.Unit != r.Unit {
		return tableError(subject, "use a slice of the route's own unit", "slice %q belongs to unit %s, not %s", s.Name,
			s.Unit, r.Unit)
	}
	if err := r.Backend.validate(subject); err != nil {
		return err
	}
	t.routes[host] = r
	return nil
}

func (b Backend) validate(subject string) error {
	switch {
	case b.Address != "" && b.Folder != "":
		return tableError(subject, "name an address or a folder", "both %q and %q serve it", b.Address, b.Folder)
	case b.Folder != "" && !filepath.IsAbs(b.Folder):
		return tableError(subject, "give an absolute path", "folder %q is relative", b.Folder)
	case b.Address != "":
		host, port, err := net.SplitHostPort(b.Address)
		if err != nil || host == "" {
			return tableError(subject, "write it as 127.0.0.1:8080", "backend address %q", b.Address)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return tableError(subject, "a port is a number from 1 to 65535", "backend address %q", b.Address)
		}
	}
	return nil
}

// Route gives the route of a host in the form of ParseHost.
func (t *Table) Route(host string) (Route, bool) {
	r, ok := t.routes[host]
	return r, ok
}

// Routes lists the routes by host.
func (t *Table) Routes() []Route {
	out := make([]Route, 0, len(t.routes))
	for _, r := range t.routes {
		out = append(out, r)
	}
	stdslices.SortFunc(out, func(a, b Route) int { return strings.Compare(a.Host, b.Host) })
	return out
}

// Slices lists the slices by name, then id.
func (t *Table) Slices() []slices.Slice {
	out := make([]slices.Slice, 0, len(t.slices))
	for _, s := range t.slices {
		out = append(out, s)
	}
	stdslices.SortFunc(out, func(a, b slices.Slice) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(string(a.ID[:]), string(b.ID[:]))
	})
	return out
}

// hostLenMax is the longest DNS name in text form, in bytes (RFC 1035).
const hostLenMax = 253

// ParseHost brings the Host of a request or a configured host into the one form that tables are keyed by: lower case,
// no port, no final dot, IPv6 without brackets. It refuses everything that is neither a DNS name of letters, digits,
// hyphens and underscores nor an IP address, so that no two spellings reach two backends.
func ParseHost(hostport string) (string, error) {
	bad := func(why string) (string, error) {
		return "", tableError(fmt.Sprintf("host %q", hostport), "a DNS name or an IP address", "%s", why)
	}
	if len(hostport) > hostLenMax+len("[]:65535") {
		return bad("too long")
	}
	host := hostport
	if strings.HasPrefix(host, "[") || strings.Count(host, ":") == 1 {
		h, port, err := net.SplitHostPort(host)
		switch {
		case err == nil:
			if _, err := strconv.ParseUint(port, 10, 16); err != nil {
				return bad("bad port")
			}
			host = h
		case strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]"):
			host = host[1 : len(host)-1]
		default:
			return bad("bad port")
		}
		if strings.HasPrefix(hostport, "[") && !strings.Contains(host, ":") {
			return bad("brackets are for IPv6")
		}
	}
	if ip := net.ParseIP(host); ip != nil {
		return ip.String(), nil
	}
	host = strings.TrimSuffix(host, ".")
	if host == "" || len(host) > hostLenMax {
		return bad("empty or too long")
	}
	for label := range strings.SplitSeq(host, ".") {
		if !validLabel(label) {
			return bad("not a DNS name")
		}
	}
	return strings.ToLower(host), nil
}

func validLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		c := label[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
