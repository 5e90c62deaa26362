package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"os"
	"path/filepath"
	"syscall"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// Step names a point of writing a folder, for tests of crashes there.
type Step string

// The steps, in order. A crash before StepRename leaves the target as it was and a folder beside it that the next attempt removes; after it,
// the whole bundle.
const (
	StepBegin  Step = "begin"  // the folder beside the target is empty
	StepFile   Step = "file"   // a file is written, not yet synced
	StepSynced Step = "synced" // all files and folders are on disk
	StepRename Step = "rename" // it stands in its place
)

// Receiver writes a bundle into a folder.
type Receiver struct {
	Target   string                           // must not be there, or be empty
	Key      nexus.PublicKey                  // of the node that signs
	Progress func(step, percent, path string) // nil: not; step is "3/20", percent "45", or "" from a node that does not say it
	Watch    func(Step, string) error         // for tests; nil: not. Its error ends the writing
}

// Received is a verified bundle in its place.
type Received struct {
	Dir    string
	Report verify.BundleReport
}

const partial = ".partial"

// Receive reads the stream that Write sends, checks all of it and puts the folder in its place by one rename. Errors: nexus.CodeConflict for a
// target that holds something or that another process writes to, nexus.CodeUnavailable for a full disk or a broken stream, CodeCorrupt for
// a bundle that does not verify. Nothing is left at the target then.
func (r *Receiver) Receive(ctx context.Context, in *multipart.Reader) (got Received, err error) {
	target, err := filepath.Abs(r.Target)
	if err != nil {
		return got, err
	}
	if err := Free(target); err != nil {
		return got, err
	}
	tmp := filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+partial)
	lock, err := claim(tmp)
	if err != nil {
		return got, err
	}
	defer func() {
		if err != nil && sameFolder(lock, tmp) { // once renamed, what has its name is another's
			err = errors.Join(err, os.RemoveAll(tmp))
		}
		_ = lock.Close()
	}()
	if err := r.step(StepBegin, tmp); err != nil {
		return got, err
	}
	if err := r.parts(ctx, tmp, in); err != nil {
		return got, explain(err, target)
	}
	if got.Report, err = Check(ctx, tmp, r.Key); err != nil {
		return got, err
	}
	if err := Refusal(&got.Report); err != nil {
		return got, err
	}
	if err := syncTree(tmp); err != nil {
		return got, explain(err, target)
	}
	if err := r.step(StepSynced, tmp); err != nil {
		return got, err
	}
	if err := syscall.Rename(tmp, target); err != nil { // over an empty folder too, which os.Rename refuses
		return got, explain(err, target)
	}
	if err := r.step(StepRename, target); err != nil {
		return got, err
	}
	got.Dir = target
	return got, syncDir(filepath.Dir(target))
}

func (r *Receiver) step(s Step, path string) error {
	if r.Watch == nil {
		return nil
	}
	return r.Watch(s, path)
}

// Free refuses a target that holds anything. Error: nexus.CodeConflict.
func Free(target string) error {
	list, err := os.ReadDir(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return nexus.Errf("write bundle", nexus.CodeConflict, target, "give --export-path another folder", "it is there and is no folder: %w", err)
	case len(list) > 0:
		return nexus.Errf("write bundle", nexus.CodeConflict, target, "give --export-path another folder, or move this one away",
			"it holds %d files already", len(list))
	}
	return nil
}

// claim makes the folder beside the target and locks it. What an attempt that was killed left there is removed first; the lock of one that
// lives is not given.
func claim(tmp string) (*os.File, error) {
	for range 3 {
		if err := os.Mkdir(tmp, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, nexus.Errf("write bundle", nexus.CodeUnavailable, tmp, "choose a folder that you may write to", "%w", err)
		}
		f, err := os.Open(tmp)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another attempt ended between the two
		}
		if err != nil {
			return nil, err
		}
		if err := osfile.TryLock(f); err != nil {
			_ = f.Close()
			return nil, nexus.Errf("write bundle", nexus.CodeConflict, tmp, "wait for the other command", "another process is writing there")
		}
		if !sameFolder(f, tmp) { // another attempt put it in its place, or removed it, between the opening and the lock
			_ = f.Close()
			continue
		}
		list, err := os.ReadDir(tmp)
		for _, d := range list {
			err = errors.Join(err, os.RemoveAll(filepath.Join(tmp, d.Name())))
		}
		if err != nil {
			_ = f.Close()
			return nil, err
		}
		return f, nil
	}
	return nil, nexus.Errf("write bundle", nexus.CodeConflict, tmp, "try again", "others make and remove it")
}

// sameFolder reports whether an open folder is still the one at a path.
func sameFolder(f *os.File, path string) bool {
	held, err := f.Stat()
	there, err2 := os.Lstat(path)
	return err == nil && err2 == nil && os.SameFile(held, there)
}

// parts writes every part of the stream to its file.
func (r *Receiver) parts(ctx context.Context, tmp string, in *multipart.Reader) error {
	root, err := os.OpenRoot(tmp)
	if err != nil {
		return err
	}
	defer root.Close()
	last := ""
	for {
		p, err := in.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil // whether all came, the manifest tells
		}
		if err != nil {
			return fmt.Errorf("after %q: %w", last, err)
		}
		name := p.Header.Get(pathHeader)
		if !fs.ValidPath(name) || name == "." {
			return fmt.Errorf("the stream names the file %q", name)
		}
		if r.Progress != nil {
			r.Progress(p.Header.Get(stepHeader), p.Header.Get(percentHeader), name)
		}
		if err := writeFile(ctx, root, name, p); err != nil {
			return err
		}
		if err := r.step(StepFile, name); err != nil {
			return err
		}
		last = name
	}
}

func writeFile(ctx context.Context, root *os.Root, name string, in io.Reader) error {
	if dir := filepath.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(copyAll(ctx, f, in), f.Close())
}

// copyAll copies until the end, or until ctx ends.
func copyAll(ctx context.Context, to io.Writer, from io.Reader) error {
	for {
		switch _, err := io.CopyN(to, from, 1<<20); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

// explain words what the disk or the stream said.
func explain(err error, target string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return nexus.Errf("write bundle", nexus.CodeUnavailable, target, "free space there, or give --export-path another disk, and run the same command again",
			"the disk is full; nothing was left: %w", err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), nexus.CodeOf(err) != nexus.CodeInternal:
		return err
	}
	return nexus.Errf("write bundle", nexus.CodeUnavailable, target, "run the same command again", "it broke off; nothing was left: %w", err)
}

// syncTree brings every file and folder to the disk.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncDir(path)
	})
}

// syncDir brings a folder, or a file, to the disk.
func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
