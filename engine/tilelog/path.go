package tilelog

import (
	"strconv"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// path names a tile, or a bundle of entries, which counts as level 0.
type path struct {
	entries bool
	level   uint8  // at most levelMax
	index   uint64 // below 10^18
	width   int    // 1 to merkle.TileWidth
}

const (
	levelMax  = 63
	groupsMax = 6 // of three digits: more than any tree has
)

// parsePath reads <L>/<N>[.p/<W>] or entries/<N>[.p/<W>] and refuses every other spelling, so that a cache holds each resource
// once.
func parsePath(s string) (p path, ok bool) {
	level, rest, found := strings.Cut(s, "/")
	if !found {
		return p, false
	}
	if level == "entries" {
		p.entries = true
	} else {
		n, ok := number(level, levelMax)
		if !ok {
			return p, false
		}
		p.level = uint8(n)
	}
	p.width = merkle.TileWidth
	if index, width, partial := strings.Cut(rest, ".p/"); partial {
		n, ok := number(width, merkle.TileWidth-1)
		if !ok || n == 0 {
			return p, false
		}
		rest, p.width = index, n
	}
	p.index, ok = parseIndex(rest)
	return p, ok
}

// number reads a decimal without a sign or leading zeros, at most limit.
func number(s string, limit int) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n <= limit && strconv.Itoa(n) == s
}

// parseIndex reads groups of three digits, all but the last after an x: x001/x234/067. The first of several is not zero.
func parseIndex(s string) (index uint64, ok bool) {
	groups := strings.Split(s, "/")
	if len(groups) > groupsMax {
		return 0, false
	}
	for i, g := range groups {
		if i < len(groups)-1 {
			if g, ok = strings.CutPrefix(g, "x"); !ok || i == 0 && g == "000" {
				return 0, false
			}
		}
		if len(g) != 3 {
			return 0, false
		}
		for _, c := range []byte(g) {
			if c < '0' || c > '9' {
				return 0, false
			}
			index = index*10 + uint64(c-'0')
		}
	}
	return index, true
}

// under says whether a tree of size entries has all of it.
func (p path) under(size uint64) bool {
	nodes := size >> (8 * uint(p.level))
	return p.index <= nodes/merkle.TileWidth && p.index*merkle.TileWidth+uint64(p.width) <= nodes
}
