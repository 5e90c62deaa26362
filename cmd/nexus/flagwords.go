package main

import (
	"errors"
	"regexp"
)

// flagJargon is what the parsers of the standard library say of a flag's value, and what a user is told instead.
var flagJargon = []struct {
	says *regexp.Regexp
	tell string
}{
	{regexp.MustCompile(`strconv\.ParseUint: parsing ".*": invalid syntax`), "not a whole number from 0 up"},
	{regexp.MustCompile(`strconv\.ParseInt: parsing ".*": invalid syntax`), "not a whole number"},
	{regexp.MustCompile(`strconv\.ParseBool: parsing ".*": invalid syntax`), "not true or false"},
	{regexp.MustCompile(`strconv\.Parse\w+: parsing ".*": value out of range`), "out of range"},
	{regexp.MustCompile(`time: missing unit in duration .*`), "without a unit: ms, s, m or h"},
	{regexp.MustCompile(`time: (?:invalid|unknown unit .*in) duration .*`), "not a duration such as 10ms, 30s or 5m"},
}

// plainFlag gives the refusal of a flag's value without the names of the library's functions.
func plainFlag(err error) error {
	text := err.Error()
	for _, j := range flagJargon {
		text = j.says.ReplaceAllLiteralString(text, j.tell)
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}
