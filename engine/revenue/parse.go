package revenue

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Format is how a file is written.
type Format string

// The formats.
const (
	JSONLines Format = "jsonl" // one JSON object a line
	CSV       Format = "csv"   // RFC 4180 with a header line
)

// FormatOf guesses the format by a file's name: .csv is CSV, everything else JSON lines.
func FormatOf(name string) Format {
	if strings.HasSuffix(strings.ToLower(name), ".csv") {
		return CSV
	}
	return JSONLines
}

// Options say how to read a file.
type Options struct {
	Format Format
	// UnitBy names the field whose value is the unit's display name; empty: the field "unit" holds an id, label or slug.
	UnitBy string
}

func (o Options) unitField() string {
	if o.UnitBy == "" {
		return "unit"
	}
	return o.UnitBy
}

// Read streams the events of r: good lines to fn, bad ones to bad. It ends early with the error that either returns, and
// with an error of CodeMalformed where reading on makes no sense (no header, a CSV quote never closed).
func Read(r io.Reader, o Options, fn func(Event) error, bad func(*LineError) error) error {
	switch o.UnitBy {
	case "id", "kind", "amount", "currency", "time", "refund_of":
		return nexus.Errf("read events", nexus.CodeUsage, fmt.Sprintf("--unit-by %s", o.UnitBy), "name the field that holds the unit's name",
			"this field has another meaning")
	}
	if o.Format == CSV {
		return readCSV(r, o, fn, bad)
	}
	return readJSON(r, o, fn, bad)
}

var byteOrderMark = []byte{0xEF, 0xBB, 0xBF}

func readJSON(r io.Reader, o Options, fn func(Event) error, bad func(*LineError) error) error {
	br := bufio.NewReaderSize(r, 64<<10)
	for line := 1; ; line++ {
		text, tooLong, err := readLine(br)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return nexus.Errf("read events", nexus.CodeUnavailable, fmt.Sprintf("line %d", line), "", "%w", err)
		}
		if line == 1 {
			text = bytes.TrimPrefix(text, byteOrderMark)
		}
		text = bytes.TrimSpace(text)
		if len(text) == 0 && !tooLong {
			continue
		}
		var e Event
		if tooLong {
			err = fieldError("line", fmt.Sprintf("at most %d bytes", MaxLineBytes), "too long")
		} else {
			e, err = parseJSON(text, line, o)
		}
		if err != nil {
			err = bad(&LineError{line, err})
		} else {
			err = fn(e)
		}
		if err != nil {
			return err
		}
	}
}

// readLine gives the next line without its end, and whether it was longer than allowed; the rest of it is skipped then.
// io.EOF comes only with no bytes left.
func readLine(br *bufio.Reader) (line []byte, tooLong bool, err error) {
	for any := false; ; any = true {
		part, err := br.ReadSlice('\n')
		if len(line)+len(part) > MaxLineBytes+1 {
			tooLong, line = true, nil
		} else if !tooLong {
			line = append(line, part...)
		}
		switch {
		case err == nil:
			return line, tooLong, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case err == io.EOF && (len(part) > 0 || any):
			return line, tooLong, nil
		default:
			return nil, false, err
		}
	}
}

// parseJSON reads one object. Duplicate keys are refused: two readers could take different ones for the amount.
func parseJSON(text []byte, line int, o Options) (Event, error) {
	if !utf8.Valid(text) {
		if bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff}) {
			return Event{}, fieldError("line", "save the file as UTF-8", "UTF-16, not UTF-8")
		}
		return Event{}, fieldError("line", "write the file as UTF-8", "not UTF-8")
	}
	fields, order, err := splitObject(text)
	if err != nil {
		return Event{}, err
	}
	var r raw
	known := map[string]*string{"id": &r.id, "kind": &r.kind, "currency": &r.currency, "time": &r.time, "refund_of": &r.refundOf,
		o.unitField(): &r.unit}
	var others []string
	for _, name := range order {
		value := fields[name]
		if name == "amount" {
			if r.amount, err = amountLiteral(value); err != nil {
				return Event{}, err
			}
			continue
		}
		into, ok := known[name]
		if !ok {
			others = append(others, name)
			continue
		}
		if err := json.Unmarshal(value, into); err != nil || value[0] != '"' {
			return Event{}, fieldError("field "+name, "write it in quotes", "not a text: %.40s", value)
		}
	}
	memo, err := memoOf(others, fields)
	if err != nil {
		return Event{}, err
	}
	return r.event(line, memo)
}

// amountLiteral takes a JSON number as written, so that no float ever touches it.
func amountLiteral(value json.RawMessage) (string, error) {
	if c := value[0]; c != '-' && (c < '0' || c > '9') {
		return "", fieldError(fmt.Sprintf("amount %.40s", value), "an integer of minor units, without quotes: 19.99 USD is 1999", "not a number")
	}
	return string(value), nil
}

