package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	stdslices "slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// What the platform publishes under its key (docs/publications.md): the exits of a month, and price lists. A file holds the document, the
// signature over its digest, and the proof that the log holds an entry that commits to that digest.

const (
	// PublicationFormat is the first field of such a file and the first line of what is signed.
	PublicationFormat = "nexus-publication-v1"
	// PublicationExits is the publication of a month's exits, PublicationPrices that of a price list.
	PublicationExits  = "exits"
	PublicationPrices = "prices"

	// PublicationMax bounds the size of such a file, bytes.
	PublicationMax = 1 << 20

	exitsDomain  = "nexus-exits-v1\n"
	pricesDomain = "nexus-prices-v1\n"
	exitLateMs   = 2 * 60 * 60 * 1000
)

// Publication is the content of such a file.
type Publication struct {
	Format    string          `json:"format"`
	What      string          `json:"what"`
	Document  json.RawMessage `json:"document"`
	Signature string          `json:"signature"` // signed note over PublicationText
	Proof     json.RawMessage `json:"proof"`     // of the entry, as a file of its own would hold it (ProofFormat)
}

// PublicationText is what the signature stands over: format, cluster, what it is and the document's digest, a line each.
func PublicationText(cluster nexus.ID, what string, digest nexus.Hash) string {
	return fmt.Sprintf("%s\n%s\n%s\n%s\n", PublicationFormat, cluster, what, digest)
}

// EncodePublication gives the content of a file.
func EncodePublication(p Publication) ([]byte, error) {
	p.Format = PublicationFormat
	p.Proof = bytes.TrimSuffix(p.Proof, []byte("\n"))
	return line(p)
}

// PublicationReport says what a publication was found to be.
type PublicationReport struct {
	What      string
	Cluster   nexus.ID
	Size      uint64 // of the log under the checkpoint
	Entry     uint64 // that commits to it
	Cosigners int
	Exits     *ExitsLine  // of PublicationExits
	Prices    *PricesLine // of PublicationPrices
}

// ExitsLine has the canonical form of a month's exits: fields and order are what its digest covers.
type ExitsLine struct {
	Version     uint8      `json:"version"`
	What        string     `json:"what"`
	Cluster     nexus.ID   `json:"cluster"`
	Month       string     `json:"month"`
	Size        uint64     `json:"ledger_entries"`
	Root        nexus.Hash `json:"ledger_root"`
	OpenBefore  uint64     `json:"open_at_begin"`
	Asked       uint64     `json:"asked"`
	Left        uint64     `json:"left"`
	Stayed      uint64     `json:"stayed"`
	CameBack    uint64     `json:"came_back"`
	Open        uint64     `json:"open_at_end"`
	OpenLate    uint64     `json:"open_at_end_late"`
	Late        uint64     `json:"left_late"`
	ShortestMs  int64      `json:"shortest_ms"`
	MedianMs    int64      `json:"median_ms"`
	LongestMs   int64      `json:"longest_ms"`
	TotalMs     int64      `json:"total_ms"`
	FailedNode  uint64     `json:"failures_seen_by_node"`
	FailedOwner uint64     `json:"failures_seen_by_owner"`
	FailedUnits uint64     `json:"exits_with_failures"`
	Released    uint64     `json:"released"`
	Closed      uint64     `json:"closed"`
}

func (d *ExitsLine) digest() nexus.Hash {
	return sha256.Sum256(nexus.AppendCanonical([]byte(exitsDomain), *d))
}

// contradiction says what in the figures cannot be, "" nothing.
func (d *ExitsLine) contradiction() string {
	switch {
	case d.Version != 1 || d.What != PublicationExits:
		return fmt.Sprintf("version %d of %q is none that this version knows", d.Version, d.What)
	case d.OpenBefore+d.Asked != d.Open+d.Left+d.Stayed:
		return fmt.Sprintf("%d under way and %d asked are not %d left, %d stayed and %d under way at the end", d.OpenBefore, d.Asked, d.Left, d.Stayed, d.Open)
	case d.Late > d.Left || d.OpenLate > d.Open:
		return "more are late than there are"
	case d.Left == 0 && (d.ShortestMs != 0 || d.MedianMs != 0 || d.LongestMs != 0 || d.TotalMs != 0):
		return "times of exits of which there was none"
	case d.ShortestMs < 0 || d.MedianMs < d.ShortestMs || d.LongestMs < d.MedianMs || d.TotalMs < d.LongestMs:
		return "the times are not in order"
	case d.FailedUnits > d.FailedNode+d.FailedOwner || d.FailedUnits == 0 && d.FailedNode+d.FailedOwner > 0:
		return "failures of exits that did not fail"
	}
	return ""
}

