// Package bus carries events from the code that makes them true to whoever watches: panels, the event stream, logs.
//
// Promises: Publish never waits for a subscriber; every queue has a stated bound; an event of the must-deliver class
// reaches every live subscriber that asked for it, in order, or that subscriber is cut off and told so; events of the
// lossy class may be coalesced or dropped, and each loss is counted and reported to the subscriber that suffered it.
// The bus starts no goroutine, so it can leak none.
//
// It imports the root package only. Events on it are already durable (DESIGN section 1): the bus is never a store.
package bus
