package nexus

import (
	"errors"
	"fmt"
	"strings"
)

// Code says what kind of failure an Error is. Codes cross processes: the command line maps them to exit codes
// (CLI.md), scripts match on them, so they never change meaning.
type Code string

// The codes. Each maps to one exit code of the command line.
const (
	CodeMalformed   Code = "malformed"   // input that cannot be parsed or breaks a stated limit; exit 2
	CodeUsage       Code = "usage"       // wrong usage or configuration; exit 2
	CodeNoNode      Code = "no_node"     // no node answers; exit 3
	CodeRefused     Code = "refused"     // refused by a gate; exit 4
	CodeConflict    Code = "conflict"    // same id with other content, name taken, directory held; exit 1
	CodeNotFound    Code = "not_found"   // nothing of that name; exit 1
	CodeCorrupt     Code = "corrupt"     // stored bytes are not what was written; exit 1
	CodeUnavailable Code = "unavailable" // cannot be done now: no leader, disk full, a limit reached, stopping; exit 1
	CodeUnfit       Code = "unfit"       // this machine lacks what is needed; exit 1
	CodeInternal    Code = "internal"    // a broken invariant; exit 1
)

// Error is the one error type that crosses package and process borders: operation, code, subject, cause and the way
// out. It prints as "op: subject: cause (hint)".
type Error struct {
	Op      string // what was being done: "imvu create"
	Code    Code
	Subject string // the thing and its value: `name "A B"`
	Cause   error  // may be nil
	Hint    string // the way out, an order in lower case; may be empty
}

// Error implements error.
func (e *Error) Error() string {
	parts := make([]string, 0, 3)
	for _, p := range []string{e.Op, e.Subject} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if e.Cause != nil {
		parts = append(parts, e.Cause.Error())
	} else {
		parts = append(parts, string(e.Code))
	}
	s := strings.Join(parts, ": ")
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errf builds an Error whose cause is a formatted text.
func Errf(op string, code Code, subject, hint, format string, args ...any) *Error {
	return &Error{Op: op, Code: code, Subject: subject, Hint: hint, Cause: fmt.Errorf(format, args...)}
}

// CodeOf returns the code of the outermost Error in err's chain, CodeInternal when there is none, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