// PricesLine is a price list.
type PricesLine struct {
	What        string      `json:"what"`
	Cluster     nexus.ID    `json:"cluster"`
	Number      uint32      `json:"number"`
	From        string      `json:"from"`
	AnnouncedMs int64       `json:"announced_ms"`
	Currency    string      `json:"currency"`
	Digest      nexus.Hash  `json:"digest"`
	Lines       []PriceLine `json:"lines"`
}

// PriceLine is the price of one meter: Minor minor units for each Per units.
type PriceLine struct {
	Meter string `json:"meter"`
	Per   int64  `json:"per"`
	Minor int64  `json:"amount"`
}

// digest is recomputed from the list as it stands, whatever it says of itself.
func (d *PricesLine) digest() (nexus.Hash, error) {
	month, err := monthOfText(d.From)
	if err != nil {
		return nexus.Hash{}, err
	}
	body := struct {
		Number      uint32
		FromMonth   uint32
		AnnouncedMs int64
		Currency    string
		Lines       []PriceLine
	}{d.Number, uint32(month), d.AnnouncedMs, d.Currency, d.Lines}
	return sha256.Sum256(nexus.AppendCanonical([]byte(pricesDomain), body)), nil
}

func monthOfText(text string) (uint64, error) {
	var y, m uint64
	if n, err := fmt.Sscanf(text, "%d-%d", &y, &m); err != nil || n != 2 || m < 1 || m > 12 || y < 1970 || y > 9999 || monthText(y*100+m) != text {
		return 0, fmt.Errorf("month %q is none", text)
	}
	return y*100 + m, nil
}

func monthEndMs(month uint64) int64 {
	return time.Date(int(month/100), time.Month(month%100)+1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
}

// CheckPublication checks a file with the signer's key alone: signature, that the log under the checkpoint holds the entry that commits to
// the document, and that its figures do not contradict each other. That they are what the entries add up to is what the check of a whole
// export shows (CheckExport). It takes of Options what CheckProof takes. Any error means: not proven.
func CheckPublication(b []byte, o Options) (PublicationReport, error) {
	var p Publication
	if err := decodeLine(b, &p); err != nil {
		return PublicationReport{}, err
	}
	if p.Format != PublicationFormat {
		return PublicationReport{}, fmt.Errorf("format %q; this version reads %s", p.Format, PublicationFormat)
	}
	out := PublicationReport{What: p.What}
	proof, err := CheckProof(append(bytes.Clone(p.Proof), '\n'), o)
	if err != nil {
		return out, fmt.Errorf("proof: %w", err)
	}
	if proof.Type != ProofInclusion {
		return out, errors.New("proof: is not that of an entry")
	}
	var e entry
	if err := e.parse(proof.Entry.Bytes); err != nil {
		return out, err
	}
	out.Size, out.Entry, out.Cosigners = proof.Size, e.seq, proof.Cosigners
	var digest nexus.Hash
	switch p.What {
	case PublicationExits:
		out.Exits = &ExitsLine{}
		out.Cluster, digest, err = out.Exits.open(p.Document, &e)
	case PublicationPrices:
		out.Prices = &PricesLine{}
		out.Cluster, digest, err = out.Prices.open(p.Document, &e)
	default:
		err = fmt.Errorf("%q is nothing that is published", p.What)
	}
	if err != nil {
		return out, err
	}
	if o.Cluster.IsZero() { // the proof was held to the checkpoint's own origin: the document must be of that log
		if _, err := OpenCheckpoint(proof.Checkpoint, &o); err != nil {
			return out, err
		}
	}
	if out.Cluster != o.Cluster {
		return out, fmt.Errorf("is of cluster %s, the log is %s", out.Cluster, o.Cluster)
	}
	return out, openNote(p.Signature, PublicationText(o.Cluster, p.What, digest), "signed over another document", &o)
}

// openNote checks that a signed note is over text, by o.Key; other says what it is where it is over something else.
func openNote(signed, text, other string, o *Options) error {
	if err := strictNote(signed); err != nil {
		return err
	}
	vkey, err := vkeyOf(*o)
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifier))
	if err != nil {
		return fmt.Errorf("not signed by %s: %w", vkey, err)
	}
	if opened.Text != text {
		return errors.New(other)
	}
	return nil
}

