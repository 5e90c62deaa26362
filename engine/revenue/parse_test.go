package revenue

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// readAll gives the good events and the bad lines of a text.
func readAll(t testing.TB, text string, o Options) (events []Event, bad []*LineError, err error) {
	t.Helper()
	err = Read(strings.NewReader(text), o, func(e Event) error { events = append(events, e); return nil },
		func(e *LineError) error { bad = append(bad, e); return nil })
	return events, bad, err
}

const goodLine = `{"id":"a","unit":"IMVU-001","kind":"sale","amount":1999,"currency":"USD","time":"2026-01-31T12:00:00.5Z","z":1e3,"a":{"y":2,"x":"<ü>"}}`

func TestReadJSON(t *testing.T) {
	t.Parallel()
	events, bad, err := readAll(t, "\xEF\xBB\xBF"+goodLine+"\r\n\n  \n"+strings.Replace(goodLine, `"kind":"sale",`, "", 1), Options{})
	if err != nil || len(bad) != 0 || len(events) != 2 {
		t.Fatalf("%d events, bad %v, %v", len(events), bad, err)
	}
	e := events[0]
	if e.Line != 1 || e.ID != "a" || e.Unit != "IMVU-001" || e.Kind != "sale" || e.Currency != "USD" || e.Minor != 1999 || e.TimeMs != 1769860800500 {
		t.Errorf("event %+v", e)
	}
	if want := `{"a":{"x":"<ü>","y":2},"z":1e3}`; string(e.Memo) != want {
		t.Errorf("memo %s, want %s", e.Memo, want)
	}
	if events[1].Line != 4 || events[1].Kind != DefaultKind {
		t.Errorf("line %d, kind %q", events[1].Line, events[1].Kind)
	}
}

