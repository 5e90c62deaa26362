package state

import (
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
)

// Personal texts (decision 28): which fields of an action's body are a person's, and whose. They are sealed before the action is signed,
// so the machine, every replica and every replay see sealed texts only and decide nothing by their words. What it has to recognise
// again, the purpose of a consent, is sealed to the same token each time.

// maxPersonalWords bounds the words of a personal text without a bound of its own, before they are sealed, in bytes.
const maxPersonalWords = 2048

// PersonalText is one personal field of a body.
type PersonalText struct {
	Name    string // as in docs/reference/actions.md
	Field   personal.Field
	Subject nexus.PublicKey // whose it is
	Same    bool            // sealed to the same token each time
	Max     int             // bytes of the words
	OneLine bool            // no control characters
	Known   bool            // these very words stand in the ledger unsealed, from before texts were sealed: they may be said again
	Text    *string         // in the body
}

// Fits holds the words to their bounds. Error: nexus.CodeMalformed.
func (p *PersonalText) Fits(words string) error {
	switch {
	case len(words) > p.Max:
		return nexus.Errf("personal text", nexus.CodeMalformed, p.Name, fmt.Sprintf("at most %d bytes", p.Max), "%d bytes", len(words))
	case !utf8.ValidString(words):
		return nexus.Errf("personal text", nexus.CodeMalformed, p.Name, "text in UTF-8", "is none")
	case p.OneLine && strings.ContainsFunc(words, control):
		return nexus.Errf("personal text", nexus.CodeMalformed, p.Name, "one line of text", "holds control characters")
	}
	return nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// HasPersonal reports whether bodies of a kind hold personal texts, or a change that may.
func HasPersonal(kind string) bool { return personalOf[kind] != nil || kind == KindProposalOpen }

// PersonalBody is a decoded body with its personal texts, which may be written to.
type PersonalBody struct {
	Texts []PersonalText
	body  any
	inner *PersonalBody // of the change that a proposal holds
}

// Encode gives the canonical bytes of the body as it is now.
func (b *PersonalBody) Encode() []byte {
	if p, ok := b.body.(*ProposalOpen); ok && b.inner != nil {
		p.Body = b.inner.Encode()
	}
	return nexus.Encode(reflect.ValueOf(b.body).Elem().Interface())
}

// PersonalBodyOf decodes a body and finds its personal texts and whose they are; nil for a kind that has none. Errors:
// nexus.CodeMalformed for a body of another form, nexus.CodeNotFound when what it is about is not known.
func (s *State) PersonalBodyOf(kind string, unit nexus.ID, body []byte) (*PersonalBody, error) {
	if kind == KindProposalOpen {
		return s.personalProposal(unit, body)
	}
	read := personalOf[kind]
	if read == nil {
		return nil, nil
	}
	var err error
	out := &PersonalBody{}
	decode := func(v any) bool {
		if err = nexus.Decode(body, v); err != nil {
			err = nexus.Errf(kind, nexus.CodeMalformed, "body", "build the action with the nexus command or the API", "%v", err)
		}
		out.body = v
		return err == nil
	}
	out.Texts = read(s, unit, decode)
	if err == nil && out.Texts == nil {
		err = nexus.Errf(kind, nexus.CodeNotFound, "what it is about", "see nexus revenue balance, hold list, payout list or dispute show",
			"not known on unit %s", unit)
	}
	return out, err
}

// personalProposal finds the personal texts of the change that a proposal holds; the reason for such a change is the same person's.
func (s *State) personalProposal(unit nexus.ID, body []byte) (*PersonalBody, error) {
	var b ProposalOpen
	if err := nexus.Decode(body, &b); err != nil {
		return nil, nexus.Errf(KindProposalOpen, nexus.CodeMalformed, "body", "build the action with the nexus command or the API", "%v", err)
	}
	if personalOf[b.Kind] == nil {
		return nil, nil
	}
	inner, err := s.PersonalBodyOf(b.Kind, unit, b.Body)
	if err != nil {
		return nil, err
	}
	out := &PersonalBody{body: &b, inner: inner, Texts: inner.Texts}
	reason := reasonText(&b.Reason)
	reason.Subject = inner.Texts[0].Subject
	out.Texts = append(out.Texts, reason)
	return out, nil
}

// personalOf lists the kinds with personal texts, each with a reader of its body, which names the texts in the order of the body. A reader
// gives nil when decode failed or when it cannot tell whose the texts are.
var personalOf = map[string]func(s *State, unit nexus.ID, decode func(any) bool) []PersonalText{
	KindPayoutSet: func(s *State, unit nexus.ID, decode func(any) bool) []PersonalText {
		var b PayoutSet
		if !decode(&b) {
			return nil
		}
		return s.ownersTexts(unit, b.Period, PersonalText{Name: "destination", Field: personal.FieldDestination, Max: maxDestinationBytes, OneLine: true,
			Text: &b.Destination})
	},
	KindPayoutPost: payoutSettleTexts,
	KindPayoutVoid: payoutSettleTexts,
	KindDisputeOpen: func(s *State, unit nexus.ID, decode func(any) bool) []PersonalText {
		var b DisputeOpen
		if !decode(&b) {
			return nil
		}
		return s.ownersTexts(unit, b.Period, reasonText(&b.Reason))
	},
	KindTransferMake: func(s *State, unit nexus.ID, decode func(any) bool) []PersonalText {
		var b TransferMake
		if !decode(&b) {
			return nil
		}
		return s.ownersTexts(unit, b.Period, reasonText(&b.Reason))
	},
	KindHoldPlace: func(s *State, unit nexus.ID, decode func(any) bool) []PersonalText {
		var b HoldPlace
		if !decode(&b) {
			return nil
		}
		return s.ownersTexts(unit, b.Period, reasonText(&b.Reason))
	},
	KindHoldRelease:     holdEndTexts,
	KindHoldCapture:     holdEndTexts,
	KindDisputeAnswer:   disputeEndTexts,
	KindDisputeWithdraw: disputeEndTexts,
	KindConsentGive:     consentTexts,
	KindConsentWithdraw: consentTexts,
	KindConsentUse: func(s *State, unit nexus.ID, decode func(any) bool) []PersonalText {
		var b ConsentUse
		if !decode(&b) {
			return nil
		}
		return []PersonalText{s.purposeText(unit, b.Subject, &b.Purpose),
			{Name: "what", Field: personal.FieldUse, Subject: b.Subject, Max: maxPersonalWords, Text: &b.What}}
	},
}

func reasonText(text *string) PersonalText {
	return PersonalText{Name: "reason", Field: personal.FieldReason, Max: maxPersonalWords, Text: text}
}

func payoutSettleTexts(s *State, unit nexus.ID, decode func(any) bool) []PersonalText {
	var b PayoutSettle
	if !decode(&b) {
		return nil
	}
	p := s.money.Payouts[b.Payout]
	if p == nil || p.Unit != unit {
		return nil
	}
	return s.ownersTexts(unit, p.Period,
		PersonalText{Name: "reference", Field: personal.FieldReference, Max: maxPersonalWords, Text: &b.Reference}, reasonText(&b.Reason))
}

func holdEndTexts(s *State, unit nexus.ID, decode func(any) bool) []PersonalText {
	var b HoldEnd
	if !decode(&b) {
		return nil
	}
	h := s.money.Holds[b.Hold]
	if h == nil || h.Unit != unit {
		return nil
	}
	return s.ownersTexts(unit, h.Period, reasonText(&b.Reason))
}

func disputeEndTexts(s *State, unit nexus.ID, decode func(any) bool) []PersonalText {
	var b DisputeEnd
	if !decode(&b) {
		return nil
	}
	d := s.disputes[b.Dispute]
	if d == nil || d.Unit != unit {
		return nil
	}
	return s.ownersTexts(unit, d.Period, reasonText(&b.Reason))
}

func consentTexts(s *State, unit nexus.ID, decode func(any) bool) []PersonalText {
	var b ConsentStatement
	if !decode(&b) {
		return nil
	}
	return []PersonalText{s.purposeText(unit, b.Subject, &b.Purpose)}
}

func (s *State) purposeText(unit nexus.ID, subject nexus.PublicKey, text *string) PersonalText {
	known := false
	if h := s.consents[subject]; h != nil {
		known = h.find(unit, *text) != nil
	}
	return PersonalText{Name: "purpose", Field: personal.FieldPurpose, Subject: subject, Same: true, Max: maxConsentPurpose, Known: known, Text: text}
}

// ownersTexts says that texts are those of a period's owner.
func (s *State) ownersTexts(unit nexus.ID, period uint32, texts ...PersonalText) []PersonalText {
	all := s.Periods(unit)
	if uint64(period) >= uint64(len(all)) {
		return nil
	}
	for i := range texts {
		texts[i].Subject = all[period].Owner
	}
	return texts
}

// withinSealed reports whether a text is one sealed text of at most most bytes, rounded up to what its length tells.
func withinSealed(text string, most int) bool {
	t, err := personal.Parse(text)
	return err == nil && t.TextMax() < most+32
}

// stale reports whether a text is sealed under a key that the ledger says is erased.
func (s *State) stale(text string) bool {
	t, err := personal.Parse(text)
	return err == nil && t.Header.Number < s.KeyNumber(t.Header.Subject)
}

// fresh refuses a text that was sealed before its person's key was erased and comes after it.
func (st *step) fresh(texts ...string) {
	for _, text := range texts {
		if st.s.stale(text) {
			st.fail(nexus.CodeConflict, "personal text", "say it again", "sealed under a key that was erased since")
		}
	}
}

// MayReadPersonal reports whether a reader may see a person's words: the person, under the own key or its successor, who acts for the
// platform, and of consents the owner of the unit.
func (s *State) MayReadPersonal(reader nexus.PublicKey, t *personal.Token) bool {
	h := &t.Header
	if reader == h.Subject || s.heir(h.Subject) == reader || s.actsFor(reader) {
		return true
	}
	if h.Field != personal.FieldPurpose && h.Field != personal.FieldUse {
		return false
	}
	u := s.Units[h.Unit]
	return u != nil && u.Owner == reader && s.Identities[reader] != nil
}
