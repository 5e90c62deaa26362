package consensus

import (
	"fmt"
	"os"
	"path/filepath"
	stdslices "slices"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// Finding is one piece of damage: bytes that no write of ours and no crash explains.
type Finding struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"` // byte in the file where it begins, 0 for the whole file
	What   string `json:"what"`
}

// Report is what Inspect saw.
type Report struct {
	Findings      []Finding `json:"findings"` // damage: do not open
	Notes         []Finding `json:"notes"`    // left by a crash, or unused: harmless, mended or ignored at Open
	Files         int       `json:"files"`    // files read
	Bytes         int64     `json:"bytes"`    // bytes read in them
	Entries       uint64    `json:"entries"`  // log entries whose seal was checked
	FirstLog      uint64    `json:"first_log"`
	LastLog       uint64    `json:"last_log"`
	Marker        uint64    `json:"marker"` // log index of the newest snapshot marker, 0 when none
	Head          Head      `json:"-"`
	meta          metaState
	metaGen       uint64
	markerApplied uint64
	tail          *segmentScan // of the last segment, if its file exists
	tailPath      string
	lastTerm      uint64
	headTerm      uint64 // term of the log entry at Head.Index
	headInLog     bool
}

// CheckFiles reads every consensus file of dir without changing anything and before the log library opens them, and
// returns the damage it finds; an empty directory or a missing one has none. applied is the state machine's applied
// index if the caller knows it, else 0. A SIGKILL at any moment leaves no finding. The error says that the files
// could not be read at all.
//
// Covered: every byte of the meta files, markers and head slots, every byte of a segment up to its last commit
// frame, and that the rest of it is zero. An acknowledged index (head file, applied) that the log does not reach is
// a finding.
func CheckFiles(dir string, applied uint64) ([]Finding, error) {
	report, err := Inspect(dir, applied)
	return report.Findings, err
}

// Inspect is CheckFiles with notes and totals.
func Inspect(dir string, applied uint64) (Report, error) {
	c := &checker{dir: dir, logDir: filepath.Join(dir, "log"), applied: applied}
	if _, err := os.Stat(dir); isMissing(err) {
		return c.report, nil
	}
	steps := []func() error{c.head, c.markers, c.meta, c.segments, c.strays}
	for _, step := range steps {
		if err := step(); err != nil {
			return c.report, err
		}
	}
	if len(c.report.Findings) == 0 {
		c.cross()
	}
	return c.report, nil
}

type checker struct {
	dir, logDir string
	applied     uint64
	report      Report
	hasMeta     bool
}

func (c *checker) find(file string, at int64, format string, args ...any) {
	c.report.Findings = append(c.report.Findings, Finding{File: file, Offset: at, What: fmt.Sprintf(format, args...)})
}

func (c *checker) note(file string, at int64, format string, args ...any) {
	c.report.Notes = append(c.report.Notes, Finding{File: file, Offset: at, What: fmt.Sprintf(format, args...)})
}

func (c *checker) count(n int) {
	c.report.Files++
	c.report.Bytes += int64(n)
}

func (c *checker) head() error {
	path := HeadPath(c.dir)
	raw, err := readBounded(path, headFileSize*2)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return ioError("check log files", path, err)
	}
	c.count(len(raw))
	var findings []Finding
	_, c.report.Head, findings = parseHead(path, raw)
	c.report.Findings = append(c.report.Findings, findings...)
	return nil
}

func (c *checker) markers() error {
	dir := filepath.Join(c.dir, "snapshots")
	names, err := listDir(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		switch {
		case strings.HasSuffix(name, osfile.TempSuffix):
			c.note(path, 0, "unfinished file of a crash")
			continue
		case !strings.HasSuffix(name, markerSuffix):
			c.find(path, 0, "not a snapshot marker")
			continue
		}
		m, n, err := readMarker(path)
		if err != nil {
			c.find(path, 0, "snapshot marker: %v", err)
			continue
		}
		c.count(n)
		if m.Index > c.report.Marker {
			c.report.Marker, c.report.markerApplied = m.Index, m.Applied
		}
	}
	return nil
}

func (c *checker) meta() error {
	var findings []Finding
	c.report.metaGen, c.report.meta, c.hasMeta, findings = readMeta(c.logDir)
	c.report.Findings = append(c.report.Findings, findings...)
	for _, name := range metaNames {
		if info, err := os.Stat(filepath.Join(c.logDir, name)); err == nil {
			c.count(int(info.Size()))
		}
	}
	return nil
}

