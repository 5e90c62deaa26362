package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"mime/multipart"
	"net/textproto"
	"os"
	"path"
	"sort"
	"strconv"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/journal"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/engine/statement"
	"github.com/BobbyBlanco400/nexus-cos/engine/statement/page"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// Headers of a part of the stream.
const (
	pathHeader    = "Content-Location"
	stepHeader    = "Nexus-Step"    // "3/20": this part and how many there will be
	percentHeader = "Nexus-Percent" // "45": how much of the bundle is made when this part begins
)

// part is one file of a bundle before it is written.
type part struct {
	path   string
	what   string
	passes int // along the unit's entries, that it takes
	write  func(ctx context.Context, w io.Writer) error
}

// Told takes how far a bundle is: the part at hand, from 1, of how many, its path, and how much of all is made, in per cent below 100.
type Told func(part, of int, path string, percent int)

// Write sends a unit's bundle as the parts of a multipart stream, the manifest and its signature last. The unit goes on as it is: all of it
// is read under one checkpoint. Told is called before each part and whenever a per cent more is made, from the caller's goroutine; nil tells
// nobody. An error leaves the stream without its end, and Receive refuses it.
func Write(ctx context.Context, eng *engine.Engine, unit nexus.ID, w *multipart.Writer, told Told) error {
	if told == nil {
		told = func(int, int, string, int) {}
	}
	s, err := gather(eng, unit)
	if err != nil {
		return err
	}
	parts, err := s.parts(ctx)
	if err != nil {
		return err
	}
	sort.Slice(parts, func(i, j int) bool { return parts[i].path < parts[j].path })
	of := len(parts) + 2 // the manifest and its signature
	for _, p := range parts {
		s.work.all += s.work.cost(p.passes)
	}
	s.work.all += 2 * s.work.cost(0)
	begin := func(number, passes int, path string) (io.Writer, error) {
		percent := s.work.begin(s.work.cost(passes), func(percent int) { told(number, of, path, percent) })
		told(number, of, path, percent)
		return w.CreatePart(textproto.MIMEHeader{pathHeader: {path}, stepHeader: {fmt.Sprintf("%d/%d", number, of)}, percentHeader: {strconv.Itoa(percent)}})
	}
	for i, p := range parts {
		out, err := begin(i+1, p.passes, p.path)
		if err != nil {
			return err
		}
		sum := &summed{w: out, sum: sha256.New()}
		if err := p.write(ctx, sum); err != nil {
			return fmt.Errorf("%s: %w", p.path, err)
		}
		s.manifest.Files = append(s.manifest.Files, verify.ManifestFileLine{Path: p.path, Size: sum.n, SHA256: nexus.Hash(sum.sum.Sum(nil)), What: p.what})
	}
	raw, err := s.manifest.Bytes()
	if err != nil {
		return err
	}
	signature, err := eng.SignBundle(unit, raw)
	if err != nil {
		return err
	}
	for i, last := range []struct {
		path string
		text []byte
	}{{verify.ManifestFile, raw}, {verify.SignatureFile, []byte(signature)}} {
		out, err := begin(len(parts)+1+i, 0, last.path)
		if err != nil {
			return err
		}
		if _, err := out.Write(last.text); err != nil {
			return err
		}
	}
	return w.Close()
}

// summed counts and hashes what is written.
type summed struct {
	w   io.Writer
	n   int64
	sum hash.Hash
}

func (s *summed) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	s.n += int64(n)
	s.sum.Write(b[:n])
	return n, err
}

// source is one unit as it leaves: a picture of the state and the log under one checkpoint.
type source struct {
	eng      *engine.Engine
	frozen   *engine.Frozen
	unit     state.Unit
	docs     documents
	issued   []state.IssuedStatement
	imports  []state.Imported
	nowMs    int64
	owner    string
	manifest verify.Manifest
	work     work
}

func gather(eng *engine.Engine, unit nexus.ID) (*source, error) {
	s := &source{eng: eng}
	var none error
	f, err := eng.Freeze(unit, func(st *state.State) {
		u := st.Units[unit]
		if u == nil {
			none = nexus.Errf("write bundle", nexus.CodeNotFound, "unit "+unit.String(), "list units with nexus imvu list", "no such unit")
			return
		}
		s.unit, s.nowMs, s.issued, s.imports = *u, st.TimeMs, st.Statements(unit), st.ImportsOf(unit)
		if id := st.Identities[u.Owner]; id != nil {
			s.owner = id.Name
		}
		s.docs = documentsOf(st, u)
	})
	if err = errors.Join(none, err); err != nil {
		return nil, err
	}
	s.frozen = f
	cp, text := f.Checkpoint()
	key, err := f.Key()
	if err != nil {
		return nil, err
	}
	head := f.Head()
	s.work.entries = head.Seq
	s.manifest = verify.Manifest{Format: verify.BundleFormat, Cluster: cp.Cluster, Key: key, Made: time.UnixMilli(s.nowMs).UTC(), Checkpoint: text,
		Size: cp.Size, UnitSeq: head.Seq, UnitHead: head.Head, Files: []verify.ManifestFileLine{}, NotHeld: notHeld(),
		Unit: verify.ManifestUnit{ID: unit, Label: s.unit.Label, Name: s.unit.Name, Kind: s.unit.Kind.String(), Percent: s.unit.Percent, Owner: s.unit.Owner,
			Status: s.unit.Status}}
	return s, nil
}

