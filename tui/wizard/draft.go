package wizard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// draftMax bounds a draft file, in bytes.
const draftMax = 64 << 10

// draft is everything answered so far, as typed: a half-finished answer is kept too.
type draft struct {
	Step         string `json:"step"` // name of the step to go on with
	Kind         string `json:"kind"`
	OwnerChoice  string `json:"owner_choice"` // self or other
	Owner        string `json:"owner"`
	Name         string `json:"name"`
	Preset       string `json:"preset"`
	CPU          string `json:"cpu"`
	Memory       string `json:"memory"`
	Storage      string `json:"storage"`
	Processes    string `json:"processes"`
	Jurisdiction string `json:"jurisdiction"`
	Class        string `json:"class"`
	Sessions     string `json:"sessions"`
	Decision     string `json:"-"` // at the review: create, change, leave
}

// preset is an envelope by name.
type preset struct{ name, words, cpu, memory, storage, processes string }

// presets are the envelopes offered; the standard one is SPEC section 3's default.
func presets() []preset {
	return []preset{
		{"small", "1 core, 1 GiB memory, 10 GiB storage, 256 processes", "1", "1", "10", "256"},
		{"standard", "2 cores, 4 GiB memory, 50 GiB storage, 512 processes", "2", "4", "50", "512"},
		{"large", "4 cores, 8 GiB memory, 100 GiB storage, 1024 processes", "4", "8", "100", "1024"},
	}
}

const ownValues = "own"

// newDraft starts from the answers given by flags; the rest gets the defaults of the specification.
func newDraft(req wire.UnitCreate) *draft {
	d := &draft{Kind: req.Kind, OwnerChoice: "self", Owner: req.Owner, Name: req.Name, Preset: "standard", CPU: "2",
		Memory: "4", Storage: "50",
		Processes: "512", Jurisdiction: req.Jurisdiction, Class: req.Class}
	d.prefill(req)
	if d.Kind == "" {
		d.Kind = "imvu"
	}
	if d.Jurisdiction == "" {
		d.Jurisdiction = "US-CCPA"
	}
	if d.Class == "" {
		d.Class = "interactive"
	}
	return d
}

// prefill lets flags overrule the draft, because they are what the user said last.
func (d *draft) prefill(req wire.UnitCreate) {
	for _, f := range []struct {
		to   *string
		from string
	}{{&d.Kind, req.Kind}, {&d.Owner, req.Owner}, {&d.Name, req.Name}, {&d.Jurisdiction, req.Jurisdiction}, {&d.Class,
		req.Class}} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	if req.Owner != "" {
		d.OwnerChoice = "other"
	}
	if req.Sessions > 0 {
		d.Sessions = strconv.FormatUint(uint64(req.Sessions), 10)
	}
	e := req.Envelope
	if e.CPUCores > 0 {
		d.Preset, d.CPU = ownValues, strconv.FormatFloat(e.CPUCores, 'f', -1, 64)
	}
	if e.MemoryBytes > 0 {
		d.Preset, d.Memory = ownValues, sizeText(e.MemoryBytes)
	}
	if e.StorageBytes > 0 {
		d.Preset, d.Storage = ownValues, sizeText(e.StorageBytes)
	}
	if e.Processes > 0 {
		d.Preset, d.Processes = ownValues, strconv.FormatUint(e.Processes, 10)
	}
}

// applyPreset writes the values of the chosen preset where they can be changed later.
func (d *draft) applyPreset() {
	for _, p := range presets() {
		if p.name == d.Preset {
			d.CPU, d.Memory, d.Storage, d.Processes = p.cpu, p.memory, p.storage, p.processes
		}
	}
}

// request turns the answers into what the node is asked for.
func (d *draft) request() (wire.UnitCreate, error) {
	req := wire.UnitCreate{Kind: d.Kind, Name: d.Name, Jurisdiction: d.Jurisdiction, Class: d.Class}
	if d.OwnerChoice == "other" {
		req.Owner = d.Owner
	}
	if channel(d.Kind) {
		req.Kind, req.On, req.Class = "channel", d.Kind, ""
		return req, nil
	}
	var err error
	set := func(problem error) {
		if err == nil {
			err = problem
		}
	}
	req.Envelope.CPUCores, err = parseCores(d.CPU)
	memory, problem := parseSize("memory", d.Memory)
	set(problem)
	storage, problem := parseSize("storage", d.Storage)
	set(problem)
	processes, problem := parseProcesses(d.Processes)
	set(problem)
	req.Sessions, problem = parseSessions(d.Sessions, 0)
	set(problem)
	req.Envelope.MemoryBytes, req.Envelope.StorageBytes, req.Envelope.Processes = memory, storage, processes
	return req, err
}

