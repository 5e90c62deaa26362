package nexus

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// TestCurrency is ISO 4217's code for testing: the currency of probe units, left out of statements and payouts.
const TestCurrency = "XTS"

// ISO 4217 codes by number of decimal digits of the minor unit (list one, 2025, with funds codes). Codes without a minor unit (metals,
// drawing rights) count whole units. A code released here is never removed: ledgers hold it, its sales can still be refunded (ANG, BGN).
var currenciesByExponent = map[int]string{
	0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU " +
		"XUA XXX",
	2: "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF " +
		"CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF " +
		"IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN " +
		"MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS " +
		"SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG XTS",
	3: "BHD IQD JOD KWD LYD OMR TND",
	4: "CLF UYW",
}

var currencyExponent = func() map[string]int {
	m := make(map[string]int, 190)
	for exp, codes := range currenciesByExponent {
		for _, c := range strings.Fields(codes) {
			m[c] = exp
		}
	}
	return m
}()

// CurrencyHint says what to write instead of a code that is not known.
func CurrencyHint(code string) string {
	up := strings.ToUpper(strings.TrimSpace(code))
	if _, ok := currencyExponent[up]; ok {
		return fmt.Sprintf("write it %q", up)
	}
	return "an ISO 4217 code such as USD, not a withdrawn one such as HRK (now EUR)"
}

// CurrencyExponent gives the number of decimal digits of a currency's minor unit, and whether the code is known.
func CurrencyExponent(code string) (int, bool) {
	e, ok := currencyExponent[code]
	return e, ok
}

// Money is an amount in a currency's minor unit. Never a float (SPEC section 1).
type Money struct {
	Minor    int64
	Currency string // ISO 4217
}

// String prints the amount in major units with the currency before it: "USD 10,000.00", "JPY -5".
func (m Money) String() string { return m.Currency + " " + m.Decimal() }

// Decimal prints the amount in major units with thousands separators.
func (m Money) Decimal() string {
	exp, _ := CurrencyExponent(m.Currency) // 0 for an unknown code
	neg := m.Minor < 0
	u := uint64(m.Minor)
	if neg {
		u = -u
	}
	digits := strconv.FormatUint(u, 10)
	for len(digits) <= exp {
		digits = "0" + digits
	}
	whole, frac := digits[:len(digits)-exp], digits[len(digits)-exp:]
	var b strings.Builder
	if neg {
		b.WriteByte('-')
	}
	for i, c := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	if exp > 0 {
		b.WriteString("." + frac)
	}
	return b.String()
}

// ParseMinor reads an integer amount of minor units. A decimal point is refused with the hint that amounts are
// minor units, because guessing would move money.
func ParseMinor(s, currency string) (Money, error) {
	fail := func(hint, format string, args ...any) (Money, error) {
		return Money{}, Errf("amount", CodeMalformed, fmt.Sprintf("amount %q", s), hint, format, args...)
	}
	exp, ok := CurrencyExponent(currency)
	if !ok {
		return Money{}, Errf("amount", CodeMalformed, fmt.Sprintf("currency %q", currency),
			CurrencyHint(currency), "unknown currency")
	}
	if strings.ContainsAny(s, ".,eE") {
		return fail(fmt.Sprintf("amounts are integers in the minor unit, as 1999 for USD 19.99; %s has %d decimals",
			currency, exp), "not an integer")
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return fail(fmt.Sprintf("an integer between %d and %d", int64(math.MinInt64), int64(math.MaxInt64)),
			"not an integer of 64 bits")
	}
	return Money{Minor: n, Currency: currency}, nil
}

// AddMinor adds two amounts and reports whether the sum fits 64 bits.
func AddMinor(a, b int64) (int64, bool) {
	s := a + b
	return s, (b >= 0) == (s >= a)
}
