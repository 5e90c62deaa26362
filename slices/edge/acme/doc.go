// Package acme obtains and renews certificates by ACME (RFC 8555) for the hosts of an edge, by certmagic (decision 22). The challenges
// http-01 and tls-alpn-01 are answered by the gateway's own listeners.
//
// It promises: a certificate is asked for only for hosts that were named to Manage, one certificate a host, never a wildcard; renewal begins
// in the last third of a certificate's life; a failure is logged with what to do and is kept for Status; a certificate that cannot be
// renewed stays in use. Keys and account lie in one folder that only its user can read; processes that share it share the work.
//
// It imports the root package only; the gateway takes it as an edge.Issuer.
package acme
