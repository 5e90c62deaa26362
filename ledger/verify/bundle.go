package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"strconv"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// BundleReport is the outcome of CheckBundle. It is clean when there is no finding.
type BundleReport struct {
	Manifest   Manifest
	Digest     nexus.Hash // SHA-256 of the manifest
	Bytes      int64      // of the files that it lists
	Export     ExportReport
	Statements int            // checked, the open one included
	Came       []BundleReport // from other logs, as the unit's entries name them, oldest first
	Findings   []string
}

// Clean reports whether nothing was found.
func (r *BundleReport) Clean() bool { return len(r.Findings) == 0 }

// CheckBundle checks the bundle of a unit that left with the signer's key alone: that every file is there as the signed manifest lists it and
// no other, that the unit's entries are complete under the checkpoint and keep every rule, that every statement is the one the ledger
// commits to and was made from every entry there was, and the same of each bundle with which the unit came from another log. Of Options it
// takes Cluster, Key, FindingsMax, and what is demanded of the bundle's own checkpoint: Pinned, Witnesses and Quorum (the bundles within are
// of other logs, whose witnesses are others). The error is ctx's or one of reading: whatever is wrong with the bytes is a finding.
func CheckBundle(ctx context.Context, dir fs.FS, o Options) (BundleReport, error) {
	return checkBundle(ctx, dir, o, bundlesDeep)
}

func checkBundle(ctx context.Context, dir fs.FS, o Options, deep int) (BundleReport, error) {
	b := &bundleCheck{ctx: ctx, dir: dir, o: o, deep: deep}
	if o.FindingsMax == 0 {
		b.o.FindingsMax = 100
	}
	err := b.run()
	if err == nil {
		err = ctx.Err()
	}
	return b.out, err
}

type bundleCheck struct {
	ctx      context.Context
	dir      fs.FS
	o        Options
	deep     int
	out      BundleReport
	closings []closing
	came     []cameFrom
}

// cameFrom is what an import's entry says of the bundle that was taken in.
type cameFrom struct {
	origin   nexus.ID
	key      nexus.PublicKey
	manifest nexus.Hash
}

func (b *bundleCheck) wrong(format string, args ...any) {
	if len(b.out.Findings) < b.o.FindingsMax {
		b.out.Findings = append(b.out.Findings, fmt.Sprintf(format, args...))
	}
}

func (b *bundleCheck) run() error {
	if !b.manifest() {
		return nil
	}
	if err := b.files(); err != nil {
		return err
	}
	if err := b.export(); err != nil || !b.out.Clean() {
		return err // what does not stand cannot be compared with
	}
	if err := b.statements(); err != nil {
		return err
	}
	return b.imported()
}

// manifest reads and checks the manifest and its signature; false when nothing can be checked by it.
func (b *bundleCheck) manifest() bool {
	raw, err := b.small(ManifestFile, manifestMax)
	if err != nil {
		b.wrong("%s: %v", ManifestFile, err)
		return false
	}
	b.out.Digest = sha256.Sum256(raw)
	signature, err := b.small(SignatureFile, 64<<10)
	if err != nil {
		b.wrong("%s: %v", SignatureFile, err)
		return false
	}
	m, err := ParseManifest(raw)
	if err != nil {
		b.wrong("%s: %v", ManifestFile, err)
		return false
	}
	b.out.Manifest = m
	if b.o.Cluster.IsZero() {
		b.o.Cluster = m.Cluster
	}
	if m.Cluster != b.o.Cluster {
		b.wrong("%s is of cluster %s, not %s", ManifestFile, m.Cluster, b.o.Cluster)
		return false
	}
	if err := openBundle(string(signature), BundleText(m.Cluster, m.Unit.ID, raw), &b.o); err != nil {
		b.wrong("%s: %v", SignatureFile, err)
		return false
	}
	if key, err := vkeyOf(b.o); err != nil || key != m.Key {
		b.wrong("%s names the key %q, it is signed by %q", ManifestFile, m.Key, key)
		return false
	}
	return true
}

// openBundle checks that a signed note is over text, by o.Key.
func openBundle(signed, text string, o *Options) error {
	if o.Key.IsZero() {
		return errors.New("no key to check it with")
	}
	return openNote(signed, text, "signed over another manifest, or over that of another unit", o)
}

