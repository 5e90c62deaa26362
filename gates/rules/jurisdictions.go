package rules

// Jurisdiction is a tag that a unit and all its resources can carry (SPEC section 1, gate 9).
type Jurisdiction struct {
	Tag     string
	Meaning string
}

// Jurisdictions lists the known tags in the order they are shown. A tag, once released, is never removed: units carry
// it.
func Jurisdictions() []Jurisdiction {
	return []Jurisdiction{
		{"US-CCPA", "California, United States: California Consumer Privacy Act"},
		{"US-VCDPA", "Virginia, United States: Virginia Consumer Data Protection Act"},
		{"US-CPA", "Colorado, United States: Colorado Privacy Act"},
		{"EU-GDPR", "European Union: General Data Protection Regulation"},
		{"UK-GDPR", "United Kingdom: UK General Data Protection Regulation"},
		{"CH-FADP", "Switzerland: Federal Act on Data Protection"},
		{"CA-PIPEDA", "Canada: Personal Information Protection and Electronic Documents Act"},
		{"BR-LGPD", "Brazil: Lei Geral de Proteção de Dados"},
		{"JP-APPI", "Japan: Act on the Protection of Personal Information"},
		{"KR-PIPA", "South Korea: Personal Information Protection Act"},
		{"SG-PDPA", "Singapore: Personal Data Protection Act"},
		{"IN-DPDP", "India: Digital Personal Data Protection Act"},
		{"AU-PA", "Australia: Privacy Act"},
		{"NZ-PA", "New Zealand: Privacy Act"},
		{"ZA-POPIA", "South Africa: Protection of Personal Information Act"},
		{"CN-PIPL", "China: Personal Information Protection Law"},
	}
}

// Known reports whether a tag is one of Jurisdictions, spelt exactly so.
func Known(tag string) bool {
	// A switch instead of a search through the list keeps the allow path free of allocation; a test compares the two.
	switch tag {
	case "US-CCPA", "US-VCDPA", "US-CPA", "EU-GDPR", "UK-GDPR", "CH-FADP", "CA-PIPEDA", "BR-LGPD", "JP-APPI", "KR-PIPA",
		"SG-PDPA", "IN-DPDP", "AU-PA", "NZ-PA", "ZA-POPIA", "CN-PIPL":
		return true
	}
	return false
}

// Tags gives the known tags in order, for hints and completion.
func Tags() []string {
	var out []string
	for _, j := range Jurisdictions() {
		out = append(out, j.Tag)
	}
	return out
}
