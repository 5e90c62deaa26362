package state

import (
	"encoding/hex"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Recordings of SSH sessions (decision 39): the file lies on the node that served the session, the ledger holds its digest.

const (
	maxRecordings    = 4096                   // kept in memory; older ones are in the ledger
	maxRecordedBytes = 1 << 40                // that a recording may claim
	sessionIDLen     = 10                     // hexadecimal digits
	maxRecordedMs    = 7 * 24 * 60 * minuteMs // from begin to end
)

// SessionRecord is the body of session.record: the file that a node wrote of an SSH session.
type SessionRecord struct {
	Session   string          // ten lower-case hexadecimal digits
	Key       nexus.PublicKey // of the identity whose session it was
	StartMs   int64           // Unix milliseconds
	EndMs     int64
	Bytes     int64 // of the file
	SHA256    nexus.Hash
	Truncated bool // the file ends before the session did
}

// RecordingEntry is the body of a KindRecording entry, in the platform's chain.
type RecordingEntry struct {
	Index  uint64 // of the decision that took it
	TimeMs int64
	Node   nexus.PublicKey // that wrote the file
	Record SessionRecord
}

func recordingsPart() part {
	return part{name: "recordings", save: func(s *State) []byte {
		if len(s.recordings) == 0 {
			return nil
		}
		return nexus.Encode(s.recordings)
	}, load: func(s *State, b []byte) error { return nexus.Decode(b, &s.recordings) }}
}

// Recordings gives the newest recorded sessions, oldest first, at most 4096. The slice is a copy.
func (s *State) Recordings() []RecordingEntry { return append([]RecordingEntry(nil), s.recordings...) }

func (st *step) sessionRecord() error {
	var b SessionRecord
	if !st.body(&b) {
		return nil
	}
	st.measured() // what a session was shown is stated by the node that showed it
	raw, err := hex.DecodeString(b.Session)
	span := b.EndMs - b.StartMs
	switch {
	case err != nil || len(b.Session) != sessionIDLen || hex.EncodeToString(raw) != b.Session:
		st.fail(nexus.CodeMalformed, "session id", "ten lower-case hexadecimal digits", "not the id of a session")
	case b.StartMs < 0 || span < 0 || span > maxRecordedMs || b.EndMs > st.now+maxSkewMs || b.Bytes <= 0 || b.Bytes > maxRecordedBytes || b.SHA256.IsZero():
		st.fail(nexus.CodeMalformed, "recording of session "+b.Session, "a past session of at most seven days, its size and digest",
			"from %d to %d, %d bytes", b.StartMs, b.EndMs, b.Bytes)
	case st.s.Identities[b.Key] == nil:
		st.fail(nexus.CodeNotFound, "recording of session "+b.Session, "name the identity whose session it was", "its key is of no identity")
	}
	for i := range st.s.recordings {
		if st.s.recordings[i].Record.Session == b.Session {
			st.fail(nexus.CodeConflict, "recording of session "+b.Session, "a session is recorded once", "decision %d holds one", st.s.recordings[i].Index)
		}
	}
	node := st.cmd.Action.Actor
	st.effect = func() {
		r := RecordingEntry{Index: st.index, TimeMs: st.now, Node: node, Record: b}
		st.s.recordings = append(st.s.recordings, r)
		if over := len(st.s.recordings) - maxRecordings; over > 0 {
			st.s.recordings = append([]RecordingEntry(nil), st.s.recordings[over:]...)
		}
		st.draft(nexus.ID{}, ledger.KindRecording, r)
	}
	return nil
}
