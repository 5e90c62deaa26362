package node_test

import (
	"context"
	"errors"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/node"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// keyless stands for whoever has a session's token and not the key.
type keyless struct{ key nexus.PublicKey }

func (k keyless) Public() nexus.PublicKey     { return k.key }
func (k keyless) Sign([]byte) ([]byte, error) { return nil, errors.New("no key") }

// marking signs as a session's agent does: the session stands in each action's id.
type marking struct {
	nexus.Signer
	session string
}

func (m marking) Mark(id *nexus.ID) { wire.MarkSession(id, m.session) }

// inSession opens a session and gives a client of it.
func inSession(t *testing.T, n *node.Node, id string, signer nexus.Signer, unsigned, readOnly bool) (c *control.Client, end func()) {
	t.Helper()
	token, end := n.OpenSession(id, signer.Public(), readOnly)
	c = control.NewSessionClient(n.Socket(), n.Cluster(), signer, token, unsigned)
	t.Cleanup(c.Close)
	return c, end
}

// made is an action that makes a unit.
func made(t *testing.T, signer nexus.Signer, cluster nexus.ID, name string) nexus.Action {
	t.Helper()
	a, err := engine.NewAction(signer, cluster, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: name}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func refused(t *testing.T, what string, err error) {
	t.Helper()
	if nexus.CodeOf(err) != nexus.CodeRefused {
		t.Errorf("%s: %v", what, err)
	}
}

const sessionOne, sessionTwo = "0102030405", "0a0b0c0d0e"

// TestATokenAloneDoesNotAct: the token of a session, the operator's even, reads and changes nothing.
func TestATokenAloneDoesNotAct(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, _, _ := start(t, node.Config{DataDir: dir, Only: []int{2}})
	operator := client(t, dir)
	ctx := context.Background()
	held, _ := inSession(t, n, sessionOne, keyless{operator.Identity()}, true, false)
	var before, after wire.Units
	if err := held.Get(ctx, "/v1/units", nil, &before); err != nil {
		t.Fatalf("a read by the token: %v", err)
	}
	for _, path := range []string{"/v1/invite", "/v1/suites", "/v1/phases/2/rerun"} {
		refused(t, path+" by the token alone", held.Post(ctx, path, struct{}{}, nil))
	}
	// An action that somebody else signed in the operator's name, and one that nobody did.
	forged := made(t, marking{creatorKey(9), sessionOne}, n.Cluster(), "Forged")
	forged.Actor = operator.Identity()
	unsigned := forged
	unsigned.Signature = make([]byte, len(forged.Signature))
	for what, a := range map[string]nexus.Action{"forged": forged, "unsigned": unsigned} {
		if r, err := held.Do(ctx, a); err == nil || r.Index != 0 {
			t.Errorf("an action that is %s: %+v %v", what, r, err)
		}
	}
	// A session without an agent does not act, were its action signed.
	signer := marking{operator.Signer(), sessionTwo}
	reader, _ := inSession(t, n, sessionTwo, signer, true, true)
	_, err := reader.Do(ctx, made(t, signer, n.Cluster(), "Read Only"))
	refused(t, "an act of a read-only session", err)
	if _, err := reader.Try(ctx, made(t, signer, n.Cluster(), "Tried")); err != nil {
		t.Errorf("a dry run of a read-only session: %v", err)
	}
	if err := operator.Get(ctx, "/v1/units", nil, &after); err != nil || len(after.Units) != len(before.Units) {
		t.Errorf("units after all that: %+v %v", after, err)
	}
}

// TestATokenEndsWithItsSession: neither the next session of that key nor anybody else reads by it.
func TestATokenEndsWithItsSession(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, _, _ := start(t, node.Config{DataDir: dir, Only: []int{2}})
	key := keyless{client(t, dir).Identity()}
	first, end := inSession(t, n, sessionOne, key, true, false)
	second, _ := inSession(t, n, sessionTwo, key, true, false)
	end()
	end() // and once more harms nobody
	refused(t, "a read after the end", first.Get(context.Background(), "/v1/head", nil, nil))
	if err := second.Get(context.Background(), "/v1/head", nil, nil); err != nil {
		t.Errorf("the other session: %v", err)
	}
	guess := control.NewSessionClient(n.Socket(), n.Cluster(), key, "00", true)
	defer guess.Close()
	refused(t, "a guessed token", guess.Get(context.Background(), "/v1/head", nil, nil))
}

// TestATokenReadsWhatItsKeyMay: a creator's session sees the creator's own, a stranger's nothing that is not public.
func TestATokenReadsWhatItsKeyMay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, _, _ := start(t, node.Config{DataDir: dir, Only: []int{2}})
	ctx := context.Background()
	one, mine := creator(t, dir, 1)
	_, other := creator(t, dir, 2)
	c, _ := inSession(t, n, sessionOne, keyless{one.Identity()}, true, false)
	var rows wire.Decisions
	if err := c.Get(ctx, "/v1/decisions", nil, &rows); err != nil || len(rows.Decisions) == 0 {
		t.Fatalf("decisions: %v %+v", err, rows)
	}
	for _, row := range rows.Decisions {
		if row.Actor != one.Identity().String() && row.Unit != mine.ID.String() {
			t.Errorf("a creator's session is shown %+v", row)
		}
	}
	if err := c.Get(ctx, "/v1/units/"+mine.ID.String()+"/entries", nil, nil); err != nil {
		t.Errorf("own entries: %v", err)
	}
	refused(t, "another's entries", c.Get(ctx, "/v1/units/"+other.ID.String()+"/entries", nil, nil))
	for _, path := range []string{"/v1/verify", "/v1/audit"} {
		refused(t, path, c.Post(ctx, path, nil, nil))
	}
	stranger, _ := inSession(t, n, sessionTwo, keyless{creatorKey(7).Public()}, true, false)
	refused(t, "a stranger's read", stranger.Get(ctx, "/v1/decisions", nil, nil))
}

// TestAnIdNamesItsOwnSession: what stands in a decision as its session is true.
func TestAnIdNamesItsOwnSession(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, _, _ := start(t, node.Config{DataDir: dir, Only: []int{2}})
	ctx := context.Background()
	home, _ := creator(t, dir, 1)
	_, _ = creator(t, dir, 2)
	mine, others := marking{home.Signer(), sessionOne}, marking{home.Signer(), sessionTwo}
	c, _ := inSession(t, n, sessionOne, mine, false, false)
	for what, try := range map[string]struct {
		by *control.Client
		a  nexus.Action
	}{
		"another session's id":             {c, made(t, others, n.Cluster(), "A")},
		"an id of no session":              {c, made(t, home.Signer(), n.Cluster(), "B")},
		"a session's id from outside":      {home, made(t, mine, n.Cluster(), "C")},
		"another identity in this session": {c, made(t, marking{creatorKey(2), sessionOne}, n.Cluster(), "D")},
	} {
		_, err := try.by.Do(ctx, try.a)
		refused(t, what, err)
		_, err = try.by.Try(ctx, try.a)
		refused(t, what+", dry", err)
	}
	r, err := c.Do(ctx, made(t, mine, n.Cluster(), "Night Show"))
	if err != nil {
		t.Fatal(err)
	}
	var rows wire.Decisions
	if err := c.Get(ctx, "/v1/decisions", nil, &rows); err != nil {
		t.Fatal(err)
	}
	named := map[uint64]string{}
	for _, row := range rows.Decisions {
		if row.Session != "" {
			named[row.Index] = row.Session
		}
	}
	if len(named) != 1 || named[r.Index] != sessionOne {
		t.Errorf("sessions of decisions: %v, want %d: %s", named, r.Index, sessionOne)
	}
}