// splitObject gives the members of a JSON object and their names in order.
func splitObject(text []byte) (map[string]json.RawMessage, []string, error) {
	bad := func(err error) error {
		return fieldError("line", "one JSON object a line", "not JSON: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	first, err := d.Token()
	if err != nil {
		return nil, nil, bad(err)
	}
	if first != json.Delim('{') {
		return nil, nil, bad(errors.New("does not begin with {"))
	}
	fields := make(map[string]json.RawMessage, defaultFields)
	order := make([]string, 0, defaultFields)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, nil, bad(err)
		}
		name := token.(string) // inside an object a name is always a string
		if _, twice := fields[name]; twice {
			return nil, nil, fieldError("field "+name, "write it once", "given twice")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, nil, bad(err)
		}
		fields[name] = value
		order = append(order, name)
	}
	if _, err := d.Token(); err != nil {
		return nil, nil, bad(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, nil, bad(errors.New("something follows the object"))
	}
	return fields, order, nil
}

// readCSV reads records under a header line. Line numbers are those of the file, also behind quoted line breaks.
func readCSV(r io.Reader, o Options, fn func(Event) error, bad func(*LineError) error) error {
	bounded := &recordLimit{r: skipMark(r)}
	cr := csv.NewReader(bounded)
	cr.ReuseRecord = true
	header, err := readHeader(cr, o)
	if err != nil {
		return err
	}
	for {
		bounded.used = 0
		record, err := cr.Read()
		if err == io.EOF {
			return nil
		}
		var e Event
		line := 0
		var perr *csv.ParseError
		switch {
		case errors.As(err, &perr) && errors.Is(perr.Err, csv.ErrFieldCount):
			line = perr.StartLine
			err = fieldError("record", fmt.Sprintf("%d fields as in the header", len(header)), "has %d fields", len(record))
		case err != nil:
			return nexus.Errf("read events", nexus.CodeMalformed, "CSV", "check the quotes of that record", "%w", err)
		default:
			line, _ = cr.FieldPos(0)
			e, err = parseRecord(header, record, line, o)
		}
		if err != nil {
			err = bad(&LineError{line, err})
		} else {
			err = fn(e)
		}
		if err != nil {
			return err
		}
	}
}

func readHeader(cr *csv.Reader, o Options) ([]string, error) {
	fail := func(hint, format string, args ...any) ([]string, error) {
		return nil, nexus.Errf("read events", nexus.CodeMalformed, "CSV header", hint, format, args...)
	}
	record, err := cr.Read()
	if err != nil {
		return fail("the first line names the fields: id,unit,amount,currency,time", "%w", err)
	}
	header := append([]string(nil), record...)
	seen := make(map[string]bool, len(header))
	for _, name := range header {
		if name == "" || seen[name] || !utf8.ValidString(name) {
			return fail("name every field, once", "field %q is empty, given twice or not UTF-8", name)
		}
		seen[name] = true
	}
	for _, name := range []string{"id", o.unitField(), "amount", "currency", "time"} {
		if !seen[name] {
			return fail("add it, or name the unit's field with --unit-by", "field %q is missing", name)
		}
	}
	return header, nil
}

func parseRecord(header, record []string, line int, o Options) (Event, error) {
	var r raw
	known := map[string]*string{"id": &r.id, "kind": &r.kind, "amount": &r.amount, "currency": &r.currency, "time": &r.time,
		"refund_of": &r.refundOf, o.unitField(): &r.unit}
	memo := map[string]string{}
	for i, name := range header {
		value := strings.Clone(record[i])
		if !utf8.ValidString(value) {
			return Event{}, fieldError("field "+name, "write the file as UTF-8", "not UTF-8")
		}
		if into, ok := known[name]; ok {
			*into = value
		} else if value != "" {
			memo[name] = value
		}
	}
	var raw []byte
	if len(memo) > 0 {
		raw = marshalCanonical(memo)
	}
	return r.event(line, raw)
}

// recordLimit stops a record that never ends: the CSV reader would gather it whole. Its read-ahead of 4 KiB counts to the
// record that is being read, so the limit is exact only to that.
type recordLimit struct {
	r    io.Reader
	used int
}

func (l *recordLimit) Read(p []byte) (int, error) {
	if l.used > MaxLineBytes {
		return 0, fmt.Errorf("a record is longer than %d bytes", MaxLineBytes)
	}
	n, err := l.r.Read(p)
	l.used += n
	return n, err
}

func skipMark(r io.Reader) io.Reader {
	br := bufio.NewReader(r)
	if head, err := br.Peek(len(byteOrderMark)); err == nil && bytes.Equal(head, byteOrderMark) {
		_, _ = br.Discard(len(byteOrderMark))
	}
	return br
}
