package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"path/filepath"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal/keys"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// PersonalDir is the directory of the keys of personal texts under the data directory. It belongs to no backup of the ledger.
const PersonalDir = identity.PersonalDir

// Words that stand for a personal text which cannot be shown.
const (
	WordsErased = "(erased)"
	WordsNoKey  = "(sealed; its key is not on this node)"
)

// SealedBody is an action's body with its personal texts sealed, ready to be signed.
type SealedBody struct {
	Body []byte                     // canonical bytes
	Keys [][personal.SecretLen]byte // of each text that was sealed, in the order of the body: whoever signs sees that the words are theirs
}

// SealBody seals the personal texts of a body under the keys of the persons whose they are, made when they are missing. What is sealed
// already is left. It changes nothing in the ledger, and nobody learns from it what was sealed before. Errors: those of
// state.PersonalBodyOf; nexus.CodeConflict when the person is erased meanwhile; nexus.CodeUnavailable when the store of keys fails.
func (e *Engine) SealBody(kind string, unit nexus.ID, body []byte) (out SealedBody, err error) {
	var b *state.PersonalBody
	var numbers []uint32
	e.View(func(s *state.State) {
		if b, err = s.PersonalBodyOf(kind, unit, body); err == nil && b != nil {
			numbers = personNumbers(s, b)
		}
	})
	if err != nil || b == nil {
		return SealedBody{Body: body}, err
	}
	if err := e.step(StepSeal); err != nil {
		return out, err
	}
	for i := range b.Texts {
		t := &b.Texts[i]
		if *t.Text == "" || t.Known || personal.Sealed(*t.Text) {
			continue
		}
		if err := t.Fits(*t.Text); err != nil {
			return out, err
		}
		token, key, err := e.sealText(t, unit, numbers[i])
		if err != nil {
			return out, err
		}
		*t.Text = token.String()
		out.Keys = append(out.Keys, key.MessageKey(&token, e.cfg.Cluster))
	}
	e.View(func(s *state.State) {
		for i := range b.Texts {
			if s.KeyNumber(b.Texts[i].Subject) != numbers[i] {
				err = erasedMeanwhile(kind)
			}
		}
	})
	if err != nil { // a key made after its erasure was carried out would stay; it goes like the others
		return out, errors.Join(err, e.destroyErased())
	}
	out.Body = b.Encode()
	return out, nil
}

func personNumbers(s *state.State, b *state.PersonalBody) []uint32 {
	out := make([]uint32, len(b.Texts))
	for i := range b.Texts {
		out[i] = s.KeyNumber(b.Texts[i].Subject)
	}
	return out
}

func erasedMeanwhile(kind string) error {
	return nexus.Errf(kind, nexus.CodeConflict, "personal text", "say it again", "the person's key was erased meanwhile")
}

func (e *Engine) sealText(t *state.PersonalText, unit nexus.ID, number uint32) (personal.Token, *personal.Key, error) {
	known := false
	e.View(func(s *state.State) { known = s.KnowsPerson(t.Subject) })
	key, err := e.personal.Make(keys.Ref{Subject: t.Subject, Number: number}, known)
	if err != nil {
		return personal.Token{}, nil, err
	}
	var random io.Reader = rand.Reader
	if t.Same {
		random = nil
	}
	token, err := personal.Seal(key, e.cfg.Cluster, unit, t.Field, *t.Text, random)
	return token, key, err
}

// checkPersonal refuses an action whose personal texts are not sealed, or sealed for another person, unit or field: what a gate refuses
// stands in the log, so this is looked at before. An action that was done before is answered as ever.
func (e *Engine) checkPersonal(a *nexus.Action) error {
	if !state.HasPersonal(a.Kind) {
		return nil
	}
	var b *state.PersonalBody
	var numbers []uint32
	var err error
	e.View(func(s *state.State) {
		if b, err = s.PersonalBodyOf(a.Kind, a.Unit, a.Body); err == nil && b != nil {
			numbers = personNumbers(s, b)
		}
	})
	for i := 0; err == nil && b != nil && i < len(b.Texts); i++ {
		if *b.Texts[i].Text != "" && !b.Texts[i].Known {
			err = e.checkText(&b.Texts[i], a.Unit, numbers[i])
		}
	}
	if err == nil {
		return nil
	}
	if _, _, found := e.lookUpAction(a, a.Digest()); found {
		return nil
	}
	e.refusals.add("personal")
	return err
}

func (e *Engine) checkText(t *state.PersonalText, unit nexus.ID, number uint32) error {
	bad := func(format string, args ...any) error {
		return nexus.Errf("personal text", nexus.CodeMalformed, t.Name, "send what POST /v1/personal/seal answers (docs/policies.md)", format, args...)
	}
	token, err := personal.Parse(*t.Text)
	if err != nil {
		return bad("is not sealed: it would stand in the ledger for ever")
	}
	if h := &token.Header; h.Subject != t.Subject || h.Unit != unit || h.Field != t.Field || h.Number != number {
		return bad("is sealed for another person, unit or field, or under a key that was erased")
	}
	key, err := e.personal.Find(keys.Ref{Subject: t.Subject, Number: number})
	if err != nil {
		return err
	}
	words, err := key.Open(&token, e.cfg.Cluster)
	if err != nil {
		return bad("does not open: %v", err)
	}
	if err := t.Fits(words); err != nil {
		return err
	}
	if !t.Same {
		return nil
	}
	again, err := personal.Seal(key, e.cfg.Cluster, unit, t.Field, words, nil)
	if err != nil || again.String() != *t.Text {
		return bad("must be sealed to the same text each time")
	}
	return nil
}

