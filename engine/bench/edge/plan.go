package edge

import (
	"fmt"
	"time"
)

// Hosts of the bench. Each is a tenant: a slice here, a server block or a backend elsewhere.
const (
	victimHost     = "victim.test"
	smallHost      = "small.test"
	largeHost      = "large.test"
	handshakesHost = "handshakes.test"
	lorisHost      = "loris.test"
	broadcastHost  = "broadcast.test"
	guaranteedHost = "guaranteed.test"
	greedyHost     = "greedy.test"
	ceilingHost    = "ceiling.test"
)

func hosts() []string {
	return []string{victimHost, smallHost, largeHost, handshakesHost, lorisHost, broadcastHost, guaranteedHost, greedyHost, ceilingHost}
}

// Addresses that requests come from: a proxy that limits by source can tell them apart.
const (
	victimSource   = "127.0.0.1"
	offenderSource = "127.0.0.66"
)

// What the offender has a contract for, where the proxy is tuned, in answers and bytes a second.
const (
	smallContract     = 2_000
	largeContract     = 20_000_000
	broadcastContract = 10_000_000
)

// The promises of the share cases, in bits a second.
const (
	guaranteedBps = 600_000_000
	ceilingBps    = 80_000_000
)

// Load of the measuring tenant, and of the fixed rates.
const (
	victimRate        = 200
	victimConnections = 8
	flooderNice       = 10
	topConnections    = 64
	helloRate         = 1000
)

// tenantLength is how long the measuring tenant asks at least where its percentiles stand by themselves: some 600 requests. Of 200 p99 is the second worst.
const tenantLength = 3050 * time.Millisecond

// rates are the fixed rates of the added latency, in requests a second.
var rates = []struct {
	perSecond   float64
	connections int
}{{1000, 32}, {5000, 64}}

// Load of the added latency over TLS.
const (
	protocolRate        = 1000
	protocolConnections = 32
)

// protocols are those of the added latency over TLS.
func protocols() []string { return []string{protocolH1, protocolH2, protocolH3} }

// overTLS names the line of a protocol.
func overTLS(protocol string) string {
	return fmt.Sprintf("%d rps over TLS, %s", protocolRate, protocol)
}

// flood is one way to be a bad neighbour.
type flood struct {
	name     string
	job      Job
	contract float64 // of the tuned configuration, in unit; 0: the contract says nothing of it
	unit     string  // of the offender's rate
	bytes    bool    // the rate is bytes, not answers
}

func floods() []flood {
	job := func(shape, host, path string, connections int) Job {
		return Job{Shape: shape, Host: host, Path: path, Connections: connections, Source: offenderSource, Nice: flooderNice}
	}
	hellos := job(shapeHellos, handshakesHost, "", 64)
	hellos.Rate = helloRate
	return []flood{
		{"256 connections of small requests", job(shapeClosed, smallHost, pathSmall, 256), smallContract, "requests/s", false},
		{"512 connections of small requests", job(shapeClosed, smallHost, pathSmall, 512), smallContract, "requests/s", false},
		{"64 connections of 1 MiB bodies", job(shapeClosed, largeHost, pathLarge, 64), largeContract, "bytes/s", true},
		{"32 callers of TLS handshakes", job(shapeTLSDials, handshakesHost, "", 32), 0, "handshakes/s", false},
		{"32 callers of QUIC handshakes", job(shapeQUIC, handshakesHost, "", 32), 0, "handshakes/s", false},
		{fmt.Sprintf("%d half QUIC hellos a second", helloRate), hellos, 0, fmt.Sprintf("of %d hellos/s answered", helloRate), false},
		{"2000 slow-loris connections", job(shapeLoris, lorisHost, pathSmall, 2000), 0, "answers/s", false},
		{"256 WebSockets of broadcasts", job(shapeStream, broadcastHost, pathBroadcast, 256), broadcastContract, "bytes/s", true},
	}
}

// overQUIC reports whether only who speaks HTTP/3 can be flooded with it.
func (f flood) overQUIC() bool { return f.job.Shape == shapeQUIC || f.job.Shape == shapeHellos }

// reached words the offender's own rate.
func (f flood) reached(rate float64, tuned bool) string {
	if f.job.Shape == shapeLoris {
		return ""
	}
	if tuned && f.contract > 0 {
		return fmt.Sprintf("offender %.0f %s of %.0f contracted (%.0f %%)", rate, f.unit, f.contract, 100*rate/f.contract)
	}
	return fmt.Sprintf("offender %.0f %s", rate, f.unit)
}

func (f flood) rate(of Figures) float64 {
	if f.bytes {
		return of.bytesRate()
	}
	return of.rate()
}
