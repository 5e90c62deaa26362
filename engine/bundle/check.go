package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/journal"
	"github.com/BobbyBlanco400/nexus-cos/engine/statement"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// Check checks a bundle's folder: all that verify.CheckBundle does with the key alone, and that journals and the forms of the statements are
// what the entries give with this program's own code. The error is one of reading; findings stand in the report.
func Check(ctx context.Context, dir string, key nexus.PublicKey) (verify.BundleReport, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return verify.BundleReport{}, nexus.Errf("verify bundle", nexus.CodeNotFound, dir, "give the folder that nexus imvu exit wrote", "%w", err)
	}
	defer root.Close()
	files := root.FS()
	rep, err := verify.CheckBundle(ctx, files, verify.Options{Key: key})
	if err != nil || !rep.Clean() {
		return rep, err
	}
	for _, check := range []func(context.Context, fs.FS, *verify.BundleReport) error{checkJournals, checkForms} {
		if err := check(ctx, files, &rep); err != nil {
			return rep, err
		}
	}
	return rep, nil
}

// KeyNamed reads the key that a bundle's manifest names: what to compare with the key as it is known from elsewhere.
func KeyNamed(dir string) (key nexus.PublicKey, name string, err error) {
	raw, err := os.ReadFile(dir + "/" + verify.ManifestFile)
	if err != nil {
		return key, "", nexus.Errf("verify bundle", nexus.CodeNotFound, dir, "give the folder that nexus imvu exit wrote", "%w", err)
	}
	m, err := verify.ParseManifest(raw)
	if err != nil {
		return key, "", nexus.Errf("verify bundle", nexus.CodeCorrupt, dir, "fetch the bundle again", "%w", err)
	}
	o, err := verify.ParseKey(m.Key)
	return o.Key, m.Key, err
}

// unitEntries reads the entries of a bundle that was found to be as it must.
func unitEntries(files fs.FS, fn func(e *ledger.Entry) error) error {
	in, err := files.Open(verify.ExportFile)
	if err != nil {
		return err
	}
	defer in.Close()
	lines := json.NewDecoder(in)
	var header json.RawMessage
	if err := lines.Decode(&header); err != nil {
		return err
	}
	for {
		var l verify.EntryLine
		if err := lines.Decode(&l); err != nil {
			return err
		}
		if len(l.Bytes) == 0 { // the last line
			return nil
		}
		e, err := ledger.ParseEntry(l.Bytes)
		if err != nil {
			return err
		}
		if err := fn(&e); err != nil {
			return err
		}
	}
}

// checkJournals makes every journal again and compares the sums.
func checkJournals(ctx context.Context, files fs.FS, rep *verify.BundleReport) error {
	sums := map[string]*summed{}
	writers := map[string]*journal.Writer{}
	for _, format := range journal.Formats() {
		sums[format] = &summed{w: io.Discard, sum: sha256.New()}
		j, err := journal.New(sums[format], format, rep.Manifest.Unit.Label)
		if err != nil {
			return err
		}
		writers[format] = j
	}
	err := unitEntries(files, func(e *ledger.Entry) error {
		for _, j := range writers {
			if err := j.Add(e); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	for _, format := range journal.Formats() {
		if err := writers[format].Close(); err != nil {
			return err
		}
		if f := listed(&rep.Manifest, "journal."+format); f == nil || f.SHA256 != nexus.Hash(sums[format].sum.Sum(nil)) {
			rep.Findings = append(rep.Findings, "journal."+format+": is missing, or is not what the entries give")
		}
	}
	return nil
}

func listed(m *verify.Manifest, path string) *verify.ManifestFileLine {
	for i := range m.Files {
		if m.Files[i].Path == path {
			return &m.Files[i]
		}
	}
	return nil
}

// checkForms holds each statement's CSV to its document.
func checkForms(_ context.Context, files fs.FS, rep *verify.BundleReport) error {
	for _, f := range rep.Manifest.Files {
		base, ok := strings.CutSuffix(f.Path, ".json")
		if !ok || !strings.HasPrefix(f.Path, verify.StatementsDir+"/") {
			continue
		}
		raw, err := fs.ReadFile(files, f.Path)
		if err != nil {
			return err
		}
		var d statement.Document
		if err := json.Unmarshal(raw, &d); err != nil {
			return err
		}
		var want bytes.Buffer
		if err := statement.WriteCSV(&want, &d, nil); err != nil {
			return err
		}
		have, err := fs.ReadFile(files, base+".csv")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if !bytes.Equal(have, want.Bytes()) {
			rep.Findings = append(rep.Findings, base+".csv: is missing, or is not what its statement says")
		}
		if listed(&rep.Manifest, base+".pdf") == nil {
			rep.Findings = append(rep.Findings, base+".pdf: is missing")
		}
	}
	return nil
}

// Refusal is the error of a bundle with findings; nil when it has none. Code: nexus.CodeCorrupt.
func Refusal(rep *verify.BundleReport) error {
	if rep.Clean() {
		return nil
	}
	more := ""
	if n := len(rep.Findings); n > 1 {
		more = fmt.Sprintf(", and %d more", n-1)
	}
	return nexus.Errf("verify bundle", nexus.CodeCorrupt, "bundle of "+rep.Manifest.Unit.Label, "do not trust it; fetch it again from the node", "%s%s",
		rep.Findings[0], more)
}