func TestBadLines(t *testing.T) {
	t.Parallel()
	field := func(name, value string) string {
		fields := map[string]string{"id": `"a"`, "unit": `"u"`, "amount": "1", "currency": `"USD"`, "time": `"2026-01-31T12:00:00Z"`}
		fields[name] = value
		var parts []string
		for _, k := range []string{"id", "unit", "amount", "currency", "time", "refund_of", "memo"} {
			if v := fields[k]; v != "" {
				parts = append(parts, fmt.Sprintf("%q:%s", k, v))
			}
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	for name, c := range map[string]struct{ line, want string }{
		"decimal amount":       {field("amount", "19.99"), "1999 for USD 19.99"},
		"exponent":             {field("amount", "1e3"), "minor unit"},
		"amount in quotes":     {field("amount", `"1999"`), "without quotes"},
		"amount past 64 bits":  {field("amount", "9223372036854775808"), "64 bits"},
		"amount zero":          {field("amount", "0"), "nothing was earned"},
		"amount missing":       {field("amount", ""), "amount"},
		"amount null":          {field("amount", "null"), "not a number"},
		"negative, no sale":    {field("amount", "-5"), "refund_of"},
		"refund above zero":    {field("refund_of", `"a"`), "below zero"},
		"currency unknown":     {field("currency", `"USX"`), "ISO 4217"},
		"currency lower case":  {field("currency", `"usd"`), `write it "USD"`},
		"time without zone":    {field("time", `"2026-01-31T12:00:00"`), "RFC 3339"},
		"time before year one": {field("time", `"0000-01-01T00:00:00Z"`), "RFC 3339"},
		"id missing":           {field("id", ""), "field id"},
		"id a number":          {field("id", "7"), "in quotes"},
		"id too long":          {field("id", `"`+strings.Repeat("x", MaxIDBytes+1)+`"`), "256 bytes"},
		"unit null":            {field("unit", "null"), "in quotes"},
		"memo too long":        {field("memo", `"`+strings.Repeat("x", MaxMemoBytes)+`"`), "8192"},
		"given twice":          {`{"id":"a","amount":1,"amount":100}`, "given twice"},
		"not JSON":             {`{"id":`, "not JSON"},
		"a list":               {`[1]`, "begin with {"},
		"two objects":          {field("id", `"a"`) + field("id", `"b"`), "follows the object"},
		"not UTF-8":            {field("id", "\"\xff\""), "UTF-8"},
		"too long a line":      {`{"id":"` + strings.Repeat("x", MaxLineBytes) + `"}`, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, bad, err := readAll(t, goodLine+"\n"+c.line+"\n"+goodLine, Options{})
			if err != nil || len(events) != 2 || len(bad) != 1 {
				t.Fatalf("%d events, bad %v, %v", len(events), bad, err)
			}
			if bad[0].Line != 2 || !strings.Contains(bad[0].Error(), c.want) || nexus.CodeOf(bad[0]) != nexus.CodeMalformed {
				t.Errorf("got %q, want line 2 and %q", bad[0], c.want)
			}
			if events[1].Line != 3 {
				t.Errorf("the line after is numbered %d", events[1].Line)
			}
		})
	}
}

func TestReadCSV(t *testing.T) {
	t.Parallel()
	text := "\xEF\xBB\xBFid,shop,amount,currency,time,note,empty\r\n" +
		"a,\"Ann, & Sons\",1999,USD,2026-01-31T12:00:00Z,\"two\nlines\",\r\n" +
		"b,Bo,19.99,USD,2026-01-31T12:00:00Z,,\n" +
		"c,Bo,5,USD,2026-01-31T12:00:00Z\n" +
		"d,Bo,-5,USD,2026-01-31T12:00:00Z,,\n"
	events, bad, err := readAll(t, text, Options{Format: CSV, UnitBy: "shop"})
	if err != nil || len(events) != 1 || len(bad) != 3 {
		t.Fatalf("%d events, bad %v, %v", len(events), bad, err)
	}
	if e := events[0]; e.Unit != "Ann, & Sons" || e.Minor != 1999 || string(e.Memo) != `{"note":"two\nlines"}` || e.Line != 2 {
		t.Errorf("event %+v memo %s", e, e.Memo)
	}
	for i, line := range []int{4, 5, 6} {
		if bad[i].Line != line {
			t.Errorf("bad line %d is numbered %d", line, bad[i].Line)
		}
	}
}

func TestCSVThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":            "",
		"no unit":          "id,amount,currency,time\n",
		"twice":            "id,id,unit,amount,currency,time\n",
		"quote never ends": "id,unit,amount,currency,time\na,\"u,1,USD,2026-01-31T12:00:00Z\n",
		"endless record":   "id,unit,amount,currency,time\n\"" + strings.Repeat("x\n", MaxLineBytes),
	} {
		if _, _, err := readAll(t, text, Options{Format: CSV}); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadStopsWithItsCaller(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	for _, o := range []Options{{}, {Format: CSV}} {
		text := goodLine + "\n" + goodLine
		if o.Format == CSV {
			text = "id,unit,amount,currency,time\na,u,1,USD,2026-01-31T12:00:00Z\nb,u,1,USD,2026-01-31T12:00:00Z\n"
		}
		n := 0
		err := Read(strings.NewReader(text), o, func(Event) error { n++; return stop }, func(e *LineError) error { return e })
		if err != stop || n != 1 {
			t.Errorf("%v after %d events", err, n)
		}
	}
}

func TestUnitByAField(t *testing.T) {
	t.Parallel()
	if err := Read(strings.NewReader(goodLine), Options{UnitBy: "amount"}, nil, nil); nexus.CodeOf(err) != nexus.CodeUsage {
		t.Errorf("a field with a meaning: %v", err)
	}
	events, bad, err := readAll(t, `{"id":"a","unit":"kept","film by":"Ölaf","amount":1,"currency":"JPY","time":"2026-01-31T12:00:00Z"}`, Options{UnitBy: "film by"})
	if err != nil || len(bad) != 0 || events[0].Unit != "Ölaf" || string(events[0].Memo) != `{"unit":"kept"}` {
		t.Errorf("%+v, %v, %v", events, bad, err)
	}
}

// fuzzRead checks what holds for every input: no panic, every event in its limits, and the same events again.
func fuzzRead(t *testing.T, data []byte, o Options) {
	read := func() (events []Event, lines int) {
		_ = Read(bytes.NewReader(data), o, func(e Event) error { events = append(events, e); return nil },
			func(e *LineError) error {
				lines++
				if e.Line < 1 || e.Err == nil {
					t.Fatalf("bad line %+v", e)
				}
				return nil
			})
		return events, lines
	}
	first, bad := read()
	for i, e := range first {
		if e.ID == "" || e.Unit == "" || e.Kind == "" || e.Minor == 0 || len(e.ID) > MaxIDBytes || len(e.Memo) > MaxMemoBytes || e.Line < 1 {
			t.Fatalf("event out of its limits: %+v", e)
		}
		if (e.Minor < 0) != (e.RefundOf != "") || i > 0 && e.Line <= first[i-1].Line {
			t.Fatalf("event %+v", e)
		}
	}
	again, badAgain := read()
	if len(again) != len(first) || bad != badAgain || (len(first) > 0 && digestOf(again) != digestOf(first)) {
		t.Fatal("a second reading differs")
	}
}

func FuzzJSONLines(f *testing.F) {
	f.Add([]byte(goodLine))
	f.Add([]byte("{}\n[]\n\"\"\n{\"id\":1}"))
	f.Add([]byte(`{"id":"a","unit":"u","amount":-5,"currency":"USD","time":"2026-01-31T12:00:00Z","refund_of":"b"}`))
	f.Add([]byte("\xEF\xBB\xBF\r\n\x00"))
	f.Fuzz(func(t *testing.T, data []byte) { fuzzRead(t, data, Options{}) })
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("id,unit,amount,currency,time,note\na,u,1,USD,2026-01-31T12:00:00Z,\"x\ny\"\n"))
	f.Add([]byte("id,unit,amount,currency,time\n\"a,u\n"))
	f.Add([]byte("\xEF\xBB\xBFid,unit,kind,amount,currency,time,refund_of\na,u,k,-1,JPY,2026-01-31T12:00:00+02:00,b\n"))
	f.Fuzz(func(t *testing.T, data []byte) { fuzzRead(t, data, Options{Format: CSV}) })
}
