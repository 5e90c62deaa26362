package edge

import (
	stdslices "slices"
	"strings"
	"sync/atomic"
	"time"
)

// States of what serves a host.
const (
	BackendNotMeasured = "not measured" // no request has come for it since the gateway started
	BackendAnswers     = "answers"      // its last word was an answer, whatever the status
	BackendFailing     = "failing"      // its last word was none
	BackendOut         = "out"          // ejected: gets checks and no requests
	BackendFiles       = "files"        // a folder
	BackendNone        = "nothing deployed"
)

// RouteStats says how one host is served. What was not measured is zero.
type RouteStats struct {
	Host        string      `json:"host"`
	Backend     string      `json:"backend,omitempty"` // address or folder
	State       string      `json:"state"`             // one of the words above
	InARow      int         `json:"failures_in_a_row"`
	LastAnswer  time.Time   `json:"last_answer"`  // when the request began that was answered last
	LastFailure time.Time   `json:"last_failure"` // of a request
	Certificate *CertStatus `json:"certificate,omitempty"`
}

// CertStatus is the certificate of one host. NotAfter zero: there is none.
type CertStatus struct {
	Source   string    `json:"source"`    // who signs: SourceDevCA, or the URL of an ACME directory
	NotAfter time.Time `json:"not_after"` // of the certificate that handshakes show now
	Renews   time.Time `json:"renews"`    // when a new one is due: the last third of its life; zero: not known
	Error    string    `json:"error,omitempty"`
	ErrorAt  time.Time `json:"error_at"` // of the last attempt, if it failed
}

// SourceDevCA names the node's own authority.
const SourceDevCA = "own authority"

// routeHealth is what requests of one host saw of its backend. It outlives tables for as long as the backend is the same.
type routeHealth struct {
	answeredNs, failedNs atomic.Int64 // Unix; 0: never
}

// healthOf keeps the record of a route whose backend stays.
func (s *serving) healthOf(r Route) *routeHealth {
	if t, ok := s.hosts[r.Host]; ok && t.route.Backend == r.Backend && t.route.SliceID == r.SliceID {
		return t.health
	}
	return &routeHealth{}
}

// answered notes that the backend has answered an exchange.
func (x *exchange) answered() {
	x.target.slice.backends.answered(x.address)
	if !x.probe {
		x.target.health.answeredNs.Store(x.beginNs)
	}
}

// failed notes that it gave no response.
func (x *exchange) failed() {
	x.target.slice.backends.failed(x.address, x.target.route.Host)
	if !x.probe {
		x.target.health.failedNs.Store(time.Now().UnixNano())
	}
}

// stats reads how a host is served.
func (t *target) stats(certificate func(host string) CertStatus) RouteStats {
	r := RouteStats{Host: t.route.Host, LastAnswer: unixNs(t.health.answeredNs.Load()), LastFailure: unixNs(t.health.failedNs.Load())}
	switch b := t.route.Backend; {
	case b.Folder != "":
		r.Backend, r.State = b.Folder, BackendFiles
	case b.Address == "":
		r.State = BackendNone
	default:
		r.Backend, r.State = b.Address, BackendNotMeasured
		inARow, out, mended := t.slice.backends.state(b.Address)
		switch r.InARow = inARow; {
		case out:
			r.State = BackendOut
		case inARow > 0, r.LastFailure.After(r.LastAnswer) && r.LastFailure.After(mended):
			r.State = BackendFailing
		case !r.LastAnswer.IsZero() || !mended.IsZero():
			r.State = BackendAnswers
		}
	}
	if certificate != nil {
		c := certificate(t.route.Host)
		r.Certificate = &c
	}
	return r
}

// state gives a backend's failures in a row, whether it is out, and when it last answered after a failure.
func (b *backends) state(address string) (inARow int, out bool, mended time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	mended = unixNs(b.mended[address])
	if f := b.failing[address]; f != nil {
		return f.inARow, f.ejected, mended
	}
	return 0, false, mended
}

func unixNs(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

func sortRoutes(list []RouteStats) {
	stdslices.SortFunc(list, func(a, b RouteStats) int { return strings.Compare(a.Host, b.Host) })
}
