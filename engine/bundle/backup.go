package bundle

import (
	"context"
	"errors"
	"io/fs"
	"os"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Kept reports whether a data directory or a backup holds the bundle of an import with its evidence. It looks, and verifies nothing.
func Kept(dir string, b *ledger.ImportBody) bool {
	_, err := os.Stat(engine.ImportEvidencePath(dir, b.Manifest))
	return err == nil
}

// Carry copies the bundle of an import from a data directory to a backup, or back, as the ledger says it was: verified whole under the key
// of the log that it comes from, and proving what the import's entry says. What lay at the place is replaced. A crash leaves the place
// without its evidence, and the next Carry does it again. Errors: nexus.CodeNotFound when from does not hold it, CodeCorrupt when it is
// another or damaged, and of the disk.
func Carry(ctx context.Context, from, to string, b *ledger.ImportBody) error {
	dir := engine.ImportPath(from, b.Manifest)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nexus.Errf("carry bundle", nexus.CodeNotFound, dir, "bring it back from another backup, or go on with --without-imports",
			"the bundle that unit %s came with from log %s is missing", b.Unit, b.Origin)
	}
	if err := os.Remove(engine.ImportEvidencePath(to, b.Manifest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	wish, err := takeInto(ctx, to, dir, b.Key, anybody)
	if err != nil {
		return err
	}
	if string(nexus.Encode(wish.Evidence)) != string(nexus.Encode(*b)) {
		return errors.Join(nexus.Errf("carry bundle", nexus.CodeCorrupt, dir, "use another copy", "it proves something else than the ledger says of unit %s",
			b.Unit), os.Remove(engine.ImportEvidencePath(to, wish.Evidence.Manifest)))
	}
	return nil
}

// anybody: what a node has kept before is kept with its backup, whoever asked for it then.
func anybody(nexus.PublicKey) error { return nil }