// plain opens a file that is one: a link would lead out of the folder, and a pipe or a device would never end.
func (b *bundleCheck) plain(name string) (fs.File, error) {
	info, err := fs.Lstat(b.dir, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("is missing")
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("is no plain file")
	}
	return b.dir.Open(name)
}

// small reads a file of at most limit bytes.
func (b *bundleCheck) small(name string, limit int64) ([]byte, error) {
	in, err := b.plain(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	raw, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("has more than %d bytes, which is all that is read", limit)
	}
	return raw, err
}

// files holds the folder to the manifest: every file, its size and its bytes, and no other.
func (b *bundleCheck) files() error {
	listed := map[string]*ManifestFileLine{}
	for i := range b.out.Manifest.Files {
		f := &b.out.Manifest.Files[i]
		listed[f.Path] = f
		b.out.Bytes += f.Size
	}
	err := fs.WalkDir(b.dir, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || b.ctx.Err() != nil {
			return errors.Join(err, b.ctx.Err())
		}
		f := listed[path]
		switch {
		case d.IsDir() || path == ManifestFile || path == SignatureFile:
			return nil
		case f == nil:
			b.wrong("%s: is not in the manifest", path)
			return nil
		case !d.Type().IsRegular():
			delete(listed, path)
			b.wrong("%s: is no plain file", path)
			return nil
		}
		delete(listed, path)
		return b.file(f)
	})
	if err != nil {
		return err
	}
	for i := range b.out.Manifest.Files {
		if f := &b.out.Manifest.Files[i]; listed[f.Path] != nil {
			b.wrong("%s: is missing", f.Path)
		}
	}
	return nil
}

func (b *bundleCheck) file(f *ManifestFileLine) error {
	in, err := b.plain(f.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, in)
	switch {
	case err != nil:
		return err
	case n < f.Size:
		b.wrong("%s: has %d bytes of %d: it was cut off", f.Path, n, f.Size)
	case n > f.Size:
		b.wrong("%s: has %d bytes, %d more than the manifest says", f.Path, n, n-f.Size)
	case sumOf(sum) != f.SHA256:
		b.wrong("%s: was changed: its SHA-256 is %s, not %s", f.Path, sumOf(sum), f.SHA256)
	}
	return nil
}

func sumOf(h hash.Hash) nexus.Hash { return nexus.Hash(h.Sum(nil)) }

// export checks the unit's entries and notes what else is to be checked.
func (b *bundleCheck) export() error {
	m := &b.out.Manifest
	in, err := b.plain(ExportFile)
	if err != nil {
		b.wrong("%s: %v", ExportFile, err)
		return nil
	}
	defer in.Close()
	o := Options{Cluster: b.o.Cluster, Key: b.o.Key, FindingsMax: b.o.FindingsMax, Pinned: b.o.Pinned, Witnesses: b.o.Witnesses, Quorum: b.o.Quorum}
	rep, err := checkExport(b.ctx, in, o, b.note)
	if err != nil {
		return err
	}
	b.out.Export = rep
	for _, f := range rep.Findings {
		b.wrong("%s: %s", ExportFile, f)
	}
	switch {
	case !rep.Clean():
		if len(rep.Findings) == 0 {
			b.wrong("%s: %d of %d entries", ExportFile, rep.Entries, rep.Claimed)
		}
	case rep.Scope != scopeUnit || rep.Unit != m.Unit.ID || !rep.Present:
		b.wrong("%s: is not the export of unit %s", ExportFile, m.Unit.ID)
	case rep.Checkpoint != m.Checkpoint || rep.CheckpointSize != m.Size:
		b.wrong("%s: stands under another checkpoint than the manifest", ExportFile)
	case rep.Entries != m.UnitSeq || rep.Head != m.UnitHead:
		b.wrong("%s: has %d entries up to %s, the manifest says %d up to %s", ExportFile, rep.Entries, rep.Head, m.UnitSeq, m.UnitHead)
	}
	return nil
}

// note remembers the statements and imports that the entries tell of.
func (b *bundleCheck) note(e *entry, _ nexus.Hash) error {
	switch e.kind {
	case kindStatement:
		c, err := closingOf(e)
		if err == nil {
			b.closings = append(b.closings, c)
		}
		return err
	case kindImport:
		in := reader{b: e.body}
		in.id()
		c := cameFrom{origin: in.id(), key: in.hash()}
		if n := len(e.body); in.err == nil && n > 32 {
			copy(c.manifest[:], e.body[n-32:]) // the last field
		}
		b.came = append(b.came, c)
		return in.err
	}
	return nil
}

