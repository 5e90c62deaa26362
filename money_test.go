package nexus_test

import (
	"math"
	"math/big"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func TestPrintingMoney(t *testing.T) {
	t.Parallel()
	tests := []struct {
		minor          int64
		currency, want string
	}{
		{0, "USD", "USD 0.00"},
		{1, "USD", "USD 0.01"},
		{-1, "USD", "USD -0.01"},
		{99, "EUR", "EUR 0.99"},
		{12_345, "USD", "USD 123.45"},
		{100_000, "USD", "USD 1,000.00"},
		{1_000_000, "USD", "USD 10,000.00"},
		{-12_345_678_90, "USD", "USD -12,345,678.90"},
		{-5, "JPY", "JPY -5"},
		{1234, "JPY", "JPY 1,234"},
		{1234, "KWD", "KWD 1.234"},
		{12_345_678, "CLF", "CLF 1,234.5678"},
		{7, "XTS", "XTS 0.07"},
		{1234, "???", "??? 1,234"},
		{math.MaxInt64, "USD", "USD 92,233,720,368,547,758.07"},
		{math.MinInt64, "USD", "USD -92,233,720,368,547,758.08"},
		{math.MinInt64, "JPY", "JPY -9,223,372,036,854,775,808"},
	}
	for _, tt := range tests {
		if got := (nexus.Money{Minor: tt.minor, Currency: tt.currency}).String(); got != tt.want {
			t.Errorf("%d %s prints as %q, want %q", tt.minor, tt.currency, got, tt.want)
		}
	}
}

func TestParsingMoney(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "1999": 1999, "-5": -5, "+7": 7, "007": 7,
		"9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
	} {
		got, err := nexus.ParseMinor(text, "USD")
		if err != nil || got != (nexus.Money{Minor: want, Currency: "USD"}) {
			t.Errorf("%q gives %v, %v, want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"19.99": "minor unit", "1,999": "minor unit", "1e3": "minor unit", ".5": "minor unit",
		"": "64 bits", " 5": "64 bits", "5 ": "64 bits", "0x10": "64 bits", "1_000": "64 bits",
		"٣": "64 bits", "--1": "64 bits",
		"9223372036854775808": "64 bits", "-9223372036854775809": "64 bits", "NaN": "64 bits",
	} {
		got, err := nexus.ParseMinor(text, "USD")
		if nexus.CodeOf(err) != nexus.CodeMalformed || !strings.Contains(err.Error(), want) || got != (nexus.Money{}) {
			t.Errorf("%q gives %v, %v, want it refused with %q", text, got, err, want)
		}
	}
	for _, currency := range []string{"", "usd", "US", "USDX", "ABC", "HRK"} {
		if got, err := nexus.ParseMinor("1", currency); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("currency %q gives %v, %v", currency, got, err)
		}
	}
}

func TestCurrencyExponents(t *testing.T) {
	t.Parallel()
	for currency, want := range map[string]int{
		"USD": 2, "EUR": 2, "JPY": 0, "KRW": 0, "BHD": 3, "TND": 3, "CLF": 4, "UYW": 4, nexus.TestCurrency: 2, "XAU": 0,
	} {
		if got, known := nexus.CurrencyExponent(currency); got != want || !known {
			t.Errorf("%s has %d decimals (known: %t), want %d", currency, got, known, want)
		}
	}
}

// What stands in list one is known; what was withdrawn before this program is not, and says so.
func TestCurrencyHints(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{"usd": `"USD"`, " eur": `"EUR"`, "HRK": "EUR", "CUC": "ISO 4217", "ABC": "ISO 4217",
		"": "ISO 4217"} {
		if _, known := nexus.CurrencyExponent(code); known || !strings.Contains(nexus.CurrencyHint(code), want) {
			t.Errorf("%q: known %t, hint %q, want %q", code, known, nexus.CurrencyHint(code), want)
		}
	}
	// Additions and funds codes that are easily forgotten, with their exponents.
	for code, want := range map[string]int{"XAD": 2, "XCG": 2, "ZWG": 2, "SLE": 2, "VED": 2, "BOV": 2, "CHE": 2, "CHW": 2, "COU": 2, "MXV": 2, "USN": 2,
		"UYI": 0, "XSU": 0, "XUA": 0, "XXX": 0, "LYD": 3, "OMR": 3, "VUV": 0, "XPF": 0} {
		if got, known := nexus.CurrencyExponent(code); got != want || !known {
			t.Errorf("%s has %d decimals (known: %t), want %d", code, got, known, want)
		}
	}
}

func TestAddMinorSaysWhenItDoesNotFit(t *testing.T) {
	t.Parallel()
	edges := []int64{math.MinInt64, math.MinInt64 + 1, -2, -1, 0, 1, 2, math.MaxInt64 - 1, math.MaxInt64}
	for _, a := range edges {
		for _, b := range edges {
			exact := new(big.Int).Add(big.NewInt(a), big.NewInt(b))
			got, fits := nexus.AddMinor(a, b)
			if fits != exact.IsInt64() || fits && got != exact.Int64() {
				t.Errorf("%d + %d gives %d, %t, want %s", a, b, got, fits, exact)
			}
		}
	}
}

// Printing and parsing are inverse once the separators are taken out.
func FuzzMoney(f *testing.F) {
	f.Add("1999", "USD")
	f.Add("-9223372036854775808", "CLF")
	f.Add("19.99", "JPY")
	f.Fuzz(func(t *testing.T, text, currency string) {
		m, err := nexus.ParseMinor(text, currency)
		if err != nil {
			if m != (nexus.Money{}) || nexus.CodeOf(err) != nexus.CodeMalformed {
				t.Fatalf("%q %q gives %v beside %v", text, currency, m, err)
			}
			return
		}
		digits := strings.NewReplacer(",", "", ".", "").Replace(m.Decimal())
		again, err := nexus.ParseMinor(digits, currency)
		if err != nil || again != m {
			t.Fatalf("%q prints as %q, which reads as %v, %v", text, m, again, err)
		}
	})
}
