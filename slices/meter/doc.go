// Package meter measures slices: latency histograms over a sliding window and for the whole life, and counters of
// requests, bytes, queues and refusals. It promises that recording allocates nothing once a histogram is warm, holds a
// lock only for the time of one array increment, and that a reader blocks a writer for one piece's merge at most (some
// 50 microseconds).
//
// Figures come from what was recorded and from nothing else: without samples a snapshot says Samples 0 and its
// quantiles mean nothing (SPEC section 4: a cell without traffic shows a dash, never 0).
//
// It is the only importer of HdrHistogram besides package edge's tests, and must not import shape, edge or engine.
package meter
