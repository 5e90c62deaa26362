package theme

import "strings"

// Detect chooses options from the environment of the session, given as a look-up: the terminal is never asked, because
// one that does not answer would hold the first frame back. Order: NO_COLOR, TERM, COLORTERM for colours; COLORFGBG
// for the background, dark without it; LC_ALL, LC_CTYPE, LANG for the character set.
func Detect(getenv func(string) string) Options {
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	return Options{Color: detectColor(getenv), Light: detectLight(getenv("COLORFGBG")), ASCII: detectASCII(getenv)}
}

func detectColor(getenv func(string) string) Color {
	term, colorterm := getenv("TERM"), strings.ToLower(getenv("COLORTERM"))
	switch {
	case getenv("NO_COLOR") != "", term == "", term == "dumb", strings.HasSuffix(term, "-m"), strings.HasPrefix(term,
		"vt"):
		return ColorNone
	case colorterm == "truecolor", colorterm == "24bit", strings.HasSuffix(term, "-direct"):
		return ColorTrue
	case strings.Contains(term, "256color"):
		return Color256
	default:
		return Color16
	}
}

// detectLight reads "foreground;background": backgrounds 7 and 9 to 15 are light.
func detectLight(colorfgbg string) bool {
	i := strings.LastIndexByte(colorfgbg, ';')
	if i < 0 {
		return false
	}
	switch colorfgbg[i+1:] {
	case "7", "9", "10", "11", "12", "13", "14", "15":
		return true
	}
	return false
}

func detectASCII(getenv func(string) string) bool {
	if getenv("TERM") == "linux" {
		return true
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(getenv(name)); v != "" {
			return !strings.Contains(v, "utf-8") && !strings.Contains(v, "utf8")
		}
	}
	return true
}
