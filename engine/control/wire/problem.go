package wire

import (
	"errors"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// plainError is a cause that crossed a process border: its text is all that is left of it.
type plainError string

func (e plainError) Error() string { return string(e) }

func asError(err error) (*nexus.Error, bool) {
	var e *nexus.Error
	ok := errors.As(err, &e)
	return e, ok
}
