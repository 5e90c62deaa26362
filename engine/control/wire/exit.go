package wire

import (
	"fmt"
	"time"
)

// Exits is the answer of `nexus imvu exit-status -o json`: units that leave or have left.
type Exits struct {
	Exits []ExitRow `json:"exits"`
}

// ExitRow is one of them. Times are the ledger's; a zero one has not come.
type ExitRow struct {
	Unit          string    `json:"unit"` // label
	UnitID        string    `json:"unit_id"`
	Name          string    `json:"name"`
	Kind          string    `json:"kind"`
	Status        string    `json:"status"` // exiting, exited, closed
	Was           string    `json:"was"`    // before it began to leave
	Serving       bool      `json:"serving"`
	Late          bool      `json:"late"` // under way for more than two hours
	Begun         time.Time `json:"begun"`
	Decision      uint64    `json:"decision"` // that began it
	Completed     time.Time `json:"completed,omitzero"`
	GraceUntil    time.Time `json:"grace_until,omitzero"` // until then its owner can come back
	Released      time.Time `json:"released,omitzero"`    // its hosts and routes went
	RetainedUntil time.Time `json:"retained_until,omitzero"`
	Closed        time.Time `json:"closed,omitzero"`
	Manifest      string    `json:"manifest_sha256,omitempty"`
	Files         uint32    `json:"files,omitempty"`
	Bytes         int64     `json:"bytes,omitempty"`
	UnitEntries   uint64    `json:"unit_entries,omitempty"` // in the bundle
	Failures      uint32    `json:"failures"`               // of the exit under way or of the one that ended last
	FailedAt      time.Time `json:"failed_at,omitzero"`     // the last of them
	FailedStep    string    `json:"failed_step,omitempty"`  // write, fetch, check, store or end
	Owed          []Amount  `json:"owed"`                   // to the present owner, still

	// Progress is of the newest fetch of its bundle; absent: none since the node started.
	Progress *ExitProgress `json:"progress,omitempty"`
}

// ExitProgress is how far one fetch of a unit's bundle got. It says what was sent, not that somebody verified it.
type ExitProgress struct {
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"` // zero: under way
	Part    int       `json:"part"`           // being written, from 1
	Of      int       `json:"of"`
	File    string    `json:"file"`
	Percent int       `json:"percent"`     // of the work; 100 when all is sent
	Bytes   int64     `json:"bytes"`       // sent
	Rate    int64     `json:"bytes_per_s"` // measured since it began; 0: not yet. How many bytes are to come is not known before they are written
	LeftMs  int64     `json:"left_ms"`     // until all is sent, at the pace so far; 0: too early to say, or over
	Broke   string    `json:"broke,omitempty"`
}

// Words says in one line where an exit stands.
func (r *ExitRow) Words() string {
	const day, minute = "2006-01-02", "2006-01-02 15:04Z"
	p := r.Progress
	switch {
	case !r.Completed.IsZero():
		words := fmt.Sprintf("left %s with %d files", r.Completed.UTC().Format(day), r.Files)
		if r.Released.IsZero() {
			words += "; you can come back until " + r.GraceUntil.UTC().Format(day)
		}
		return words
	case p == nil:
		return "announced " + r.Begun.UTC().Format(minute) + ", nothing fetched yet"
	case p.Broke != "":
		return fmt.Sprintf("broke off at %d %%: %s; the same command goes on", p.Percent, p.Broke)
	case !p.Ended.IsZero():
		return "100 %, fetched whole, " + sizeWords(p.Bytes) + "; last step: checked, and its owner's signature over it"
	}
	words := fmt.Sprintf("%d %%, file %d of %d, %s sent", p.Percent, p.Part, p.Of, sizeWords(p.Bytes))
	if p.Rate > 0 {
		words += " at " + sizeWords(p.Rate) + "/s"
	}
	if p.LeftMs > 0 {
		words += ", " + LeftWords(time.Duration(p.LeftMs)*time.Millisecond)
	}
	return words
}

// Before so much time or work nobody can say how long the rest takes.
const (
	leftAfter   = 2 * time.Second
	leftPercent = 5
)

// TimeLeft reckons how long the rest of a bundle takes at the pace so far; 0 when it is too early to say, or when nothing is left.
func TimeLeft(took time.Duration, percent int) time.Duration {
	if took < leftAfter || percent < leftPercent || percent >= 100 {
		return 0
	}
	return took / time.Duration(percent) * time.Duration(100-percent)
}

// LeftWords says how long something takes still, no finer than anybody can know it.
func LeftWords(left time.Duration) string {
	switch {
	case left < 10*time.Second:
		return "a few seconds left"
	case left < 90*time.Second:
		return fmt.Sprintf("about %d s left", (left+5*time.Second)/(10*time.Second)*10)
	case left < 90*time.Minute:
		return fmt.Sprintf("about %d min left", (left+30*time.Second)/time.Minute)
	}
	return fmt.Sprintf("about %.1f h left", left.Hours())
}

// sizeWords writes bytes with one decimal.
func sizeWords(n int64) string {
	size, units := float64(n), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	at := 0
	for size >= 1024 && at < len(units)-1 {
		size, at = size/1024, at+1
	}
	if at == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", size, units[at])
}

// Amount is money in minor units.
type Amount struct {
	Currency string `json:"currency"`
	Minor    int64  `json:"amount"`
}

// ImportedRow is what a unit brought from another log: its past there, no account of this platform. Amounts in minor units.
type ImportedRow struct {
	Origin   string           `json:"origin"` // cluster
	Key      string           `json:"origin_key"`
	Entries  uint64           `json:"entries"`
	Manifest string           `json:"manifest_sha256"`
	Time     time.Time        `json:"time"`
	Decision uint64           `json:"decision"`
	Earned   []ImportedAmount `json:"earned"`
}

// ImportedAmount is one currency of it.
type ImportedAmount struct {
	Currency string `json:"currency"`
	Gross    int64  `json:"gross"`
	Creator  int64  `json:"creator"`
	Platform int64  `json:"platform"`
}

// TakeIn asks the node to verify a bundle in a folder of its own machine and to keep it.
type TakeIn struct {
	Dir string `json:"dir"` // absolute
	Key string `json:"key"` // public key of the node that signed it, base64
}

// TakenIn is the answer.
type TakenIn struct {
	Wish []byte `json:"wish"` // canonical body of the unit.import that the bundle allows
}