// strict reads one JSON value and refuses every spelling but the one in which it is written.
func strict(raw json.RawMessage, v any) error { return decodeLine(append(bytes.Clone(raw), '\n'), v) }

// open reads the document and holds it to its entry.
func (d *ExitsLine) open(raw json.RawMessage, e *entry) (cluster nexus.ID, digest nexus.Hash, err error) {
	if err = strict(raw, d); err != nil {
		return
	}
	cluster, digest = d.Cluster, d.digest()
	if why := d.contradiction(); why != "" {
		return cluster, digest, errors.New(why)
	}
	month, err := monthOfText(d.Month)
	if err != nil {
		return cluster, digest, err
	}
	var b publishedBody
	if e.kind != kindPublished || e.unit != [16]byte{} || b.parse(e.body) != nil {
		return cluster, digest, fmt.Errorf("entry %d is not that of a publication", e.seq)
	}
	if b.what != PublicationExits || b.month != month || b.size != d.Size || b.root != d.Root || b.digest != digest {
		return cluster, digest, fmt.Errorf("entry %d commits to %s for %s over %d entries with digest %s, the document is of %s over %d with %s", e.seq, b.what,
			monthText(b.month), b.size, b.digest, d.Month, d.Size, digest)
	}
	if e.timeMs < monthEndMs(month) || b.size > e.seq {
		return cluster, digest, fmt.Errorf("published before %s was over, or from entries that were not there", d.Month)
	}
	return cluster, digest, nil
}

func (d *PricesLine) open(raw json.RawMessage, e *entry) (cluster nexus.ID, digest nexus.Hash, err error) {
	if err = strict(raw, d); err != nil {
		return
	}
	cluster = d.Cluster
	if digest, err = d.digest(); err != nil {
		return
	}
	if e.kind != kindPrices || e.unit != [16]byte{} || d.What != PublicationPrices || d.Digest != digest ||
		nexus.Hash(sha256.Sum256(append([]byte(pricesDomain), e.body...))) != digest {
		err = fmt.Errorf("entry %d is not that of this price list", e.seq)
	}
	return
}

// publishedBody is the body of a publication's entry.
type publishedBody struct {
	what        string
	month, size uint64
	root        nexus.Hash
	digest      nexus.Hash
}

func (b *publishedBody) parse(raw []byte) error {
	in := reader{b: raw}
	b.what, b.month, b.size = string(in.bytes()), in.bounded(999912, "month"), in.uint()
	b.root, b.digest = in.hash(), in.hash()
	if err := in.end(); err != nil {
		return err
	}
	if b.month%100 < 1 || b.month%100 > 12 || b.month < 197001 {
		return fmt.Errorf("month %d is none", b.month)
	}
	return nil
}

// exitCount recounts the exits of every month from the entries of a whole ledger, beside them.
type exitCount struct {
	month   uint64 // that the entries stand in; 0 before the first
	first   uint64
	last    uint64 // published
	begun   map[[16]byte]exitBegun
	now     ExitsLine
	times   []int64
	failed  map[[16]byte]bool
	waiting map[uint64]ExitsLine // months that are over and not published yet
}

type exitBegun struct {
	ms   int64
	by   [32]byte
	done bool
}

func newExitCount() *exitCount {
	return &exitCount{begun: map[[16]byte]exitBegun{}, failed: map[[16]byte]bool{}, waiting: map[uint64]ExitsLine{}}
}

// monthsMax bounds how many months in a row without a record are gone through: a hundred years.
const monthsMax = 1200

