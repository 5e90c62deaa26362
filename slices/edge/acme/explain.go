package acme

import (
	"crypto/x509"
	"errors"
	"net"
	"strings"

	"github.com/mholt/acmez/v3/acme"
)

// explain says what to do about a failed attempt.
func (a *Issuer) explain(host string, cause error) error {
	return failure("certificate of "+host, a.hint(host, cause), cause)
}

func (a *Issuer) hint(host string, cause error) string {
	var problem acme.Problem
	var unknown x509.UnknownAuthorityError
	var dial *net.OpError
	switch {
	case errors.As(cause, &problem):
		return problemHint(host, problem)
	case errors.As(cause, &unknown):
		return "the directory " + a.directory + " shows a certificate that is not trusted here: name its root's file"
	case errors.As(cause, &dial):
		return "check that " + a.directory + " can be reached from this machine"
	}
	return "check the directory " + a.directory + "; it is tried again by itself"
}

// problemHint goes by the error types of RFC 8555, section 6.7.
func problemHint(host string, p acme.Problem) string {
	switch strings.TrimPrefix(p.Type, acme.ProblemTypeNamespace) {
	case "connection", "unauthorized", "tls", "incorrectResponse":
		return "the authority must reach this edge as http://" + host + " (port 80) or https://" + host + " (port 443): check DNS and firewall"
	case "dns":
		return "make an A or AAAA record of " + host + " that leads to this edge"
	case "caa":
		return "the CAA record of " + host + " must allow this authority"
	case "rateLimited":
		return "the authority counts attempts: wait as long as it says, then it goes on by itself"
	case "rejectedIdentifier", "unsupportedIdentifier":
		return "this authority gives no certificate for " + host + ": choose another host or authority"
	case "externalAccountRequired":
		return "this authority wants an account of its own first; choose one without"
	case "invalidContact", "unsupportedContact":
		return "give an e-mail address that the authority takes"
	}
	return "the authority's own words say it"
}
