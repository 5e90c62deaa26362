//go:build unix

package engine_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster/consensus"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal/keys"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// Words that must be nowhere on a disk as they are; each is looked for in every file.
var canaries = []string{"acct_CANARY_one", "CANARY reason of ada", "CANARY answer to ada", "canary-purpose", "CANARY use of a consent", "tr_CANARY_two",
	"CANARY account is closed", "CANARY set aside", "CANARY given back", "CANARY prize", "CANARY rent", "CANARY please agree"}

// diary is a unit with every kind of personal text in its ledger.
type diary struct {
	*rig
	owner, reader nexus.KeySigner
	unit          nexus.ID
}

func newDiary(t *testing.T, change func(*engine.Config)) *diary {
	t.Helper()
	now := time.Now()
	d := &diary{rig: newRigWith(t, func() time.Time { return now }, change), owner: testKey(1), reader: testKey(2)}
	d.unit = d.create("Shop", "ada", d.owner.Public())
	must := func(s nexus.Signer, kind string, body any) nexus.Receipt {
		t.Helper()
		r, err := d.do(s, kind, d.unit, body)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		return r
	}
	result := func(r nexus.Receipt, v any) {
		t.Helper()
		if err := nexus.Decode(r.Result, v); err != nil {
			t.Fatal(err)
		}
	}
	month := uint32(202001)
	if _, err := d.do(d.operator(), state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
		{Unit: d.unit, EventID: "s", Kind: "sale", Currency: "USD", Minor: 100_000, TimeMs: time.Date(2020, 1, 5, 0, 0, 0, 0, time.UTC).UnixMilli()}}}); err != nil {
		t.Fatal(err)
	}
	must(d.owner, state.KindPayoutSet, state.PayoutSet{Schedule: state.ScheduleManual, Destination: canaries[0]})
	var opened state.PayoutOpened
	result(must(d.owner, state.KindPayoutOpen, state.PayoutOpen{Currency: "USD", Minor: 100}), &opened)
	must(d.operator(), state.KindPayoutPost, state.PayoutSettle{Payout: opened.ID, Reference: canaries[5]})
	result(must(d.owner, state.KindPayoutOpen, state.PayoutOpen{Currency: "USD", Minor: 100}), &opened)
	must(d.operator(), state.KindPayoutVoid, state.PayoutSettle{Payout: opened.ID, Reason: canaries[6]})
	doc, _, err := d.eng.Statement(d.unit, month)
	if err != nil {
		t.Fatal(err)
	}
	must(d.owner, state.KindStatementIssue, state.StatementIssue{Month: month, Size: doc.Size, Digest: doc.Digest()})
	var made state.DisputeMade
	result(must(d.owner, state.KindDisputeOpen, state.DisputeOpen{Month: month, Currency: "USD", Minor: 5, Reason: canaries[1]}), &made)
	must(d.operator(), state.KindDisputeAnswer, state.DisputeEnd{Dispute: made.ID, Accept: true, Minor: 5, Reason: canaries[2]})
	d.consent(d.owner, canaries[3])
	must(d.owner, state.KindConsentUse, state.ConsentUse{Subject: d.owner.Public(), Purpose: canaries[3], What: canaries[4]})
	var hold state.HoldPlaced
	result(must(d.operator(), state.KindHoldPlace, state.HoldPlace{Currency: "USD", Minor: 1, LifeMs: state.HoldLifeMinMs, Reason: canaries[7]}), &hold)
	must(d.operator(), state.KindHoldRelease, state.HoldEnd{Hold: hold.ID, Reason: canaries[8]})
	must(d.operator(), state.KindTransferMake, state.TransferMake{Currency: "USD", Minor: 1, ToOwner: true, Reason: canaries[9]})
	must(d.operator(), state.KindProposalOpen, state.ProposalOpen{Kind: state.KindTransferMake, Reason: canaries[11],
		Body: nexus.Encode(state.TransferMake{Currency: "USD", Minor: 1, Reason: canaries[10]})})
	return d
}

