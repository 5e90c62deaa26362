package session

import (
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Follow applies one change of another home to this one, which stands by as its buddy: it holds the same sessions and serves
// none of them until a client comes with a ticket it can read. Error: nexus.CodeConflict when the change does not go on from
// what is held, which means that changes were lost and the session must not be resumed from here.
func (h *Home) Follow(now time.Time, op Op) error {
	s := h.all[op.Session]
	if op.Kind == OpOpen {
		if s != nil {
			return followError(op, "is held already")
		}
		h.all[op.Session] = &live{id: op.Session, slice: op.Slice, down: newWindow(), lostAt: now}
		return nil
	}
	if s == nil {
		return followError(op, "is not held")
	}
	s.lostAt = now
	switch op.Kind {
	case OpEpoch:
		s.epoch = max(s.epoch, op.Number)
	case OpConfirm:
		s.confirmed = max(s.confirmed, op.Number)
	case OpSend:
		s.down.push(op.Payload)
	case OpAcked:
		if !s.down.ack(op.Number) {
			return followError(op, "acknowledges more than was sent")
		}
	case OpReceive:
		s.received = max(s.received, op.Number)
	case OpEnd:
		delete(h.all, op.Session)
	default:
		return followError(op, "unknown change")
	}
	return nil
}

func followError(op Op, why string) error {
	return nexus.Errf("session follow", nexus.CodeConflict, "session "+op.Session.String(), "give the home a new buddy", "change %d: %s", op.Kind, why)
}
