package wire

import (
	"encoding/hex"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// The id of an action done in an SSH session is four marking bytes, the session's five, and seven random ones. Its actor signs
// it and every gate decision names it, so each decision says in which session it was asked for. The node takes such an id from
// the session itself only, and no other id from it.
const (
	sessionMark    = "SSH\x01"
	SessionIDBytes = 5
)

// MarkSession writes a session, ten hexadecimal digits, into the id of an action. A session of another form leaves it alone.
func MarkSession(id *nexus.ID, session string) {
	raw, err := hex.DecodeString(session)
	if err != nil || len(raw) != SessionIDBytes {
		return
	}
	copy(id[:], sessionMark)
	copy(id[len(sessionMark):], raw)
}

// SessionOf is the session that an action was asked for in; empty when it was in none.
func SessionOf(action nexus.ID) string {
	if string(action[:len(sessionMark)]) != sessionMark {
		return ""
	}
	return hex.EncodeToString(action[len(sessionMark) : len(sessionMark)+SessionIDBytes])
}