// Words gives what a reader may see of a sealed text: the words, or what stands for them.
func (e *Engine) Words(reader nexus.PublicKey, t *personal.Token) string {
	var may, erased bool
	e.View(func(s *state.State) {
		may, erased = s.MayReadPersonal(reader, t), t.Header.Number < s.KeyNumber(t.Header.Subject)
	})
	switch {
	case erased:
		return WordsErased
	case !may:
		return personal.Hidden
	}
	key, err := e.personal.Find(keys.Ref{Subject: t.Header.Subject, Number: t.Header.Number})
	if err != nil {
		if nexus.CodeOf(err) != nexus.CodeNotFound {
			e.cfg.Logger.Error("personal key not read", "component", "engine", "error", err)
		}
		return WordsNoKey
	}
	words, err := key.Open(t, e.cfg.Cluster)
	if err != nil {
		return WordsNoKey
	}
	return words
}

// MessageKey gives a reader the key of one sealed text, to see on the own machine what it says; false: Words says why not.
func (e *Engine) MessageKey(reader nexus.PublicKey, t *personal.Token) (key [personal.SecretLen]byte, ok bool) {
	e.View(func(s *state.State) {
		ok = s.MayReadPersonal(reader, t) && t.Header.Number >= s.KeyNumber(t.Header.Subject)
	})
	if !ok {
		return key, false
	}
	k, err := e.personal.Find(keys.Ref{Subject: t.Header.Subject, Number: t.Header.Number})
	if err != nil {
		return key, false
	}
	if _, err := k.Open(t, e.cfg.Cluster); err != nil {
		return key, false
	}
	return k.MessageKey(t, e.cfg.Cluster), true
}

// erase carries out an erasure that has just become durable, so that its caller hears of it when the key is gone. When that fails the
// erasure stands all the same, and is carried out by the next sweep or start.
func (e *Engine) erase(ctx context.Context) error {
	err := e.carryOut(ctx)
	if err == nil {
		return nil
	}
	return nexus.Errf(state.KindIdentityErase, nexus.CodeUnavailable, "key", "see nexus identity erasures; the node tries again by itself",
		"the erasure is recorded, its key is not destroyed yet: %w", err)
}

// carryOut destroys the keys of everybody whose erasure stands in the ledger and states it in an entry. A crash before leaves keys that the
// next start destroys before it answers anybody; a crash between leaves the statement to the next sweep.
func (e *Engine) carryOut(ctx context.Context) error {
	node := e.cfg.Node.Public()
	var due []state.ErasedKey
	e.View(func(s *state.State) {
		if n := s.Nodes[node]; n == nil || !n.Admitted {
			return
		}
		for _, x := range s.Erasures() {
			if !x.DestroyedBy(node) && len(due) < sweepMost {
				due = append(due, state.ErasedKey{Subject: x.Subject, Number: x.Count})
			}
		}
	})
	if len(due) == 0 {
		return nil
	}
	if err := e.step(StepErase); err != nil { // here, not at the door: a sweep comes through it as well
		return err
	}
	var files uint32
	for _, k := range due {
		n, err := e.destroyBelow(k)
		if err != nil {
			return err
		}
		files += n
	}
	if err := e.step(StepErased); err != nil {
		return err
	}
	_, err := e.Act(ctx, state.KindIdentityErased, nexus.ID{}, state.IdentityErased{Keys: due, Files: files})
	if nexus.CodeOf(err) == nexus.CodeConflict { // another round stated it between the look and the act
		return nil
	}
	return err
}

func (e *Engine) destroyBelow(k state.ErasedKey) (files uint32, err error) {
	for number := range k.Number {
		had, err := e.personal.Destroy(keys.Ref{Subject: k.Subject, Number: number})
		if err != nil {
			return files, err
		}
		if had {
			files++
		}
	}
	return files, nil
}

// destroyErased destroys every key of the store that the ledger says is erased: what a crash left, and what a backup brought back.
func (e *Engine) destroyErased() error {
	list, err := e.personal.List()
	if err != nil {
		return err
	}
	var gone []keys.Ref
	e.View(func(s *state.State) {
		for _, r := range list {
			if r.Number < s.KeyNumber(r.Subject) {
				gone = append(gone, r)
			}
		}
	})
	for _, r := range gone {
		if _, err := e.personal.Destroy(r); err != nil {
			return err
		}
	}
	return nil
}

// openPersonal opens the store of keys and takes out what may not be there. It runs before anybody is answered.
func (e *Engine) openPersonal() (err error) {
	if e.personal, err = keys.Open(filepath.Join(e.cfg.DataDir, PersonalDir), e.cfg.Cluster); err != nil {
		return err
	}
	return e.destroyErased()
}