// turn ends the months before the one of a record's time.
func (x *exitCount) turn(ms int64, size uint64, root func() [32]byte) {
	month := monthAt(ms)
	if x.month == 0 {
		x.month, x.first = month, month
	}
	for n := 0; x.month < month && n < monthsMax; n++ {
		d := x.now
		d.Version, d.What, d.Month, d.Size, d.Root = 1, PublicationExits, monthText(x.month), size, root()
		end := monthEndMs(x.month)
		for _, b := range x.begun {
			if !b.done {
				d.Open++
				if end-b.ms > exitLateMs {
					d.OpenLate++
				}
			}
		}
		if n := len(x.times); n > 0 {
			stdslices.Sort(x.times)
			d.ShortestMs, d.MedianMs, d.LongestMs = x.times[0], x.times[(n-1)/2], x.times[n-1]
		}
		d.FailedUnits = uint64(len(x.failed))
		x.waiting[x.month] = d
		x.month, x.now, x.times, x.failed = monthAfter(x.month), ExitsLine{OpenBefore: d.Open}, nil, map[[16]byte]bool{}
	}
}

// done counts the end of an exit.
func (x *exitCount) done(e *entry) {
	b, ok := x.begun[e.unit]
	if !ok || b.done {
		return
	}
	took := e.timeMs - b.ms
	b.done = true
	x.begun[e.unit] = b
	x.times = append(x.times, took)
	x.now.Left, x.now.TotalMs = x.now.Left+1, x.now.TotalMs+took
	if took > exitLateMs {
		x.now.Late++
	}
}

// step counts what else happens to an exit.
func (x *exitCount) step(e *entry, verb string, by [32]byte) {
	b, ok := x.begun[e.unit]
	switch {
	case verb == "begun":
		x.begun[e.unit] = exitBegun{ms: e.timeMs, by: by}
		x.now.Asked++
	case !ok:
	case verb == "failed" && by == b.by:
		x.now.FailedOwner++
		x.failed[e.unit] = true
	case verb == "failed":
		x.now.FailedNode++
		x.failed[e.unit] = true
	case verb == "cancelled" && b.done:
		x.now.CameBack++
		delete(x.begun, e.unit)
	case verb == "cancelled":
		x.now.Stayed++
		delete(x.begun, e.unit)
	case verb == "released":
		x.now.Released++
	case verb == "closed":
		x.now.Closed++
		delete(x.begun, e.unit)
	}
}

// exitStep reads an entry of an exit under way.
func (c *run) exitStep(e *entry) {
	in := reader{b: e.body}
	verb, unit, by := string(in.bytes()), in.id(), in.hash()
	in.bytes() // was
	in.int()
	in.int()
	in.bytes() // reason
	if err := in.end(); err != nil || unit != e.unit {
		c.foundEntry("not a canonical step of an exit of this unit: %v", err)
		return
	}
	if c.exits != nil && !c.probe(e.unit) {
		c.exits.step(e, verb, by)
	}
}

func (c *run) probe(unit [16]byte) bool { return nexus.UnitKind(c.units[unit].kind) == nexus.KindProbe }

// published holds a publication to what the entries before it add up to.
func (c *run) published(e *entry) {
	var b publishedBody
	if err := b.parse(e.body); err != nil {
		c.foundEntry("not a canonical publication: %v", err)
		return
	}
	switch {
	case e.unit != [16]byte{} || len(e.postings) > 0 || b.what != PublicationExits:
		c.foundEntry("publishes %q in the chain of a unit, or moves money", b.what)
		return
	case e.timeMs < monthEndMs(b.month) || b.size > e.seq:
		c.foundEntry("publishes %s before it is over, or from entries that are not there", monthText(b.month))
		return
	case c.exits == nil: // one unit's entries: the others' are not here
		return
	}
	x := c.exits
	if next := monthAfter(x.last); x.last == 0 && b.month != x.first || x.last != 0 && b.month != next {
		c.foundEntry("publishes %s after %d: a month is passed over or published twice", monthText(b.month), x.last)
	}
	x.last = b.month
	d, ok := x.waiting[b.month]
	delete(x.waiting, b.month)
	d.Cluster = c.bindings.cluster
	if !ok || b.size != d.Size || b.root != d.Root || b.digest != d.digest() {
		c.foundEntry("publishes for %s figures with digest %s over %d entries; the entries of the ledger add up to %s over %d", monthText(b.month), b.digest, b.size,
			d.digest(), d.Size)
	}
}
