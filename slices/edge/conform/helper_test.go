package conform_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// unit makes the slice of a test unit, changed by edit.
func unit(name string, edit ...func(*slices.Slice)) slices.Slice {
	s := slices.Default(nexus.DeriveID("test-unit", []byte(name)), name)
	for _, e := range edit {
		e(&s)
	}
	return s
}

// site is one host of a gateway under test.
type site struct {
	host  string
	slice slices.Slice
	serve http.Handler
}

// world is a gateway with its certificates.
type world struct {
	*edge.Gateway
	ca *edge.DevCA
}

// start brings a gateway up on plain, TLS and, if edit says so, QUIC, and closes it at the end of the test.
func start(t *testing.T, sites []site, edit ...func(*edge.Config)) world {
	t.Helper()
	ca, err := edge.OpenDevCA("")
	if err != nil {
		t.Fatal(err)
	}
	config := edge.Config{Addr: "127.0.0.1:0", TLSAddr: "127.0.0.1:0", Certificate: ca.Certificate}
	for _, e := range edit {
		e(&config)
	}
	g, err := edge.New(config)
	if err != nil {
		t.Fatal(err)
	}
	var routes []edge.Route
	var set []slices.Slice
	for _, s := range sites {
		b := httptest.NewServer(s.serve)
		t.Cleanup(b.Close)
		routes = append(routes, edge.Route{Host: s.host, Unit: s.slice.Unit, SliceID: s.slice.ID, RouteIndex: 7,
			Backend: edge.Backend{Address: b.Listener.Addr().String()}})
		set = append(set, s.slice)
	}
	table, err := edge.NewTable(routes, set)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Swap(table); err != nil {
		t.Fatal(err)
	}
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(100 * time.Millisecond); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return world{g, ca}
}

func portOf(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
