package bundle_test

import (
	"context"
	"io"
	"mime/multipart"
	stdslices "slices"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/engine/bundle"
)

// How far a bundle is goes by the entries that are read for it: it never goes back, is told within a part that reads them all, and what the
// receiver is told with each file is the same.
func TestProgressGoesByWork(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	unit, _ := r.populate()
	in, out := io.Pipe()
	w := multipart.NewWriter(out)
	type step struct {
		part, of, percent int
		path              string
	}
	var told []step
	ended := make(chan error, 1)
	go func() {
		err := bundle.Write(context.Background(), r.eng, unit, w, func(part, of int, path string, percent int) {
			told = append(told, step{part, of, percent, path})
		})
		out.CloseWithError(err)
		ended <- err
	}()
	var heard []string
	to := &bundle.Receiver{Target: t.TempDir() + "/out", Key: r.eng.NodeKey(), Progress: func(step, percent, path string) {
		heard = append(heard, step+" "+percent+" "+path)
	}}
	got, err := to.Receive(context.Background(), multipart.NewReader(in, w.Boundary()))
	if err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	of := len(got.Report.Manifest.Files) + 2
	if len(heard) != of {
		t.Errorf("%d files were told, there are %d", len(heard), of)
	}
	within, last := 0, step{}
	for _, s := range told {
		if s.of != of || s.part < last.part || s.percent < last.percent || s.percent > 99 {
			t.Errorf("after %+v comes %+v", last, s)
		}
		if s.part == last.part {
			within++
		}
		last = s
	}
	if last.part != of || last.percent < 90 {
		t.Errorf("the last is %+v of %d", last, of)
	}
	if within < 10 {
		t.Errorf("only %d steps within parts", within)
	}
	exports := stdslices.DeleteFunc(stdslices.Clone(told), func(s step) bool { return s.path != "export.jsonl" })
	if n := len(exports); n < 2 || exports[n-1].percent-exports[0].percent < 15 {
		t.Errorf("the export, a third of all, is told as %+v", exports)
	}
}
