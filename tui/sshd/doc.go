// Package sshd serves the console and the command line over SSH, without a shell. It is the door only: it knows how to tell one
// client from another, how many may come and for how long, and hands each session to a handler.
//
// Promises: public keys only, Ed25519 only, and only those that Config.Known knows; no forwarding of ports, sockets or X11, no
// subsystem, no environment but the few words that say how a terminal looks; every queue, count and time is bounded by Limits;
// one client's garbage ends that client's connection and nothing else; Close returns when all goroutines have.
// It holds no key but the host's: what a session signs, the client's own agent signs (decision 0032).
//
// With RecordDir each session's output is recorded (decision 0039): files for their owner only, bounded, readable after a crash.
//
// It must not import the engine: who is known and what a session does come in as functions.
package sshd
