// Package control is the node's local API and its client: HTTP with JSON over a unix socket in the data directory,
// readable by its owner only.
//
// Every request carries a signed Query (Authorization: Nexus <base64 of its canonical bytes>), and a change is a signed
// Action in the body: the socket's file mode is no authority. Reads are judged by the same gates on the applied state
// (SPEC section 1, gate 16). The only unsigned request is GET /v1/hello, which says what is public: cluster, name, state.
//
// It must not decide anything of its own: changes go to engine.Do, reads to the engine's applied state.
package control
