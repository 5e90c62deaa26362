package control

import (
	"net/http"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/engine/statement"
)

// Statement is the answer of GET /v1/statement.
type Statement struct {
	Status   string             `json:"status"` // "issued", "open": over and not issued yet, "draft": still running
	Digest   nexus.Hash         `json:"digest"`
	Owner    string             `json:"owner"` // name of the owner's key
	Decision uint64             `json:"decision,omitempty"`
	Entry    uint64             `json:"entry,omitempty"` // of the issued one; it commits to the digest
	Issued   time.Time          `json:"issued,omitzero"`
	Disputes time.Time          `json:"disputable_until,omitzero"`
	Document statement.Document `json:"document"`
	// Words are what the reader may see of the sealed texts in the document's notes, by sealed text. The digest is over the sealed ones.
	Words map[string]string `json:"words,omitempty"`

	Checkpoint string `json:"checkpoint"` // signed note over a log that holds all of it, cosigned where witnesses answer
	Cosigners  int    `json:"cosigners"`  // other parties that signed that
}

// The words of Statement.Status.
const (
	StatementIssued = "issued"
	StatementOpen   = "open"
	StatementDraft  = "draft"
)

// statement answers GET /v1/statement?unit=&month=YYYY-MM. Whoever may read the unit's ledger may read it (gate 16).
func (s *Server) statement(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	month, err := engine.StatementMonth(r.URL.Query().Get("month"))
	if err != nil {
		return nil, err
	}
	id, err := s.findFor(who, r.URL.Query().Get("unit"))
	if err != nil {
		return nil, err
	}
	d, issued, err := s.engine().Statement(id, month)
	if err != nil {
		return nil, err
	}
	head := s.engine().AttestedHead(r.Context())
	out := Statement{Status: StatementDraft, Digest: d.Digest(), Document: d, Checkpoint: head.Note, Cosigners: head.Cosigners}
	end, _ := state.MonthEndMs(month)
	s.engine().View(func(st *state.State) {
		out.Owner = nameIn(st, d.Owner)
		if st.TimeMs >= end || s.engine().Now().UnixMilli() >= end {
			out.Status = StatementOpen
		}
	})
	if issued != nil {
		out.Status, out.Decision, out.Entry, out.Issued = StatementIssued, issued.Index, issued.Entry, utc(issued.TimeMs)
		out.Disputes = utc(issued.TimeMs + state.DisputeTermMs)
	}
	for i := range d.Moves {
		personal.Replace(d.Moves[i].Note, func(t *personal.Token) string {
			if out.Words == nil {
				out.Words = map[string]string{}
			}
			out.Words[t.String()] = s.engine().Words(who.query.Actor, t)
			return ""
		})
	}
	return out, nil
}

// Note gives a note of the document with the words of Words in it: for readers. The digest is over the sealed texts.
func (s *Statement) Note(note string) string {
	return personal.Replace(note, func(t *personal.Token) string {
		if words, ok := s.Words[t.String()]; ok {
			return words
		}
		return personal.Hidden
	})
}
