package bundle_test

import (
	"bytes"
	"context"
	"mime/multipart"
	"os"
	"path/filepath"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/bundle"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// tamper changes a copy of a bundle.
type tamper func(t *testing.T, dir string)

func edit(name, from, to string) tamper {
	return func(t *testing.T, dir string) {
		path := filepath.Join(dir, name)
		b, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(b, []byte(from)) {
			t.Fatalf("%s: no %q, %v", name, from, err)
		}
		put(t, path, string(bytes.Replace(b, []byte(from), []byte(to), 1)))
	}
}

func remove(name string) tamper {
	return func(t *testing.T, dir string) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func nothing(*testing.T, string) {}

// drop takes a file out of the manifest.
func drop(name string) func(*verify.Manifest) {
	return func(m *verify.Manifest) {
		for i := range m.Files {
			if m.Files[i].Path == name {
				m.Files = append(m.Files[:i], m.Files[i+1:]...)
				return
			}
		}
	}
}

type tamperCase struct {
	change tamper
	want   string
}

// unsigned are changes by whoever has the folder.
func unsigned(foreign string) map[string]tamperCase {
	return map[string]tamperCase{
		"a byte":         {edit("journal.hledger", "1", "2"), "journal.hledger: was changed"},
		"a missing file": {remove("policy.json"), "policy.json: is missing"},
		"an added file":  {func(t *testing.T, d string) { put(t, filepath.Join(d, "gift.txt"), "x") }, "gift.txt: is not in the manifest"},
		"a cut file": {func(t *testing.T, d string) {
			if err := os.Truncate(filepath.Join(d, "export.jsonl"), 1000); err != nil {
				t.Fatal(err)
			}
		}, "it was cut off"},
		"a longer file": {func(t *testing.T, d string) { appendTo(t, filepath.Join(d, "money.json"), " ") }, "more than the manifest says"},
		"a link": {func(t *testing.T, d string) {
			remove("unit.json")(t, d)
			if err := os.Symlink(filepath.Join(foreign, "unit.json"), filepath.Join(d, "unit.json")); err != nil {
				t.Fatal(err)
			}
		}, "no plain file"},
		"the manifest":        {edit("MANIFEST.json", "Ada's shop", "Bob's shop"), "signed over another manifest"},
		"no manifest":         {remove("MANIFEST.json"), "MANIFEST.json: is missing"},
		"no signature":        {remove("MANIFEST.sig"), "MANIFEST.sig: is missing"},
		"a foreign signature": {func(t *testing.T, d string) { copyFile(t, foreign, d, "MANIFEST.sig") }, "not signed by"},
		"another cluster's manifest": {func(t *testing.T, d string) {
			copyFile(t, foreign, d, "MANIFEST.sig")
			copyFile(t, foreign, d, "MANIFEST.json")
		}, "not signed by"},
	}
}

// signedAgain are changes that the node's own key signed: only the content tells.
func signedAgain(r *rig, unit nexus.ID, closed string) map[string]tamperCase {
	again := func(do tamper, change func(*verify.Manifest)) tamper {
		return func(t *testing.T, dir string) {
			do(t, dir)
			r.resign(t, dir, unit, change)
		}
	}
	return map[string]tamperCase{
		"entries left out":    {again(func(t *testing.T, d string) { dropLine(t, filepath.Join(d, "export.jsonl"), 5) }, nil), "export.jsonl"},
		"another unit":        {again(nothing, func(m *verify.Manifest) { m.Unit.ID[0] ^= 1 }), "signed over another manifest"},
		"another checkpoint":  {again(nothing, func(m *verify.Manifest) { m.Size-- }), "another checkpoint than the manifest"},
		"fewer entries":       {again(nothing, func(m *verify.Manifest) { m.UnitSeq-- }), "the manifest says"},
		"a statement less":    {again(remove(closed), drop(closed)), closed + ": is missing"},
		"a statement's sum":   {again(edit(closed, `"net": 2001`, `"net": 1001`), nil), "the ledger commits to"},
		"an incomplete draft": {again(shrinkOpen, nil), "entries were left out or added"},
		"a draft's sum":       {again(func(t *testing.T, d string) { editOpen(t, d, `"net": 787`, `"net": 788`) }, nil), "the entries add up to"},
		"a draft's usage":     {again(func(t *testing.T, d string) { editOpen(t, d, `"quantity": 2000`, `"quantity": 2001`) }, nil), "the entries add up to 2000"},
		"a draft's price":     {again(func(t *testing.T, d string) { editOpen(t, d, `"price": 3`, `"price": 4`) }, nil), "price list 1"},
		"a draft's amount":    {again(func(t *testing.T, d string) { editOpen(t, d, `"amount": 6`, `"amount": 7`) }, nil), "price list 1 says"},
		"a draft's form":      {again(func(t *testing.T, d string) { editOpen(t, d, `"version": 2`, `"version": 1`) }, nil), "lead to form 2"},
		"a journal":           {again(edit("journal.beancount", "19.99", "19.98"), nil), "journal.beancount"},
		"a csv": {again(func(t *testing.T, d string) {
			appendTo(t, filepath.Join(d, strings.TrimSuffix(closed, "json")+"csv"), "x")
		}, nil),
			".csv: is missing, or is not"},
		"no export": {again(remove("export.jsonl"), drop("export.jsonl")), "export.jsonl: is missing"},
	}
}

func TestTamperingIsFound(t *testing.T) {
	t.Parallel()
	r, other := newRig(t), newRig(t)
	unit, ada := r.populate()
	good := r.leave(unit, ada)
	otherUnit, _ := other.populate()
	foreign := other.bundle(otherUnit)
	closed := "statements/" + monthIn(t, good.Dir) + ".json"
	for _, table := range []map[string]tamperCase{unsigned(foreign.Dir), signedAgain(r, unit, closed)} {
		for name, c := range table {
			dir := copyTree(t, good.Dir)
			c.change(t, dir)
			rep, err := bundle.Check(context.Background(), dir, r.eng.NodeKey())
			if err != nil || rep.Clean() || !strings.Contains(strings.Join(rep.Findings, "\n"), c.want) {
				t.Errorf("%s: findings %q, %v; want %q", name, rep.Findings, err, c.want)
			}
		}
	}
	if rep, err := bundle.Check(context.Background(), good.Dir, other.eng.NodeKey()); err != nil || rep.Clean() {
		t.Errorf("under another key: %v", err)
	}
	if rep, err := bundle.Check(context.Background(), copyTree(t, good.Dir), r.eng.NodeKey()); err != nil || !rep.Clean() {
		t.Errorf("the untouched copy: %q, %v", rep.Findings, err)
	}
}

// A unit of which nothing was metered has statements of the first form, which the checker knows as well.
func TestStatementsWithoutUsageVerify(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	rec := r.must(r.keys.Operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Quiet", OwnerName: "eve", OwnerKey: key(3).Public()})
	var made state.UnitCreated
	if err := nexus.Decode(rec.Result, &made); err != nil {
		t.Fatal(err)
	}
	r.sell(made.ID, "a", 1999, "")
	r.issue(made.ID, r.nextMonth())
	got := r.bundle(made.ID)
	if !got.Report.Clean() || got.Report.Statements != 2 {
		t.Errorf("%d statements, findings %q", got.Report.Statements, got.Report.Findings)
	}
}

// FuzzReceive: no stream but a whole one leaves anything at the target.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("--b\r\nContent-Location: MANIFEST.json\r\n\r\n{}\r\n--b\r\nContent-Location: MANIFEST.sig\r\n\r\nx\r\n--b--\r\n"))
	f.Add([]byte("--b\r\nContent-Location: ../x\r\n\r\n{}\r\n--b--\r\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		dir := t.TempDir()
		to := bundle.Receiver{Target: filepath.Join(dir, "out"), Key: key(1).Public()}
		if _, err := to.Receive(context.Background(), multipart.NewReader(bytes.NewReader(stream), "b")); err == nil {
			t.Error("taken for a bundle")
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
			t.Errorf("left behind: %v, %v", list, err)
		}
	})
}
