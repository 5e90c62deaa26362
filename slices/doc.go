// Package slices holds the words and the arithmetic of the NN-5G layer: what a network slice is, which classes exist
// and whether a gateway's capacity can carry one more promise. It is pure: no clock, no sockets, no goroutines.
//
// The vocabulary is that of 3GPP (5QI, GFBR as guaranteed and MFBR as ceiling rate, S-NSSAI as SST and SD). The network
// is an application-layer one: these words govern connections and bytes at our own gateways, no radio and no spectrum.
//
// Below it lie shape (buckets, queues, schedulers), meter (histograms and counters) and edge (the gateway). It imports
// the root package only; neither ledger, gates, cluster nor engine may be imported here (docs/ARCHITECTURE.md).
package slices
