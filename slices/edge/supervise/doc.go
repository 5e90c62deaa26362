// Package supervise keeps an edge serving while the process that does the work crashes or is replaced by a newer binary (DESIGN
// section 5, decision 21). The supervisor binds the listening sockets and starts a worker process that inherits them.
//
// It promises: a worker that dies is started again, at once the first time and then with a growing pause, while clients that connect
// wait in the sockets' backlog instead of being refused; an upgrade starts the new worker first and retires the old one when the new
// one serves, so no connection is refused and no stream is cut; an upgrade whose new worker does not come up leaves the old one
// in place. A worker that loses its supervisor retires too: it frees the port and finishes its streams.
//
// There may be several groups of workers, each a process. The first accepts; it may hand a connection of which it has taken nothing to another one
// (Passer). What is handed over lies in a queue that the supervisor holds: a worker that dies loses none of it, the next one takes it.
//
// It is for Linux: sockets handed on with their queues, and the credentials that say who made them. On other systems the package is empty.
//
// It knows nothing of slices or HTTP. It imports the root package only.
package supervise
