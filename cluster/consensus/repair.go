package consensus

import (
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

var keyCurrentTerm = "CurrentTerm" // raft's name for it in the stable store

func (s metaState) uint64Of(key string) uint64 {
	for _, p := range s.Stable {
		if p.Key == key && len(p.Value) == 8 {
			return binary.LittleEndian.Uint64(p.Value) // raft-wal's order
		}
	}
	return 0
}

// mend finishes what a crash interrupted, each step logged, none of it touching an acknowledged byte. It runs after a
// check without findings and before raft-wal opens the log, which would get three of these wrong: it leaves the
// bytes of a torn write in place, where a later shorter one does not cover them; a torn closing makes it refuse
// every append; and a segment closed just before the crash, but not yet recorded as closed, does the same.
func mend(dir string, report Report, log *slog.Logger, w Watch) error {
	for _, note := range report.Notes {
		if !strings.HasSuffix(note.File, osfile.TempSuffix) {
			continue
		}
		log.Warn("removing an unfinished file of a crash", "file", note.File)
		if err := os.Remove(note.File); err != nil {
			return ioError("open log", note.File, err)
		}
	}
	if report.tail == nil {
		return nil
	}
	if report.tail.torn {
		log.Warn("removing an unacknowledged write that a crash cut short", "file", report.tailPath,
			"offset", report.tail.committed, "bytes", report.tail.end-report.tail.committed)
		if err := zeroTail(w, report.tailPath, report.tail.committed, report.tail.end); err != nil {
			return ioError("open log", report.tailPath, err)
		}
	}
	if report.tail.indexStart > 0 && !report.tail.info.sealed() {
		log.Warn("finishing a segment rotation that a crash cut short", "file", report.tailPath)
		return finishRotation(w, filepath.Join(dir, "log"), report)
	}
	return nil
}

// zeroTail writes zeros over [from, to) from the end to the front, page by page, so that a crash in between leaves a
// shorter torn write and nothing else.
func zeroTail(w Watch, path string, from, to int64) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	for to > from {
		start := max(from, (to-1)&^(pageSize-1))
		zeros := make([]byte, to-start)
		if err := w.do(Op{Step: StepMendWrite, Path: path, Offset: start, Data: zeros}); err != nil {
			return err
		}
		if _, err := file.WriteAt(zeros, start); err != nil {
			return err
		}
		to = start
	}
	if err := w.do(Op{Step: StepMendSync, Path: path}); err != nil {
		return err
	}
	return file.Sync()
}

// finishRotation records the tail as closed and names the next segment, whose file raft-wal then makes.
func finishRotation(w Watch, logDir string, report Report) error {
	state := report.meta
	segs := append([]metaSegment(nil), state.Segments...)
	tail := &segs[len(segs)-1]
	now := time.Now().UnixNano()
	tail.SealNs, tail.MaxIndex, tail.IndexStart = now, report.tail.lastIndex(), uint64(report.tail.indexStart)
	segs = append(segs, metaSegment{ID: state.NextSegmentID, BaseIndex: tail.MaxIndex + 1, MinIndex: tail.MaxIndex + 1,
		Codec: tail.Codec, CreateNs: now, SizeLimit: tail.SizeLimit})
	state.NextSegmentID++
	state.Segments = segs
	generation := report.metaGen + 1
	path := filepath.Join(logDir, metaNames[generation%2])
	if err := replaceFile(w, metaSteps, path, sealFile(metaMagic, generation, nexus.Encode(state))); err != nil {
		return ioError("open log", path, err)
	}
	return nil
}