func (c *checker) segments() error {
	if len(c.report.Findings) > 0 && !c.hasMeta {
		return nil
	}
	segs := c.report.meta.Segments
	for i, seg := range segs {
		path := filepath.Join(c.logDir, seg.fileName())
		last := i == len(segs)-1
		if !last && (!seg.sealed() || segs[i+1].BaseIndex != seg.MaxIndex+1) {
			c.find(path, 0, "log has a gap after index %d", seg.MaxIndex)
		}
		raw, err := readBounded(path, maxSegmentFile)
		if isMissing(err) && last && !seg.sealed() && max(c.applied, c.report.Head.Index) < seg.BaseIndex {
			// The meta file names a new segment before its file is made.
			c.note(path, 0, "newest log segment not yet made")
			continue
		}
		if isMissing(err) {
			c.find(path, 0, "log segment is missing")
			continue
		}
		if err != nil {
			return ioError("check log files", path, err)
		}
		c.count(len(raw))
		c.segment(path, raw, seg, last)
	}
	return nil
}

func (c *checker) segment(path string, raw []byte, seg metaSegment, last bool) {
	scan, bad := scanSegment(raw, seg)
	if bad != nil {
		c.find(path, bad.at, "%s", bad.what)
		return
	}
	c.report.Entries += scan.entries
	if t, ok := scan.term(c.report.Head.Index); ok {
		c.report.headTerm, c.report.headInLog = t, true
	}
	// A truncated tail leaves entries above MaxIndex and a cut head some below MinIndex: checked, but not part of the
	// log.
	end := scan.lastIndex()
	if seg.sealed() {
		end = seg.MaxIndex
	}
	if scan.entries > 0 && end >= seg.MinIndex {
		if c.report.FirstLog == 0 {
			c.report.FirstLog = seg.MinIndex
		}
		c.report.LastLog = end
		c.report.lastTerm, _ = scan.term(end)
	}
	if scan.torn {
		c.note(path, scan.committed, "unacknowledged write cut short by a crash, %d bytes", scan.end-scan.committed)
	}
	if last {
		c.report.tail, c.report.tailPath = &scan, path
	}
}

// strays looks for files that nothing refers to.
func (c *checker) strays() error {
	names, err := listDir(c.logDir)
	if err != nil {
		return err
	}
	known := map[string]bool{metaNames[0]: true, metaNames[1]: true}
	for _, seg := range c.report.meta.Segments {
		known[seg.fileName()] = true
	}
	for _, name := range names {
		path := filepath.Join(c.logDir, name)
		switch {
		case known[name]:
		case strings.HasSuffix(name, osfile.TempSuffix):
			c.note(path, 0, "unfinished file of a crash")
		case !strings.HasSuffix(name, ".wal"):
			c.find(path, 0, "not a file of the log")
		case !c.hasMeta:
			c.find(path, 0, "log segment without the log's meta files")
		default:
			c.note(path, 0, "log segment no longer in use")
		}
	}
	return nil
}

// cross compares the files with each other, once each is sound.
func (c *checker) cross() {
	r := &c.report
	reached := max(r.LastLog, r.Marker)
	headPath := HeadPath(c.dir)
	switch {
	case r.Head.Index > reached:
		c.find(c.tailFile(), 0, "log ends at index %d, but index %d was acknowledged (%s): its tail was cut", reached,
			r.Head.Index, headPath)
	case c.applied > reached:
		c.find(c.tailFile(), 0, "log ends at index %d, but the state machine has applied %d: its tail was cut", reached,
			c.applied)
	case r.headInLog && r.headTerm != r.Head.Term:
		c.find(headPath, 0, "head says term %d for index %d, the log says %d", r.Head.Term, r.Head.Index, r.headTerm)
	case r.FirstLog > r.Marker+1 && r.FirstLog > 1:
		c.find(filepath.Join(c.dir, "snapshots"), 0, "log begins at index %d, but no marker covers what was before it",
			r.FirstLog)
	case c.applied > 0 && r.markerApplied > c.applied:
		c.find(filepath.Join(c.dir, "snapshots"), 0, "log was cut up to applied index %d, the state machine has only %d",
			r.markerApplied, c.applied)
	case r.meta.uint64Of(keyCurrentTerm) < r.lastTerm:
		c.find(filepath.Join(c.logDir, metaNames[r.metaGen%2]), 0, "term %d is behind the log's term %d",
			r.meta.uint64Of(keyCurrentTerm), r.lastTerm)
	}
}

func (c *checker) tailFile() string {
	segs := c.report.meta.Segments
	if len(segs) == 0 {
		return c.logDir
	}
	return filepath.Join(c.logDir, segs[len(segs)-1].fileName())
}

// listDir lists a directory's names sorted; none when it does not exist.
func listDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, ioError("check log files", dir, err)
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	stdslices.Sort(names)
	return names, nil
}

// refusal turns findings into the error that Open returns.
func (r Report) refusal(op string) error {
	first := r.Findings[0]
	more := ""
	if n := len(r.Findings) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return nexus.Errf(op, nexus.CodeCorrupt, fmt.Sprintf("%s at byte %d", first.File, first.Offset),
		"restore the directory from a backup; do not delete single files", "%s%s", first.What, more)
}