// parts lists what the bundle is to hold.
func (s *source) parts(ctx context.Context) ([]part, error) {
	out := []part{
		{"README.txt", "what this folder is, for people", 0, s.readme},
		{"VERIFY.txt", "how to check it with nexus-verify and the public key alone", 0, s.instructions},
		{verify.ExportFile, "every entry of the unit, with the proof that none was left out", exportPasses, s.export},
		{"consents.jsonl", "what people consented to and withdrew, in order", 1, s.entries(ledger.KindConsent)},
		{"words.jsonl", "what the sealed texts in the entries say, as the owner may read them", 1, s.words},
		{"notices.jsonl", "every notice about the unit", 1, s.entries(ledger.KindNotice)},
		{"approvals.jsonl", "every proposal about the unit and what became of it", 1, s.entries(ledger.KindProposal)},
		{"service-level.jsonl", "minutes in which the slice kept its budget, breaches of it, and of its guaranteed rate", 1, s.entries(ledger.KindService)},
		{"ownership-proof.json", "who owns the unit, to be checked offline: nexus platform prove --check", 0, s.ownership},
	}
	for _, format := range journal.Formats() {
		out = append(out, part{"journal." + format, "all postings, for " + format, 1, s.journal(format)})
	}
	for _, d := range s.docs {
		out = append(out, part{d.path, d.what, 0, jsonPart(d.value)})
	}
	statements, err := s.statements(ctx)
	if err != nil {
		return nil, err
	}
	out = append(out, statements...)
	imported, err := s.imported()
	return append(out, imported...), err
}

func jsonPart(v any) func(context.Context, io.Writer) error {
	return func(_ context.Context, w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
}

// entries writes the unit's entries of one kind as JSON lines.
func (s *source) entries(kind ledger.EntryKind) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false)
		return s.each(ctx, func(e *ledger.Entry, _ nexus.Hash) error {
			if e.Kind != kind {
				return nil
			}
			return out.Encode(entryLine{Entry: e.Seq, Number: e.UnitSeq, Time: time.UnixMilli(e.TimeMs).UTC(), Kind: e.Kind.String(),
				Content: state.DescribeBody(e.Kind, e.Body)})
		})
	}
}

type entryLine struct {
	Entry   uint64    `json:"entry"`
	Number  uint64    `json:"number"` // in the unit's chain
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"`
	Content any       `json:"content"`
}

func (s *source) journal(format string) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		j, err := journal.New(w, format, s.unit.Label)
		if err != nil {
			return err
		}
		if err := s.each(ctx, func(e *ledger.Entry, _ nexus.Hash) error { return j.Add(e) }); err != nil {
			return err
		}
		return j.Close()
	}
}

// statements makes every document; each form of it is written when its turn comes.
func (s *source) statements(ctx context.Context) ([]part, error) {
	closed, open, err := s.frozen.Statements(ctx, s.issued, state.MonthOf(s.nowMs))
	if err != nil {
		return nil, err
	}
	var out []part
	add := func(name, status string, d statement.Document) {
		base := path.Join(verify.StatementsDir, name)
		out = append(out, part{base + ".json", "statement for " + d.Month + ", " + status, 0, jsonPart(d)},
			part{base + ".csv", "the same for a spreadsheet", 0, func(_ context.Context, w io.Writer) error { return statement.WriteCSV(w, &d, nil) }},
			part{base + ".pdf", "the same for people", 0, func(_ context.Context, w io.Writer) error {
				return page.Write(w, &d, page.Title{Owner: s.owner + " (" + d.Owner.String() + ")", Status: status})
			}})
	}
	for i, d := range closed {
		add(d.Month, "issued, ledger entry "+strconv.FormatUint(s.issued[i].Entry, 10), d)
	}
	add("open-"+open.Month, "open: all that no issued statement holds", open)
	return out, nil
}

// imported lists the files of the bundles with which the unit came here.
func (s *source) imported() ([]part, error) {
	var out []part
	for _, m := range s.imports {
		dir := engine.ImportPath(s.eng.DataDir(), m.Manifest)
		err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			write := func(ctx context.Context, w io.Writer) error {
				in, err := os.DirFS(dir).Open(name)
				if err != nil {
					return err
				}
				defer in.Close()
				return copyAll(ctx, w, in)
			}
			out = append(out, part{path.Join(verify.ImportedDir, m.Manifest.String(), name), "from log " + m.Origin.String(), 0, write})
			return nil
		})
		if err != nil {
			return nil, nexus.Errf("write bundle", nexus.CodeCorrupt, dir, "bring this folder back from a backup of the data directory",
				"the history that the unit brought with it cannot be read: %w", err)
		}
	}
	return out, nil
}
