package bundle

import (
	"context"
	"fmt"
	"io"
)

// readme writes the page for people.
func (s *source) readme(_ context.Context, w io.Writer) error {
	m := &s.manifest
	_, err := fmt.Fprintf(w, `%s %s (%s)

This folder is everything that the platform held of this unit at %s:
its whole ledger with proofs, statements, journals for accounting programs, owners, policy,
routes, the slice's contract and how it was kept, consents, notices and approvals. It is yours.
MANIFEST.json lists every file with its size and SHA-256, and names what is not held and why;
MANIFEST.sig is the node's signature over it. Keep the folder whole: a changed, added or missing
file is found by whoever checks it (VERIFY.txt).

  unit            %s
  kind            %s, %d %% of revenue is the creator's
  owner's key     %s
  log             nexus/%s, %d entries, %d of them this unit's

  export.jsonl          every entry of the unit, complete, with proofs
  statements/           a statement per closed month as JSON, CSV and PDF, and open-*: all since
  journal.hledger       all postings with balance assertions: hledger -f journal.hledger check
  journal.beancount     the same for beancount: bean-check journal.beancount
  journal.csv           the same for a spreadsheet
  money.json            what is still owed to you, held or on its way. It stays owed, and is paid
  unit.json, owners.json, ownership-proof.json, policy.json, routes.json, slice.json,
  service-level.jsonl, consents.jsonl, notices.jsonl, approvals.jsonl, recordings.json
  words.jsonl           what the sealed texts ({personal:...}) of the entries say; the ledger itself
                        has no plain words of a person, and the keys to them stay with the platform
  imported.json         other logs that the unit came from; their bundles are in imported/

To run it elsewhere: nexus imvu import FOLDER on the other node. The unit keeps its id; what it
earned here is shown there as imported, with this bundle as its evidence.
`, m.Unit.Name, m.Unit.Label, m.Unit.ID, m.Made.Format("2006-01-02 15:04:05 UTC"), m.Unit.ID, m.Unit.Kind, m.Unit.Percent, m.Unit.Owner, m.Cluster, m.Size, m.UnitSeq)
	return err
}

// instructions writes how to check the bundle with the recipients' checker alone.
func (s *source) instructions(_ context.Context, w io.Writer) error {
	_, err := fmt.Fprintf(w, `How to check this folder without any node and without the platform's help

You need the program nexus-verify (one static file, no configuration, no network) and the node's
public key. This folder says that the key is

  %s

Do not take it from here alone: whoever makes a false folder also writes a false key into it.
Compare it with what the operator published, or with a checkpoint or statement you kept.

  nexus-verify bundle --key KEY FOLDER
  nexus-verify bundle --key KEY -o json FOLDER

Exit code 0: every file is as the node signed it and none is missing or added; the unit's entries
are complete under the signed checkpoint, nothing left out, added or changed; every split was
recomputed; every statement is the one the ledger commits to and was made from every entry.
Exit code 1: each thing that is not so, on a line of its own.

By hand, for the files alone: every SHA-256 in MANIFEST.json can be computed with sha256sum, and
MANIFEST.sig is a C2SP signed note (c2sp.org/signed-note) over the SHA-256 of MANIFEST.json.
`, s.manifest.Key)
	return err
}