// statements holds each document to its entry and to the unit's entries, in one pass over them.
func (b *bundleCheck) statements() error {
	type subject struct {
		path string
		doc  *statement
		fold *refold
	}
	var list []subject
	open := ""
	for _, f := range b.out.Manifest.Files {
		if name, ok := strings.CutPrefix(f.Path, StatementsDir+"/open-"); ok && strings.HasSuffix(name, ".json") {
			open = f.Path
		}
	}
	read := func(path string, month, size uint64, digest *nexus.Hash) {
		raw, err := b.small(path, manifestMax)
		if err != nil {
			b.wrong("%s: %v", path, err)
			return
		}
		doc, err := parseStatement(raw)
		switch {
		case err != nil:
			b.wrong("%s: not a statement: %v", path, err)
		case doc.Unit != b.out.Manifest.Unit.ID || doc.Month != monthText(month) || doc.Size != size || doc.Cluster != b.o.Cluster:
			b.wrong("%s: is of unit %s for %s, made from %d entries of cluster %s", path, doc.Unit, doc.Month, doc.Size, doc.Cluster)
		case digest != nil && doc.digest() != *digest:
			b.wrong("%s: its digest is %s, the ledger commits to %s", path, doc.digest(), *digest)
		default:
			list = append(list, subject{path, doc, newRefold(month, size, b.closings)})
		}
	}
	for i := range b.closings {
		c := &b.closings[i]
		read(StatementsDir+"/"+monthText(c.month)+".json", c.month, c.size, &c.digest)
	}
	if open == "" {
		b.wrong("%s: has no statement of what is open", StatementsDir)
	} else if month, err := monthNamed(open); err != nil {
		b.wrong("%s: %v", open, err)
	} else {
		read(open, month, b.out.Manifest.Size, nil)
	}
	if err := b.again(func(e *entry, commitment nexus.Hash) error {
		for _, s := range list {
			if err := s.fold.add(e, commitment); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	for _, s := range list {
		if err := s.fold.compare(s.doc); err != nil {
			b.wrong("%s: %v", s.path, err)
			continue
		}
		b.out.Statements++
	}
	return nil
}

func monthNamed(path string) (uint64, error) {
	text := strings.TrimSuffix(strings.TrimPrefix(path, StatementsDir+"/open-"), ".json")
	year, month, ok := strings.Cut(text, "-")
	y, err := strconv.ParseUint(year, 10, 16)
	m, err2 := strconv.ParseUint(month, 10, 8)
	if !ok || err != nil || err2 != nil || monthText(y*100+m) != text {
		return 0, fmt.Errorf("no month")
	}
	return y*100 + m, nil
}

// again reads the entries once more, which export has found to be as they must.
func (b *bundleCheck) again(each func(*entry, nexus.Hash) error) error {
	in, err := b.plain(ExportFile)
	if err != nil {
		return err
	}
	defer in.Close()
	rep, err := checkExport(b.ctx, in, Options{Cluster: b.o.Cluster, Key: b.o.Key}, each)
	if err == nil && !rep.Clean() {
		b.wrong("%s: changed while it was read", ExportFile)
	}
	return err
}

// imported checks the bundles with which the unit came from other logs. Their keys and manifests stand in the unit's own entries.
func (b *bundleCheck) imported() error {
	known := map[string]bool{}
	for _, c := range b.came {
		name := ImportedDir + "/" + c.manifest.String()
		if known[name] {
			continue
		}
		known[name] = true
		if b.deep == 0 {
			b.wrong("%s: more than %d bundles within each other", name, bundlesDeep)
			return nil
		}
		inner, err := fs.Sub(b.dir, name)
		if err != nil {
			return err
		}
		rep, err := checkBundle(b.ctx, inner, Options{Cluster: c.origin, Key: c.key, FindingsMax: b.o.FindingsMax}, b.deep-1)
		if err != nil {
			return err
		}
		for _, f := range rep.Findings {
			b.wrong("%s/%s", name, f)
		}
		if rep.Clean() && (rep.Digest != c.manifest || rep.Manifest.Unit.ID != b.out.Manifest.Unit.ID) {
			b.wrong("%s: is another bundle than the one that was taken in", name)
		}
		b.out.Came = append(b.out.Came, rep)
	}
	return nil
}
