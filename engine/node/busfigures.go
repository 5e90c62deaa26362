package node

import (
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/metrics"
)

// Bus is what this node publishes its events on. A bench publishes on it beside the node; everything else reads events over the control API.
func (n *Node) Bus() *bus.Bus { return n.bus }

// busFigures is what the bus counted, for Prometheus.
func (n *Node) busFigures() metrics.Bus {
	s := n.bus.Stats()
	return metrics.Bus{Published: s.Published, Delivered: s.Delivered, Dropped: s.Dropped, Coalesced: s.Coalesced, CutOff: s.CutOff,
		Subscribers: s.Subscribers, Took: []metrics.Took{took("lossy", s.TookLossy), took("must-deliver", s.TookMust)}}
}

// took sums the ranges up, as Prometheus wants them: each with all below it.
func took(class string, t bus.Took) metrics.Took {
	out := metrics.Took{Class: class, Count: t.Count(), Sum: t.Sum.Seconds(), Buckets: map[float64]uint64{}}
	below := uint64(0)
	for i, limit := range bus.TookLimits() {
		below += t.Counts[i]
		out.Buckets[limit.Seconds()] = below
	}
	return out
}