// consent lets a person consent to a purpose of the unit.
func (d *diary) consent(person nexus.KeySigner, purpose string) {
	d.t.Helper()
	var h state.ConsentHistory
	d.eng.View(func(s *state.State) { h = s.ConsentsOf(person.Public()) })
	said := state.ConsentStatement{Subject: person.Public(), Purpose: purpose, Seq: h.Seq + 1, Prev: h.Head}
	if _, err := d.do(person, state.KindConsentGive, d.unit, said); err != nil {
		d.t.Fatal(err)
	}
}

func (d *diary) erase(person nexus.KeySigner) (nexus.Receipt, error) {
	d.t.Helper()
	var number uint32
	d.eng.View(func(s *state.State) { number = s.KeyNumber(person.Public()) })
	return d.do(person, state.KindIdentityErase, nexus.ID{}, state.IdentityErase{Subject: person.Public(), Number: number})
}

// read collects what a reader sees of all sealed texts in the unit's chain, in order, without repetitions.
func (d *diary) read(reader nexus.PublicKey) []string {
	d.t.Helper()
	var out []string
	seen := map[string]bool{}
	err := d.eng.Store().Records(0, d.eng.Store().Applied(), func(r ledger.Record) error {
		personal.Replace(string(r.Command), func(t *personal.Token) string {
			if !seen[t.String()] {
				seen[t.String()] = true
				out = append(out, d.eng.Words(reader, t))
			}
			return ""
		})
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

// files looks for needles in every byte of every file below dirs.
func files(t *testing.T, needles [][]byte, dirs ...string) (found []string, looked int) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			for _, n := range needles {
				if bytes.Contains(b, n) {
					found = append(found, fmt.Sprintf("%q in %s", n, path))
				}
			}
			looked++
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found, looked
}

func (d *diary) secret(person nexus.PublicKey) []byte {
	d.t.Helper()
	s, err := keys.Open(filepath.Join(d.dir, engine.PersonalDir), d.gen.Cluster)
	if err != nil {
		d.t.Fatal(err)
	}
	defer s.Close()
	k, err := s.Find(keys.Ref{Subject: person})
	if err != nil {
		d.t.Fatal(err)
	}
	return k.Secret[:]
}

// The words of a person are nowhere but under a key; whoever may read them does, until the key is destroyed. Then no file and no backup
// holds words or key, every proof, statement and replay gives the same bytes, and everybody is told that they are erased.
func TestErasedWordsAreNowhereAndEverythingVerifies(t *testing.T) {
	t.Parallel()
	d := newDiary(t, nil)
	dir := filepath.Join(t.TempDir(), "backup")
	d.backUp(dir)
	d.readsBefore()
	secret := d.secret(d.owner.Public())
	needles := [][]byte{secret}
	for _, c := range canaries {
		needles = append(needles, []byte(c))
	}
	if found, looked := files(t, needles, d.dir); len(found) != 1 || !strings.Contains(found[0], engine.PersonalDir) || looked < 8 {
		t.Errorf("before: %q in %d files; want the key in its store", found, looked)
	}
	export := d.export()
	doc, issued, err := d.eng.Statement(d.unit, 202001)
	if err != nil || issued == nil {
		t.Fatal(err)
	}
	hash, root, size := d.facts()
	if _, err := d.erase(d.owner); err != nil {
		t.Fatal(err)
	}
	d.readsErased()
	d.backUp(dir)
	if again, _, err := d.eng.Statement(d.unit, 202001); err != nil || again.Digest() != doc.Digest() {
		t.Errorf("the statement came out another: %v", err)
	}
	d.verifies(export)
	d.verifies(d.export())
	if r, err := d.eng.ReplayLog(context.Background(), d.eng.Store().Applied(), 0); err != nil || !r.Same || r.StateHash != stateHash(d.rig) {
		t.Errorf("replay: %+v, %v", r, err)
	}
	if rep, err := d.eng.Verify(context.Background()); err != nil || len(rep.Findings) > 0 {
		t.Errorf("verify: %+v, %v", rep.Findings, err)
	}
	if now, _, _ := d.facts(); now == hash {
		t.Error("the erasure left no trace in the state")
	}
	if at, err := d.eng.RootAt(size); err != nil || at != root {
		t.Errorf("the log up to the erasure is another: %v", err)
	}
	d.close()
	if found, looked := files(t, needles, d.dir, dir); len(found) != 0 {
		t.Errorf("after: %q in %d files", found, looked)
	}
	d.restores(dir, secret, needles)
}

// readsBefore wants the words to be shown to whoever may read them, and to nobody else.
func (d *diary) readsBefore() {
	d.t.Helper()
	want := fmt.Sprint(append([]string{canaries[0], canaries[5], canaries[6], canaries[1], canaries[2], canaries[3], canaries[4]}, canaries[7:]...))
	for who, key := range map[string]nexus.PublicKey{"the person": d.owner.Public(), "an operator": d.operator().Public()} {
		if got := fmt.Sprint(d.read(key)); got != want {
			d.t.Errorf("%s reads %s", who, got)
		}
	}
	for _, words := range d.read(d.reader.Public()) {
		if words != personal.Hidden {
			d.t.Errorf("a stranger reads %q", words)
		}
	}
}

// readsErased wants everybody to be told that the words are erased, and the ledger to say that the node destroyed the key.
func (d *diary) readsErased() {
	d.t.Helper()
	for who, key := range map[string]nexus.PublicKey{"the person": d.owner.Public(), "an operator": d.operator().Public(), "a stranger": d.reader.Public()} {
		list := d.read(key)
		for _, words := range list {
			if words != engine.WordsErased {
				d.t.Errorf("%s reads %q", who, words)
			}
		}
		if len(list) != len(canaries) {
			d.t.Errorf("%s sees %d texts of %d", who, len(list), len(canaries))
		}
	}
	d.eng.View(func(s *state.State) {
		if e := s.ErasureOf(d.owner.Public()); e.Count != 1 || !e.DestroyedBy(d.keys.Node.Public()) {
			d.t.Errorf("the ledger says %+v", e)
		}
	})
}

// restores wants a backup to apply to the same bytes without any key, and a copy of the key that somebody kept to be destroyed before
// anybody is answered.
func (d *diary) restores(parts string, secret []byte, needles [][]byte) {
	d.t.Helper()
	to := filepath.Join(d.t.(*testing.T).TempDir(), "restored")
	hash, root, size := d.facts()
	got, err := engine.Restore(context.Background(), engine.RestoreConfig{Backup: parts, DataDir: to})
	if err != nil || got.Root != root || got.Entries != size {
		d.t.Fatalf("restored %+v, %v", got, err)
	}
	copyKeys(d.t.(*testing.T), d.dir, to)
	d.plant(to, d.owner.Public(), secret)
	if found, _ := files(d.t.(*testing.T), needles, to); len(found) != 1 {
		d.t.Fatalf("the key that was put back is not there: %q", found)
	}
	d.dir = to
	d.open()
	if h, _, _ := d.facts(); h != hash {
		d.t.Error("the restored state is another")
	}
	d.readsErased()
	if found, _ := files(d.t.(*testing.T), needles, to); len(found) != 0 {
		d.t.Errorf("after the restore: %q", found)
	}
}

func stateHash(r *rig) string {
	h, _, _ := r.facts()
	return h.String()
}

// plant writes a person's first key into the store of a data directory.
func (d *diary) plant(dir string, person nexus.PublicKey, secret []byte) {
	d.t.Helper()
	s, err := keys.Open(filepath.Join(dir, engine.PersonalDir), d.gen.Cluster)
	if err != nil {
		d.t.Fatal(err)
	}
	defer s.Close()
	if err := s.Put(personal.Key{Subject: person, Secret: [32]byte(secret)}); err != nil {
		d.t.Fatal(err)
	}
}

func (d *diary) export() []byte {
	d.t.Helper()
	var b bytes.Buffer
	if err := d.eng.Export(context.Background(), &b, &d.unit); err != nil {
		d.t.Fatal(err)
	}
	return b.Bytes()
}

func (d *diary) verifies(export []byte) {
	d.t.Helper()
	rep, err := verify.CheckExport(context.Background(), bytes.NewReader(export), verify.Options{Key: d.keys.Node.Public()})
	if err != nil || !rep.Clean() {
		d.t.Errorf("the export does not verify: %+v, %v", rep, err)
	}
}

// Killed between the entry and the destruction, and between the destruction and its statement: the next start finishes it, before
// anybody is answered.
func TestErasureIsFinishedAfterAKill(t *testing.T) {
	t.Parallel()
	for _, at := range []string{engine.StepErase, engine.StepErased} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			var armed atomic.Bool
			d := newDiary(t, func(c *engine.Config) {
				c.Log.Watch = func(op consensus.Op) error {
					if armed.Load() && op.Step == at {
						return errors.New("killed here")
					}
					return nil
				}
			})
			secret := d.secret(d.owner.Public())
			armed.Store(true)
			r, err := d.erase(d.owner)
			if nexus.CodeOf(err) != nexus.CodeUnavailable || r.Index == 0 {
				t.Fatalf("receipt %+v, %v", r, err)
			}
			// What the node does by itself every few seconds comes no further: it would destroy the key before the copy is made.
			if err := d.eng.Sweep(context.Background()); err == nil {
				t.Fatalf("a sweep does not come through the step %q", at)
			}
			left := filepath.Join(t.TempDir(), "left")
			copyTree(t, d.dir, left)
			if found, _ := files(t, [][]byte{secret}, left); (len(found) == 1) != (at == engine.StepErase) {
				t.Fatalf("a kill at %q leaves %q", at, found)
			}
			eng, _, err := openDir(left)
			if err != nil {
				t.Fatal(err)
			}
			defer eng.Close()
			if found, _ := files(t, [][]byte{secret}, left); len(found) != 0 {
				t.Errorf("after the start: %q", found)
			}
			if err := eng.Sweep(context.Background()); err != nil {
				t.Fatal(err)
			}
			eng.View(func(s *state.State) {
				if e := s.ErasureOf(d.owner.Public()); e.Count != 1 || !e.DestroyedBy(d.keys.Node.Public()) {
					t.Errorf("the ledger says %+v", e)
				}
			})
			// The running node goes on by itself as soon as it can.
			armed.Store(false)
			if err := d.eng.Sweep(context.Background()); err != nil {
				t.Fatal(err)
			}
			if found, _ := files(t, [][]byte{secret}, d.dir); len(found) != 0 {
				t.Errorf("after the sweep: %q", found)
			}
		})
	}
}

