// Package edge measures the edge beside other proxies: `nexus bench edge`. Every part is a process of its own, started by the bench
// and ended by its id: two backends (one a tenant), one proxy at a time (this program's edge, nginx, haproxy, caddy, Go's ReverseProxy),
// the generator that measures and the generator that floods. Decision 0019 has the reasons.
//
// Promises: loopback only; configuration and logs in the scratch directory; requests are sent when they are due, whether or not earlier
// ones were answered, and a latency counts from that moment (no coordinated omission); a proxy that is not installed is named as absent
// and given no figures; nothing outlives Run. It needs Linux (epoll). It imports the root, slices and below.
package edge
