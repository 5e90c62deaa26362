// Package shape decides who goes next at a gateway. Bucket is a token bucket; Scheduler hands out bytes to slices in
// small quanta: strict priority only inside a slice's guaranteed rate, deficit round robin for all the rest, never
// above a ceiling; Gate bounds the requests of one slice that are worked on at once and the age and number of those
// that wait.
//
// The decisions are pure: they take the time as an argument and are tested with a clock of the test's own. Scheduler
// and Gate add a mutex, channels and the real clock. Waiters are woken in order; every wait ends by grant, refusal or
// the caller's cancel. Nothing here starts a goroutine.
//
// It imports the standard library only.
package shape