// What is not sealed, or sealed for another person, unit or field, never reaches the log.
func TestOnlyOnesOwnSealedTextsAreTaken(t *testing.T) {
	t.Parallel()
	d := newDiary(t, nil)
	other := d.create("Other", "ada", d.owner.Public())
	sealed := func(kind string, unit nexus.ID, body any, into any) {
		t.Helper()
		b, err := d.eng.SealBody(kind, unit, nexus.Encode(body))
		if err == nil {
			err = nexus.Decode(b.Body, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var mine, others state.PayoutSet
	sealed(state.KindPayoutSet, d.unit, state.PayoutSet{Destination: "mine"}, &mine)
	sealed(state.KindPayoutSet, other, state.PayoutSet{Destination: "other unit"}, &others)
	var use, foreign state.ConsentUse
	sealed(state.KindConsentUse, d.unit, state.ConsentUse{Subject: d.owner.Public(), Purpose: canaries[3], What: "issue"}, &use)
	sealed(state.KindConsentUse, d.unit, state.ConsentUse{Subject: d.reader.Public(), Purpose: canaries[3], What: "issue"}, &foreign)
	if use.Purpose == foreign.Purpose {
		t.Fatal("one token for two people")
	}
	set := func(to string) state.PayoutSet { return state.PayoutSet{Destination: to} }
	changed := mine.Destination[:60] + "A" + mine.Destination[61:]
	if changed == mine.Destination {
		changed = mine.Destination[:60] + "B" + mine.Destination[61:]
	}
	k := personal.Key{Subject: d.owner.Public(), Secret: [32]byte(d.secret(d.owner.Public()))}
	own := func(field personal.Field, words string) string { // by somebody who has the key and keeps no rule
		x, err := personal.Seal(&k, d.gen.Cluster, d.unit, field, words, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return x.String()
	}
	size := d.eng.Store().Size()
	for name, c := range map[string]struct {
		kind string
		body any
	}{
		"plain words":            {state.KindPayoutSet, set("acct_plain")},
		"words beside a token":   {state.KindPayoutSet, set("to " + mine.Destination)},
		"of another unit":        {state.KindPayoutSet, set(others.Destination)},
		"of another field":       {state.KindPayoutSet, set(use.What)},
		"of another person":      {state.KindConsentUse, state.ConsentUse{Subject: d.owner.Public(), Purpose: foreign.Purpose}},
		"a byte changed":         {state.KindPayoutSet, set(changed)},
		"the purpose as a use":   {state.KindConsentUse, state.ConsentUse{Subject: d.owner.Public(), Purpose: use.What}},
		"of several lines":       {state.KindPayoutSet, set(own(personal.FieldDestination, "a\nb"))},
		"a purpose with a salt":  {state.KindConsentUse, state.ConsentUse{Subject: d.owner.Public(), Purpose: own(personal.FieldPurpose, canaries[3])}},
		"plain words of another": {state.KindConsentUse, state.ConsentUse{Subject: d.owner.Public(), Purpose: "other"}},
		"a body of another form": {state.KindPayoutSet, state.UnitReason{Reason: "acct_plain"}},
		"in a proposal": {state.KindProposalOpen, state.ProposalOpen{Kind: state.KindTransferMake,
			Body: nexus.Encode(state.TransferMake{Currency: "USD", Reason: "x"})}},
		"about nothing known": {state.KindPayoutVoid, state.PayoutSettle{Reason: "acct_plain"}},
	} {
		a, err := engine.NewAction(d.owner, d.gen.Cluster, c.kind, d.unit, c.body, d.clock())
		if err != nil {
			t.Fatal(err)
		}
		if r, err := d.eng.Do(context.Background(), a); err == nil || r.Index != 0 || d.eng.Store().Size() != size {
			t.Errorf("%s: receipt %+v, %v", name, r, err)
		}
	}
}

// An action that was done is answered again after the key has gone; what was sealed before is taken no more, and new words are.
func TestWordsAfterAnErasure(t *testing.T) {
	t.Parallel()
	d := newDiary(t, nil)
	sealed, err := d.eng.SealBody(state.KindPayoutSet, d.unit, nexus.Encode(state.PayoutSet{Destination: "mine"}))
	if err != nil {
		t.Fatal(err)
	}
	action := func() nexus.Action {
		a, err := engine.NewActionOf(d.owner, d.gen.Cluster, state.KindPayoutSet, d.unit, sealed.Body, d.clock())
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	done := action()
	if _, err := d.eng.Do(context.Background(), done); err != nil {
		t.Fatal(err)
	}
	if _, err := d.erase(d.owner); err != nil {
		t.Fatal(err)
	}
	if r, err := d.eng.Do(context.Background(), done); err != nil || !r.Repeated {
		t.Errorf("a retry: %+v, %v", r, err)
	}
	if _, err := d.eng.Do(context.Background(), action()); nexus.CodeOf(err) != nexus.CodeMalformed {
		t.Errorf("sealed under a key that is erased: %v", err)
	}
	if _, err := d.do(d.owner, state.KindPayoutSet, d.unit, state.PayoutSet{Destination: "acct_new"}); err != nil {
		t.Errorf("after the erasure nothing new can be said: %v", err)
	}
	if _, err := d.do(d.owner, state.KindPayoutSet, d.unit, state.PayoutSet{Destination: "a\nb"}); nexus.CodeOf(err) != nexus.CodeMalformed {
		t.Errorf("a destination of several lines: %v", err)
	}
	if _, err := d.erase(d.owner); err != nil {
		t.Fatal(err)
	}
	d.eng.View(func(s *state.State) {
		if e := s.ErasureOf(d.owner.Public()); e.Count != 2 || !e.DestroyedBy(d.keys.Node.Public()) || s.TermsOf(d.unit, 0) != nil {
			t.Errorf("after the second erasure: %+v", e)
		}
	})
}

// What is sealed already is left as it is, so that a consent's purpose stays the one that was signed.
func TestSealedOnce(t *testing.T) {
	t.Parallel()
	d := newDiary(t, nil)
	b, err := d.eng.SealBody(state.KindConsentUse, d.unit, nexus.Encode(state.ConsentUse{Subject: d.owner.Public(), Purpose: canaries[3]}))
	if err != nil {
		t.Fatal(err)
	}
	var first, again state.ConsentUse
	if err := nexus.Decode(b.Body, &first); err != nil {
		t.Fatal(err)
	}
	b, err = d.eng.SealBody(state.KindConsentUse, d.unit, nexus.Encode(first))
	if err := errors.Join(err, nexus.Decode(b.Body, &again)); err != nil || again.Purpose != first.Purpose || len(b.Keys) != 0 {
		t.Errorf("what is sealed was sealed again: %v", err)
	}
}

// Whoever signs gets the key of each text in the order of the body, and sees with it that the words are theirs.
func TestKeysOfTheMessages(t *testing.T) {
	t.Parallel()
	d := newDiary(t, nil)
	var payout nexus.ID
	d.eng.View(func(s *state.State) { payout = s.Payouts()[0].ID })
	var settle state.PayoutSettle
	change, open := state.TransferMake{Currency: "USD", Minor: 1, Reason: "first"}, state.ProposalOpen{}
	for _, c := range []struct {
		kind string
		body any
		read func([]byte) []string
	}{
		{state.KindPayoutPost, state.PayoutSettle{Payout: payout, Reference: "first", Reason: "second"}, func(b []byte) []string {
			if err := nexus.Decode(b, &settle); err != nil {
				t.Fatal(err)
			}
			return []string{settle.Reference, settle.Reason}
		}},
		{state.KindProposalOpen, state.ProposalOpen{Kind: state.KindTransferMake, Body: nexus.Encode(change), Reason: "second"}, func(b []byte) []string {
			if err := errors.Join(nexus.Decode(b, &open), nexus.Decode(open.Body, &change)); err != nil {
				t.Fatal(err)
			}
			return []string{change.Reason, open.Reason}
		}},
	} {
		b, err := d.eng.SealBody(c.kind, d.unit, nexus.Encode(c.body))
		if err != nil || len(b.Keys) != 2 {
			t.Fatalf("%s: %d keys, %v", c.kind, len(b.Keys), err)
		}
		for i, text := range c.read(b.Body) {
			token, err := personal.Parse(text)
			if err != nil {
				t.Fatalf("%s: %q: %v", c.kind, text, err)
			}
			if words, err := personal.OpenMessage(b.Keys[i], &token, d.gen.Cluster); err != nil || words != []string{"first", "second"}[i] {
				t.Errorf("%s: text %d is %q, %v", c.kind, i, words, err)
			}
		}
	}
}

// An erasure that comes while words are being sealed leaves no key behind, and whoever sealed is told so.
func TestErasedWhileSealing(t *testing.T) {
	t.Parallel()
	var erase atomic.Pointer[func()]
	d := newDiary(t, func(c *engine.Config) {
		c.Log.Watch = func(op consensus.Op) error {
			if f := erase.Load(); op.Step == engine.StepSeal && f != nil {
				(*f)()
			}
			return nil
		}
	})
	once := func() {
		erase.Store(nil)
		if _, err := d.erase(d.owner); err != nil {
			t.Error(err)
		}
	}
	erase.Store(&once)
	set := nexus.Encode(state.PayoutSet{Destination: "acct"})
	if _, err := d.eng.SealBody(state.KindPayoutSet, d.unit, set); nexus.CodeOf(err) != nexus.CodeConflict {
		t.Errorf("sealed under a key that was erased meanwhile: %v", err)
	}
	left, err := os.ReadDir(filepath.Join(d.dir, engine.PersonalDir))
	if err != nil || len(left) != 0 {
		t.Errorf("%v outlived its erasure, %v", left, err)
	}
	if _, err := d.eng.SealBody(state.KindPayoutSet, d.unit, set); err != nil {
		t.Error(err)
	}
}
