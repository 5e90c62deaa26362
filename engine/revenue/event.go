package revenue

import (
	"fmt"
	"time"
	"unicode/utf8"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Limits of one event. Those of the state machine are the same: what passes here is not refused there for its form.
const (
	MaxLineBytes  = 1 << 20 // of one line or CSV record
	MaxIDBytes    = 256
	MaxKindBytes  = 32
	MaxMemoBytes  = 8192
	DefaultKind   = "sale"
	defaultFields = 6 // id, unit, kind, amount, currency, time: the size hint of a record
)

// Event is one line of a file, checked for its form. Unit is the word in the file: an id, label or slug, or with
// Options.UnitBy a display name.
type Event struct {
	Line     int // of the file, from 1; for CSV the line its record begins on
	ID       string
	Unit     string
	Kind     string
	Currency string
	Minor    int64
	TimeMs   int64  // Unix milliseconds
	Memo     []byte // the other fields as canonical JSON: keys sorted, no blanks; nil when there are none
	RefundOf string
}

// LineError is what is wrong with one line.
type LineError struct {
	Line int
	Err  error
}

// Error prints "line N: what".
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap gives the cause.
func (e *LineError) Unwrap() error { return e.Err }

// fieldError words a bad field in the house's form.
func fieldError(subject, hint, format string, args ...any) error {
	return nexus.Errf("", nexus.CodeMalformed, subject, hint, format, args...)
}

// checkText judges a text field of an event.
func checkText(field, value string, limitBytes int) error {
	switch {
	case value == "":
		return fieldError("field "+field, "every event needs one", "missing")
	case len(value) > limitBytes:
		return fieldError("field "+field, fmt.Sprintf("at most %d bytes", limitBytes), "%d bytes long", len(value))
	case !utf8.ValidString(value):
		return fieldError("field "+field, "write the file as UTF-8", "not UTF-8")
	}
	return nil
}

// parseTime reads an RFC 3339 time. Fractions of a millisecond are cut off.
func parseTime(s string) (int64, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.UTC().Year() < 1 || t.UTC().Year() > 9999 {
		return 0, fieldError(fmt.Sprintf("time %q", s), "RFC 3339 such as 2026-01-31T12:00:00Z", "not a time")
	}
	return t.UnixMilli(), nil
}

// raw is an event as its fields were written; amount is the literal.
type raw struct {
	id, unit, kind, amount, currency, time, refundOf string
}

// event checks the fields and builds the event.
func (r raw) event(line int, memo []byte) (Event, error) {
	e := Event{Line: line, ID: r.id, Unit: r.unit, Kind: r.kind, Currency: r.currency, Memo: memo, RefundOf: r.refundOf}
	if e.Kind == "" {
		e.Kind = DefaultKind
	}
	for _, f := range []struct {
		name, value string
		limit       int
	}{{"id", e.ID, MaxIDBytes}, {"unit", e.Unit, 4 * MaxIDBytes}, {"kind", e.Kind, MaxKindBytes},
		{"currency", e.Currency, 3}, {"time", r.time, 64}, {"amount", r.amount, 64}} {
		if err := checkText(f.name, f.value, f.limit); err != nil {
			return Event{}, err
		}
	}
	if len(e.RefundOf) > MaxIDBytes {
		return Event{}, fieldError("field refund_of", fmt.Sprintf("at most %d bytes", MaxIDBytes), "%d bytes long", len(e.RefundOf))
	}
	if len(memo) > MaxMemoBytes {
		return Event{}, fieldError("memo", fmt.Sprintf("the other fields take at most %d bytes", MaxMemoBytes), "%d bytes long", len(memo))
	}
	money, err := nexus.ParseMinor(r.amount, r.currency)
	if err != nil {
		return Event{}, err
	}
	switch {
	case money.Minor == 0:
		return Event{}, fieldError("amount 0", "leave the line out", "nothing was earned")
	case money.Minor < 0 && e.RefundOf == "":
		return Event{}, fieldError(fmt.Sprintf("amount %d", money.Minor), "name the event it refunds in refund_of",
			"a negative amount is a refund")
	case money.Minor > 0 && e.RefundOf != "":
		return Event{}, fieldError(fmt.Sprintf("amount %d", money.Minor), "write it below zero", "a refund lowers a sale")
	}
	e.Minor = money.Minor
	e.TimeMs, err = parseTime(r.time)
	return e, err
}
