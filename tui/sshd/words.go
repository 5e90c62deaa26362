package sshd

import (
	"errors"
	"strings"
)

// commandMost bounds a command line, in bytes.
const commandMost = 16 << 10

// Words splits a command line as a shell would, quotes and backslashes included, and expands nothing: no variables, no
// patterns, no second command.
func Words(line string) ([]string, error) {
	if len(line) > commandMost {
		return nil, errors.New("the command line is too long")
	}
	var out []string
	var word strings.Builder
	started, quote := false, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == '\'' && c == '\'', quote == '"' && c == '"':
			quote = 0
		case quote == '\'':
			word.WriteByte(c)
		case c == '\\' && (quote == 0 || i+1 < len(line) && strings.IndexByte("\"\\$`", line[i+1]) >= 0):
			if i++; i == len(line) {
				return nil, errors.New("the command line ends in a backslash")
			}
			word.WriteByte(line[i])
			started = true
		case quote == '"':
			word.WriteByte(c)
		case c == '\'', c == '"':
			quote, started = c, true
		case c == ' ', c == '\t', c == '\n', c == '\r':
			if started {
				out = append(out, word.String())
				word.Reset()
				started = false
			}
		default:
			word.WriteByte(c)
			started = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	if started {
		out = append(out, word.String())
	}
	return out, nil
}
