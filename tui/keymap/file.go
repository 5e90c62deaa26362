package keymap

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// keyLinesMax bounds a key file.
const keyLinesMax = 500

// Parse reads a key file: lines "action = key, key", # begins a comment line. Mistakes, unknown actions and conflicts name the
// file and the line. The result is what New takes.
func Parse(file string, r io.Reader) (map[string][]string, error) {
	override, lines := map[string][]string{}, map[string]int{}
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		wrong := func(hint, format string, args ...any) error {
			return nexus.Errf("keys", nexus.CodeUsage, fmt.Sprintf("%s line %d", file, n), hint, format, args...)
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		switch {
		case n > keyLinesMax:
			return nil, wrong("keep it short", "more than %d lines", keyLinesMax)
		case !ok:
			return nil, wrong("write action = key, key", "%q has no =", name)
		case lines[name] > 0:
			return nil, wrong("keep one of them", "%s is set in line %d too", name, lines[name])
		}
		for _, k := range strings.Split(value, ",") {
			if k = strings.TrimSpace(k); k != "" {
				override[name] = append(override[name], k)
			}
		}
		lines[name] = n
		if len(override[name]) == 0 {
			return nil, wrong("give at least one key", "%s has none", name)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, nexus.Errf("keys", nexus.CodeUsage, file, "", "%v", err)
	}
	_, err := build(override, func(name string) string {
		if n := lines[name]; n > 0 {
			return fmt.Sprintf("%s (%s line %d)", name, file, n)
		}
		return name
	})
	return override, err
}
