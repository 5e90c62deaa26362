package journal

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Two references never become one account, and every name is one that beancount takes.
func TestAccountNamesAreTheirTextsOwn(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[A-Z0-9][A-Za-z0-9-]*$`)
	text := rapid.OneOf(rapid.StringMatching(`[-XxA-Fa-f0-9]{1,4}`), rapid.StringN(1, 12, 24))
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		if !form.MatchString(part(a)) {
			t.Fatalf("%q becomes %q", a, part(a))
		}
		if a != b && part(a) == part(b) {
			t.Fatalf("%q and %q both become %q", a, b, part(a))
		}
	})
}

// A text from outside stays on its line and in its quotes.
func TestHostileTextsStayInPlace(t *testing.T) {
	t.Parallel()
	hostile := "x\n2020-01-01 * \"forged\"\r\n  Assets:IMVU-001:Creator  1 USD ; y | z \\\" \u2028 \xff"
	e := ledger.Entry{Seq: 7, Kind: ledger.KindTransfer, Body: nexus.Encode(ledger.TransferBody{Reason: hostile}), Postings: []ledger.Posting{
		{Account: ledger.AccountDues, Currency: "USD", Minor: -1_234_567_89}, {Account: ledger.AccountOwner, Ref: "0", Currency: "USD", Minor: 1_234_567_89}}}
	for _, format := range Formats() {
		var b bytes.Buffer
		j, err := New(&b, format, "IMVU-001")
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Add(&e); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		out := b.String()
		if format != CSV && strings.Contains(out, "\n2020-01-01") || !strings.Contains(out, "1234567.89") || strings.Contains(out, "1,234") {
			t.Errorf("%s:\n%s", format, out)
		}
	}
	if _, err := New(&bytes.Buffer{}, "xls", "IMVU-001"); nexus.CodeOf(err) != nexus.CodeMalformed {
		t.Errorf("unknown format: %v", err)
	}
	var b bytes.Buffer
	j, err := New(&b, HLedger, "IMVU-001")
	if err != nil {
		t.Fatal(err)
	}
	e.Postings[1].Minor = 1<<63 - 1
	for i, want := range []nexus.Code{"", nexus.CodeCorrupt} {
		if code := nexus.CodeOf(j.Add(&e)); code != want {
			t.Errorf("balance after %d times the most: %v, want %v", i+1, code, want)
		}
	}
}