func malformed(subject, hint, format string, args ...any) error {
	return nexus.Errf("", nexus.CodeMalformed, subject, hint, format, args...)
}

// Limits of an envelope that the form itself knows; the node has the last word.
const coresMax = 4096

func parseCores(s string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(v >= 0.001 && v <= coresMax) {
		return 0, malformed("cores "+strconv.Quote(s), "a number of cores such as 2 or 0.5", "not between 0.001 and %d",
			coresMax)
	}
	return v, nil
}

// sizeUnits are the units of sizes, as the flags read them: a bare number counts 2^30 bytes (CLI.md).
var sizeUnits = []struct {
	name  string
	bytes float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9},
	{"TB", 1e12},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}, {"", 1 << 30}}

const sizeBytesMax = 1 << 50

func parseSize(what, s string) (uint64, error) {
	text := strings.TrimSpace(s)
	for _, u := range sizeUnits {
		digits, ok := cutSuffixFold(text, u.name)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if err != nil || !(v > 0) || v*u.bytes > sizeBytesMax || v*u.bytes < 1 {
			break
		}
		return uint64(v * u.bytes), nil
	}
	return 0, malformed(what+" "+strconv.Quote(s), "a number of GB such as 8, or 512MiB", "not a size")
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if len(s) < len(suffix) || !strings.EqualFold(s[len(s)-len(suffix):], suffix) {
		return s, false
	}
	return s[:len(s)-len(suffix)], true
}

func sizeText(n uint64) string {
	for _, u := range []struct {
		name  string
		bytes uint64
	}{{"", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n%u.bytes == 0 {
			return strconv.FormatUint(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatFloat(float64(n)/(1<<10), 'f', -1, 64) + "KiB"
}

func parseProcesses(s string) (uint64, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 32)
	if err != nil || n == 0 {
		return 0, malformed("processes "+strconv.Quote(s), "a number such as 512", "not a positive integer")
	}
	return n, nil
}

// parseSessions reads a session cap; nothing and 0 are the class's number. most is the highest one, 0 when it is not known.
func parseSessions(s string, most int) (uint32, error) {
	text := strings.TrimSpace(s)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	switch {
	case err != nil:
		return 0, malformed("session cap "+strconv.Quote(s), "a number such as 500, or nothing for the class's", "not a number of connections")
	case most > 0 && n > uint64(most):
		return 0, malformed("session cap "+text, fmt.Sprintf("at most %d", most), "more than a gateway takes")
	}
	return uint32(n), nil
}

// ValidName says of a display name what is wrong with it, as people put it, before a node is asked: UTF-8, 1 to 80 printable characters. The
// state machine refuses the same names.
func ValidName(name string) error {
	n := utf8.RuneCountInString(name)
	switch {
	case n == 0:
		return malformed("name", "1 to 80 characters", "missing")
	case n > 80 || !utf8.ValidString(name):
		return malformed("name", "1 to 80 characters of UTF-8", "%d characters", n)
	case strings.TrimSpace(name) != name:
		return malformed("name "+strconv.Quote(name), "take the space away", "space at an end")
	}
	for _, r := range name {
		switch {
		case unicode.IsPrint(r):
		case r == '\u200d': // people see one emoji, not that it is several
			return malformed("name", "one emoji for each of them goes", "it holds an emoji joined of several: the joiner is not seen, and two names could look alike")
		case unicode.IsSpace(r):
			return malformed("name", "an ordinary space goes", "it holds %U, a space of another kind", r)
		case unicode.In(r, unicode.Cf):
			return malformed("name", "take it away", "it holds %U, which is not seen: two names could look alike", r)
		default:
			return malformed("name", "take it away", "it holds %U, which cannot be printed", r)
		}
	}
	return nil
}

// Waiting says what creation a draft file holds: its name and the step it is at. "" when there is none, or none that can be read.
func Waiting(path string) string {
	d, err := loadDraft(path)
	if err != nil || d == nil || d.Step == welcomeName && strings.TrimSpace(d.Name) == "" { // nothing was answered
		return ""
	}
	name := "a unit without a name yet"
	if strings.TrimSpace(d.Name) != "" {
		name = strconv.Quote(d.Name)
	}
	return "the half-finished creation of " + name + ", at " + d.Step
}

// loadDraft reads a draft; no file, a foreign or an oversized one gives nil, for a draft is only a convenience.
func loadDraft(path string) (*draft, error) {
	if path == "" {
		return nil, nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil || info.Size() > draftMax {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var d draft
	if json.Unmarshal(b, &d) != nil {
		return nil, nil
	}
	return &d, nil
}

// save replaces the draft file; a crash leaves the old or the new one.
func (d *draft) save(path string) error {
	if path == "" {
		return nil
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".draft-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}
